"""Whose a call or a text is, and what of a call says nothing about who called. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from call_ingest.evidence import Evidence, of_the_call
from call_ingest.facts import Identify, Identity, Webhook, in_order
from call_ingest.messages import correspondent, sent_at

# What a call's outcome is concluded from; whatever else a parameter says may say who called.
BARE = frozenset(
    {
        "CallDuration",
        "CallStatus",
        "DialBridged",
        "DialCallDuration",
        "DialCallStatus",
        "Direction",
        "EndTime",
        "StartTime",
    }
)
# The business's number, where it was called.
CALLED = frozenset({"Called", "To"})
# What was said on a call: there may be thousands, and they seldom name anybody.
SPOKEN = frozenset({"recording", "transcription"})


@dataclass(frozen=True, slots=True)
class Party:
    """Who called or wrote, or was called or written to by us (`reached`); of a leg that we rang both ends."""

    identities: tuple[Identity, ...]
    at: datetime
    reached: bool


def party_of_call(call_sid: str, webhooks: Sequence[Webhook], identify: Identify) -> Party:
    """By the webhooks alone, whatever was told of the caller before."""
    known = Evidence(call_sid, webhooks, identify, None)
    ends = (identify(known.called), known.identity) if known.outbound else (known.identity,)
    return Party(ends, known.started_at, known.outbound)


def party_of_message(webhooks: Iterable[Webhook], identify: Identify) -> Party:
    known = sorted(webhooks, key=in_order)
    number, reached = correspondent(known)
    return Party((identify(number),), sent_at(known[0]), reached)


def bare(call_sid: str, webhooks: Iterable[Webhook]) -> list[Webhook]:
    """A call's webhooks without who called and what was said: the same outcome is concluded from them."""
    return [_bare(of_the_call(call_sid, webhook)) for webhook in webhooks]


def together(webhooks: Iterable[Webhook]) -> list[Webhook]:
    """Each once, however often it came: what was bared cannot be known again by its digest."""
    first: dict[object, Webhook] = {}
    for webhook in sorted(webhooks, key=in_order):
        key = webhook.kind, webhook.answer, tuple(sorted(webhook.params.items()))
        known = first.setdefault(key, webhook)
        first[key] = replace(known, known_at=min(known.known_at, webhook.known_at))
    return list(first.values())


def _bare(webhook: Webhook) -> Webhook:
    kept = BARE if webhook.params.get("Direction", "").startswith("outbound") else BARE | CALLED
    return replace(webhook, params={name: value for name, value in webhook.params.items() if name in kept})
