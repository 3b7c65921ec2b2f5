"""What a call's webhooks mean. Pure: a call's outcome is a function of the *set* of its webhooks and the time.

Twilio gives no order and may repeat itself (twilio.com/docs/voice/api/call-resource#statuscallbackevent), so
nothing here depends on which webhook came first. What cannot be known yet is decided by time, at `due_at`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

# How long a call whose dial result or first webhook is missing may still hear of it.
SETTLE = timedelta(seconds=10)
# How long a call without a final status can last: Twilio ends every call after four hours.
LONGEST_CALL = timedelta(hours=4, minutes=15)

RECORDING_SID = re.compile(r"RE[0-9a-f]{32}")
FINAL_STATUSES = frozenset({"completed", "busy", "no-answer", "canceled", "failed"})
# DialCallStatus → why the call is missed; `completed` and `answered` mean that a person took it, one that is not
# listed that ringing failed. Of two contradicting dial results the first in this order counts.
DIAL_OUTCOMES: Mapping[str, str | None] = {
    "completed": None,
    "answered": None,
    "no-answer": "no-answer",
    "busy": "busy",
    "failed": "failed",
    "canceled": "canceled",
}


Identity = tuple[str, str]
"""Kind of a caller, and E.164 or the caller ID itself when it identifies nobody."""

Identify = Callable[[str], Identity]
"""A caller ID as Twilio sent it → who that is."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A stored raw request. `kind` is the route's (`voice dial status recording`); `rang` whether the answer to
    a `voice` webhook rang somebody, `voicemail` whether the caller was offered to leave a message."""

    kind: str
    received_at: datetime
    params: Mapping[str, str]
    rang: bool = True
    voicemail: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """An event in the making; `cause` (with the call's SID) is what its id is made from."""

    type: str
    at: datetime
    data: Mapping[str, Any]
    cause: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What is known of a call: the facts to tell, its outcome, and when time will tell more."""

    started_at: datetime
    identity: Identity | None = None
    outcome: str | None = None
    reason: str | None = None
    due_at: datetime | None = None
    facts: tuple[Fact, ...] = field(default=())


def conclude(
    call_sid: str,
    webhooks: Iterable[Webhook],
    identify: Identify,
    now: datetime,
    told_as: Identity | None = None,
) -> Conclusion:
    """What a call's webhooks say by `now`. `told_as` is the caller that was told of before, which then stays.

    Nothing is told before the first webhook of the call is there or was waited for: it knows the caller best.
    """
    known = _Known(call_sid, sorted(webhooks, key=_order), identify, told_as)
    settled_at = known.first.received_at + SETTLE
    if known.outbound:
        return Conclusion(known.first.received_at)
    if known.voice is None and now < settled_at:
        return Conclusion(known.first.received_at, due_at=settled_at)
    outcome, due_at = _outcome(known, now)
    facts = (known.started(), *(() if outcome is None else (outcome,)), *known.recordings())
    return Conclusion(
        started_at=known.started_at,
        identity=known.identity,
        outcome=None if outcome is None else outcome.type.removeprefix("call."),
        reason=None if outcome is None else outcome.data.get("reason"),
        due_at=due_at,
        facts=facts,
    )


def _order(webhook: Webhook) -> tuple[datetime, str, list[tuple[str, str]]]:
    return webhook.received_at, webhook.kind, sorted(webhook.params.items())


def _outcome(known: "_Known", now: datetime) -> tuple[Fact | None, datetime | None]:
    """The call's one outcome, or when it will be due: dial result, then not rung, then ended, then time."""
    dial = known.dial
    if dial is not None:
        return _of_dial(known, dial), None
    if known.voice is not None and not known.voice.rang:
        return known.missed("closed", known.voice.received_at, known.voice.voicemail), None
    if known.final is not None:
        due_at = known.final.received_at + SETTLE
        return (known.missed("abandoned", known.final.received_at, False), None) if now >= due_at else (None, due_at)
    due_at = known.started_at + LONGEST_CALL
    return (known.missed("timeout", due_at, False), None) if now >= due_at else (None, due_at)


def _of_dial(known: "_Known", dial: Webhook) -> Fact:
    reason = DIAL_OUTCOMES[dial_status(dial.params)]
    if reason is None:
        return known.completed(dial)
    hung_up = reason == "canceled"
    return known.missed(reason, dial.received_at, dial.voicemail and not hung_up)


class _Known:
    """A call's webhooks, oldest first, asked for what they say."""

    def __init__(self, call_sid: str, webhooks: list[Webhook], identify: Identify, told_as: Identity | None) -> None:
        self._call_sid = call_sid
        self._webhooks = webhooks
        self.first = webhooks[0]
        self.voice = next((webhook for webhook in webhooks if webhook.kind == "voice"), None)
        self.identity = told_as or identify(self._first("From", "Caller"))

    @property
    def started_at(self) -> datetime:
        return (self.voice or self.first).received_at

    @property
    def outbound(self) -> bool:
        return self._first("Direction").startswith("outbound")

    @property
    def dial(self) -> Webhook | None:
        """The dial result that counts."""
        results = [webhook for webhook in self._webhooks if webhook.kind == "dial"]
        order = list(DIAL_OUTCOMES)
        return min(results, key=lambda w: (order.index(dial_status(w.params)), _order(w)), default=None)

    @property
    def final(self) -> Webhook | None:
        """The status callback that ended the call."""
        ends = (w for w in self._webhooks if w.kind == "status" and w.params.get("CallStatus") in FINAL_STATUSES)
        return next(ends, None)

    def started(self) -> Fact:
        direction = self._first("Direction") or "inbound"
        return Fact("call.started", self.started_at, self._base(self.started_at) | {"direction": direction})

    def completed(self, dial: Webhook) -> Fact:
        seconds = _seconds(dial.params.get("DialCallDuration"))
        answered_at = None if seconds is None else dial.received_at - timedelta(seconds=seconds)
        data = {"duration_seconds": seconds or 0, "answered_at": answered_at}
        return Fact("call.completed", dial.received_at, self._base(dial.received_at) | data)

    def missed(self, reason: str, at: datetime, voicemail: bool) -> Fact:
        data = self._base(at) | {"reason": reason, "voicemail": voicemail}
        return Fact("call.missed", at, data, cause=(reason,))

    def recordings(self) -> list[Fact]:
        found: dict[str, Fact] = {}
        for webhook in self._webhooks:
            sid = _recording_sid(webhook.params)
            if webhook.kind == "recording" and sid and sid not in found:
                found[sid] = self._recording(sid, webhook)
        return list(found.values())

    def _recording(self, sid: str, webhook: Webhook) -> Fact:
        seconds = _seconds(webhook.params.get("RecordingDuration")) or 0
        data = {
            "call_sid": self._call_sid,
            "recording_sid": sid,
            "duration_seconds": seconds,
            "at": webhook.received_at,
        }
        return Fact("call.recorded", webhook.received_at, data, cause=(sid,))

    def _base(self, at: datetime) -> dict[str, Any]:
        kind, caller = self.identity
        return {
            "call_sid": self._call_sid,
            "caller": caller,
            "called": self._first("To", "Called"),
            "caller_kind": kind,
            "caller_name": self._first("CallerName") or None,
            "at": at,
        }

    def _first(self, *names: str) -> str:
        """The first non-blank value, of the voice webhook before the others, of a parameter and its synonyms."""
        voice = [] if self.voice is None else [self.voice]
        values = (w.params.get(name, "").strip() for w in (*voice, *self._webhooks) for name in names)
        return next((value for value in values if value), "")


def _recording_sid(params: Mapping[str, str]) -> str:
    """The recording's SID, out of its URL where it is not told by itself."""
    found = RECORDING_SID.search(params.get("RecordingUrl", ""))
    return params.get("RecordingSid", "").strip() or (found.group() if found else "")


def dial_status(params: Mapping[str, str]) -> str:
    status = params.get("DialCallStatus", "").strip()
    return status if status in DIAL_OUTCOMES else "failed"


def _seconds(text: str | None) -> int | None:
    """A duration in seconds as Twilio writes it; None when it is missing or not a number."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 6:
        return None
    return int(text)
