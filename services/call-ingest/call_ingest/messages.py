"""What a text message's webhooks mean. Pure: a function of the *set* of a message's webhooks.

Twilio's status callbacks come in any order, without time or number
(twilio.com/docs/messaging/guides/track-outbound-message-status): a message's status is the furthest one seen.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from call_ingest.consent import consent
from call_ingest.facts import Fact, Identify, Webhook, in_order

# A status that ends a message may be followed by another: a receipt that comes late overrules a carrier's guess, and
# a person who read a message was reached whatever else is said. Hence the order of the ends: from the one that
# needs the least evidence to the one that has the most. One that is not listed ranks below all.
STATUSES_BY_RANK = (
    "receiving",
    "received",
    "scheduled",
    "accepted",
    "queued",
    "sending",
    "sent",
    "canceled",
    "failed",
    "undelivered",
    "partially_delivered",
    "delivered",
    "read",
)
REACHED_STATUSES = frozenset({"delivered", "read"})
RECEIVED = "received"
INBOUND_STATUSES = frozenset({"receiving", RECEIVED})
INBOUND_KINDS = frozenset({"sms", "rest"})

MOST_MEDIA = 10
TWILIO_MEDIA = re.compile(
    r"https://(?:[a-z0-9-]+\.)+twilio\.com/2010-04-01/Accounts/AC[0-9A-Za-z]+/Messages/[0-9A-Za-z]+/Media/ME[0-9A-Za-z]+"
)


@dataclass(frozen=True, slots=True)
class MessageConclusion:
    """What is known of a message. `status` is the furthest one, empty when none was told; `at` is when the message
    was first heard of, or sent where only Twilio's REST API told of it."""

    direction: str
    status: str
    error_code: int | None
    at: datetime
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class _Change:
    """A status that was told of an outbound message, and by which webhook."""

    status: str
    error_code: int | None
    webhook: Webhook


def conclude_message(message_sid: str, webhooks: Iterable[Webhook], identify: Identify) -> MessageConclusion:
    """What a message's webhooks, of which there is at least one, say. Repeated ones change nothing.

    A message is inbound as soon as one webhook says that it was received.
    """
    known = sorted(webhooks, key=in_order)
    received = [webhook for webhook in known if _is_inbound(webhook)]
    changes = [_change(webhook) for webhook in known if not _is_inbound(webhook) and _status(webhook)]
    told = [_status(webhook) or RECEIVED for webhook in received] or [change.status for change in changes]
    status = max(told, key=rank, default="")
    return MessageConclusion(
        direction="inbound" if received else "outbound",
        status=status,
        error_code=_error_code(changes, status),
        at=sent_at(known[0]),
        facts=(
            *(_received(message_sid, webhook, identify) for webhook in received[:1]),
            *_status_changes(message_sid, changes, known),
        ),
    )


def rank(status: str) -> tuple[int, str]:
    """How far a message got; what is not known ranks below all."""
    return (STATUSES_BY_RANK.index(status) if status in STATUSES_BY_RANK else -1), status


def correspondent(webhooks: Sequence[Webhook]) -> tuple[str, bool]:
    """The number that wrote to us, or that we wrote to, as Twilio told it first; whether we wrote."""
    received = [webhook for webhook in webhooks if _is_inbound(webhook)]
    return (_first(received, "From"), False) if received else (_first(webhooks, "To"), True)


def sent_at(webhook: Webhook) -> datetime:
    """When a message was sent: the REST API may tell of it hours later, which makes the message no newer."""
    if webhook.kind != "rest":
        return webhook.received_at
    try:
        told = datetime.fromisoformat(webhook.params.get("SentAt", ""))
        return min(webhook.received_at, told).astimezone(UTC)
    except (OverflowError, TypeError, ValueError):
        return webhook.received_at


def _status(webhook: Webhook) -> str:
    return _first([webhook], "MessageStatus", "SmsStatus")


def _is_inbound(webhook: Webhook) -> bool:
    """Wherever it was posted: a number that is wrongly set up must not lose a STOP."""
    status = _status(webhook)
    unsaid = not status and webhook.kind in INBOUND_KINDS
    return status in INBOUND_STATUSES or (unsaid and bool(_first([webhook], "From", "Body")))


def _received(message_sid: str, webhook: Webhook, identify: Identify) -> Fact:
    kind, sender = identify(_first([webhook], "From"))
    said, keyword = consent(webhook.params)
    at = sent_at(webhook)
    data: dict[str, Any] = {
        "message_sid": message_sid,
        "sender": sender,
        "recipient": _first([webhook], "To"),
        "sender_kind": kind,
        "body": webhook.params.get("Body", ""),
        "media": _media(webhook.params),
        "consent": said,
        "keyword": keyword,
        "at": at,
    }
    return Fact("sms.received", at, data)


def _media(params: Mapping[str, str]) -> list[dict[str, str | None]]:
    found = []
    for number in range(MOST_MEDIA):
        url = params.get(f"MediaUrl{number}", "").strip()
        content_type = params.get(f"MediaContentType{number}", "").strip()
        if url or content_type:
            found.append({"url": url if TWILIO_MEDIA.fullmatch(url) else None, "content_type": content_type})
    return found


def _change(webhook: Webhook) -> _Change:
    return _Change(_status(webhook), _code(webhook.params.get("ErrorCode", "").strip()), webhook)


def _code(text: str) -> int | None:
    """An error code of Twilio; None for 0, which stands for no error, and for what is none."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        return None
    return int(text) or None


def _status_changes(message_sid: str, changes: Iterable[_Change], known: Sequence[Webhook]) -> list[Fact]:
    """One for each status and error code, of the webhook that told it first."""
    first: dict[tuple[str, int | None], _Change] = {}
    for change in changes:
        first.setdefault((change.status, change.error_code), change)
    return [_status_change(message_sid, change, known) for change in first.values()]


def _status_change(message_sid: str, change: _Change, known: Sequence[Webhook]) -> Fact:
    webhooks = (change.webhook, *known)
    at = change.webhook.received_at
    data: dict[str, Any] = {
        "message_sid": message_sid,
        "request_id": _first(webhooks, "request_id") or None,
        "status": change.status,
        "error_code": change.error_code,
        "recipient": _first(webhooks, "To"),
        "at": at,
    }
    return Fact("sms.status_changed", at, data, cause=(change.status, str(change.error_code or "")))


def _error_code(changes: Iterable[_Change], status: str) -> int | None:
    """The code told with the furthest status that has one: a repetition without it takes nothing back.

    What stood in the way of a message that was delivered nevertheless no longer counts.
    """
    explaining = (change for change in changes if _may_explain(change.status, status))
    codes = ((rank(change.status), change.error_code) for change in explaining if change.error_code)
    return max(codes, default=(None, None))[1]


def _may_explain(status: str, furthest: str) -> bool:
    return status == furthest or furthest not in REACHED_STATUSES


def _first(webhooks: Iterable[Webhook], *names: str) -> str:
    """The first non-blank value of a parameter and its synonyms."""
    values = (webhook.params.get(name, "").strip() for webhook in webhooks for name in names)
    return next((value for value in values if value), "")
