"""A call's webhooks, asked for what they say. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from call_ingest.facts import Identify, Identity, Webhook, in_order, moment_of, seconds_of
from call_ingest.outcomes import (
    DIAL_OUTCOMES,
    REST,
    TURN_AWAY,
    is_final,
    ringing_failed_by,
)

RECORDING_SID = re.compile(r"RE[0-9a-f]{32}")
# What the leg to a telephone that is rung says of itself: that we called, and whom.
OF_THE_LEG = frozenset({"Direction", "To", "Called"})


@dataclass(frozen=True, slots=True)
class Recording:
    """`seconds` is None until somebody told."""

    sid: str
    seconds: int | None
    at: datetime


class Evidence:
    """`told_as` is the caller that was told of before, which then stays."""

    def __init__(
        self, call_sid: str, webhooks: Sequence[Webhook], identify: Identify, told_as: Identity | None
    ) -> None:
        self._webhooks = [of_the_call(call_sid, webhook) for webhook in sorted(webhooks, key=in_order)]
        self.call_sid = call_sid
        self.voice = next(iter(self.of("voice")), None)
        self.identity = told_as or identify(self._first("From", "Caller"))
        self.called = self._first("To", "Called")
        self.caller_name = printable(self._first("CallerName")) or None
        self.direction = self._first("Direction") or "inbound"

    def of(self, kind: str) -> list[Webhook]:
        return [webhook for webhook in self._webhooks if webhook.kind == kind]

    @cached_property
    def started_at(self) -> datetime:
        if self.voice is not None:
            return self.voice.received_at
        told = (moment_of(webhook.params.get("StartTime")) for webhook in self.of(REST))
        return min((moment for moment in told if moment), default=self._webhooks[0].received_at)

    @property
    def heard_of_at(self) -> datetime:
        return min(webhook.known_at for webhook in self._webhooks)

    @property
    def outbound(self) -> bool:
        return self.direction.startswith("outbound")

    @property
    def turned_away(self) -> Webhook | None:
        """What told that the caller is blocked."""
        return next((w for w in self._webhooks if w.answer == TURN_AWAY), None)

    @cached_property
    def dial(self) -> Webhook | None:
        """The dial result that counts: what Twilio posted before what it was asked for."""
        asked = [webhook for webhook in self.of(REST) if "DialCallStatus" in webhook.params]
        return min(self.of("dial") or asked, key=self._weight, default=None)

    @cached_property
    def finals(self) -> list[Webhook]:
        """What told that the call is over."""
        return [w for w in self._webhooks if w.kind in ("status", REST) and is_final(w.params)]

    @property
    def over_at(self) -> datetime:
        """When the end became known first: one more telling of it, out of a spool, opens nothing again."""
        return min(webhook.known_at for webhook in self.finals)

    @property
    def told_by_twilio(self) -> bool:
        """Whether Twilio's API said how it ended."""
        return any(webhook.kind == REST for webhook in self.finals)

    @cached_property
    def recordings(self) -> tuple[Recording, ...]:
        """Each as it was first heard of, with the longest duration that was told."""
        found: dict[str, Recording] = {}
        for webhook in self._webhooks:
            sid = _recording_sid(webhook.params)
            if sid and webhook.kind != "transcription":
                told = seconds_of(webhook.params.get("RecordingDuration"))
                known = found.get(sid, Recording(sid, told, webhook.received_at))
                found[sid] = replace(
                    known, seconds=max((s for s in (known.seconds, told) if s is not None), default=None)
                )
        return tuple(found.values())

    def _weight(self, dial: Webhook) -> tuple[int, object]:
        reason = ringing_failed_by(dial.params)
        return list(DIAL_OUTCOMES.values()).index(reason), in_order(dial)

    def _first(self, *names: str) -> str:
        """The first non-blank value, of the voice webhook before the others, of a parameter and its synonyms."""
        voice = [] if self.voice is None else [self.voice]
        values = (w.params.get(name, "").strip() for w in (*voice, *self._webhooks) for name in names)
        return next((value for value in values if value), "")


def printable(text: str) -> str:
    """On one line, without control characters: who is called so does not decide how a page or a file looks."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def of_the_call(call_sid: str, webhook: Webhook) -> Webhook:
    """A webhook of a leg that was rung for this call knows the caller, but the call itself was neither ours nor to
    that telephone."""
    if webhook.params.get("ParentCallSid") != call_sid:
        return webhook
    return replace(webhook, params={name: webhook.params[name] for name in webhook.params.keys() - OF_THE_LEG})


def _recording_sid(params: Mapping[str, str]) -> str:
    """The SID of a recording that exists, out of its URL where it is not told by itself."""
    if (params.get("RecordingStatus") or "completed") != "completed":
        return ""
    found = RECORDING_SID.search(params.get("RecordingUrl", ""))
    return params.get("RecordingSid", "").strip() or (found.group() if found else "")
