"""What a call's webhooks mean. Pure: a call's outcome is a function of the *set* of its webhooks and the time.

Twilio gives no order and may repeat itself (twilio.com/docs/voice/api/call-resource#statuscallbackevent), so
nothing here depends on which webhook came first. What cannot be known yet is decided by time, at `due_at`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from call_ingest.facts import Fact, Identify, Identity, Webhook, in_order
from call_ingest.transcripts import Transcribed, Transcript, transcribed

# How long a call whose dial result or first webhook is missing may still hear of it.
SETTLE = timedelta(seconds=10)
# How long a call without a final status can last: Twilio ends every call after four hours.
LONGEST_CALL = timedelta(hours=4, minutes=15)
# How long a caller can still be there after ringing ended, to leave a message.
LONGEST_MESSAGE = timedelta(minutes=5)
# A telephone that was answered for a shorter time and not put through to the caller was answered by a machine, or
# by somebody who did not press 1.
SUSPICIOUS_SECONDS = 60
# When Twilio is asked about a call that has not ended, after its start: the last time just before it is given up.
ASK_AFTER = (
    timedelta(minutes=3),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4, minutes=10),
)

# The kind of what was not posted by Twilio, but asked for.
REST = "rest"
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
# Reasons that only say that the result of ringing did not come.
UNSURE = frozenset({"abandoned", "timeout"})
# What the caller was answered (see twiml.py), as far as the outcome depends on it.
RING, TAKE_MESSAGE, TURN_AWAY = "ring", "take_message", "turn_away"
# What the leg to a telephone that is rung says of itself: that we called, and whom.
OF_THE_LEG = frozenset({"Direction", "To", "Called"})
COMPLETED, MISSED, REJECTED = "completed", "missed", "rejected"


@dataclass(frozen=True, slots=True)
class Recording:
    sid: str
    seconds: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended; `why` in words for people. A `rejected` call is told to nobody."""

    kind: str
    at: datetime
    why: str
    reason: str | None = None
    voicemail: bool = False
    seconds: int | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What is known of a call: the facts to tell, its outcome, and when time will tell more.

    `missing` are transcriptions whose text Twilio has to be asked for. `in_doubt`: the result of ringing did not
    come, and Twilio was not asked yet. `over`: the call is known to have ended.
    """

    started_at: datetime
    identity: Identity | None = None
    called: str = ""
    caller_name: str | None = None
    outbound: bool = False
    outcome: Outcome | None = None
    due_at: datetime | None = None
    recordings: tuple[Recording, ...] = ()
    transcripts: tuple[Transcript, ...] = ()
    missing: tuple[str, ...] = ()
    in_doubt: bool = False
    over: bool = False
    facts: tuple[Fact, ...] = ()


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
    received = [_of_the_call(call_sid, webhook) for webhook in sorted(webhooks, key=in_order)]
    known = _Known(call_sid, received, identify, told_as)
    conclusion = Conclusion(known.started_at, known.identity, known.called, known.caller_name, known.outbound)
    if known.outbound:
        return conclusion
    settled_at = known.heard_of_at + SETTLE
    if known.voice is None and now < settled_at:
        return replace(conclusion, due_at=settled_at)
    outcome, due_at = _outcome(known, now)
    said = transcribed(known.of("transcription"), _ended_at(known, outcome), now)
    return replace(
        conclusion,
        outcome=outcome,
        due_at=min((moment for moment in (due_at, said.due_at) if moment), default=None),
        recordings=known.recordings,
        transcripts=said.transcripts,
        missing=said.missing,
        in_doubt=known.told_by_twilio is None and (outcome is None or outcome.reason in UNSURE),
        over=bool(known.finals),
        facts=_facts(known, outcome, said),
    )


def next_ask_of(conclusion: Conclusion, times_asked: int, now: datetime) -> datetime | None:
    """When Twilio is to be asked about a call: at once when it is over or has been transcribed without a text."""
    if not conclusion.in_doubt and not conclusion.missing:
        return None
    moment = next_ask(conclusion.started_at, times_asked)
    at_once = conclusion.over or conclusion.missing
    return min(moment, now) if moment and at_once else moment


def next_ask(started_at: datetime, times_asked: int) -> datetime | None:
    """When Twilio is to be asked next about a call that has not ended; None when it was asked often enough."""
    return started_at + ASK_AFTER[times_asked] if times_asked < len(ASK_AFTER) else None


def ringing_failed_by(params: Mapping[str, str]) -> str | None:
    """Why nobody took the call, as the result of `<Dial>` tells it; None when a person did.

    Raises nothing: an unknown DialCallStatus is a failure to ring.
    """
    if _is_suspicious(params):
        return "no-answer"
    return DIAL_OUTCOMES[_dial_status(params)]


def _is_suspicious(params: Mapping[str, str]) -> bool:
    """Answered, but the caller was not put through (twilio.com/docs/voice/twiml/dial#dialbridged)."""
    answered = DIAL_OUTCOMES[_dial_status(params)] is None
    seconds = _seconds(params.get("DialCallDuration")) or 0
    return answered and params.get("DialBridged", "").lower() == "false" and seconds < SUSPICIOUS_SECONDS


def _dial_status(params: Mapping[str, str]) -> str:
    status = params.get("DialCallStatus", "").strip()
    return status if status in DIAL_OUTCOMES else "failed"


def _of_the_call(call_sid: str, webhook: Webhook) -> Webhook:
    """A webhook of a leg that was rung for this call knows the caller, but the call itself was neither ours nor to
    that telephone."""
    if webhook.params.get("ParentCallSid") != call_sid:
        return webhook
    return replace(webhook, params={name: webhook.params[name] for name in webhook.params.keys() - OF_THE_LEG})


def _outcome(known: "_Known", now: datetime) -> tuple[Outcome | None, datetime | None]:
    """The call's one outcome, or when it will be due: dial result, then not rung, then ended, then time."""
    if known.dial is not None:
        return _of_dial(known.dial), None
    if known.voice is not None and known.voice.answer != RING:
        return _not_rung(known.voice), None
    if known.finals:
        return _once_due(known.over_at + SETTLE, _ended(known.finals[0]), now)
    due_at = known.started_at + LONGEST_CALL
    return _once_due(due_at, Outcome(MISSED, due_at, "Nothing more was heard of the call.", "timeout"), now)


def _once_due(due_at: datetime, outcome: Outcome, now: datetime) -> tuple[Outcome | None, datetime | None]:
    return (outcome, None) if now >= due_at else (None, due_at)


def _of_dial(dial: Webhook) -> Outcome:
    reason = ringing_failed_by(dial.params)
    at = _told_at(dial, "EndTime")
    status, seconds = _dial_status(dial.params), _seconds(dial.params.get("DialCallDuration"))
    if reason is None:
        why = f"A person answered: ringing ended with {status} after {seconds or 0} s."
        return Outcome(COMPLETED, at, why, seconds=seconds or 0, answered_at=_answered_at(at, seconds))
    why = f"Nobody answered: ringing ended with {dial.params.get('DialCallStatus', '').strip() or 'no status'}."
    if _is_suspicious(dial.params):
        why = f"Taken for a voicemail box: answered for {seconds or 0} s, but the caller was not put through."
    return Outcome(MISSED, at, why, reason, dial.answer == TAKE_MESSAGE and reason != "canceled")


def _answered_at(ended_at: datetime, seconds: int | None) -> datetime | None:
    return None if seconds is None else ended_at - timedelta(seconds=seconds)


def _not_rung(voice: Webhook) -> Outcome:
    if voice.answer == TURN_AWAY:
        return Outcome(REJECTED, voice.received_at, "The caller is blocked and was turned away.")
    why = "Nobody was rung: outside opening hours, or no telephone to ring."
    return Outcome(MISSED, voice.received_at, why, "closed", voice.answer == TAKE_MESSAGE)


def _ended(final: Webhook) -> Outcome:
    status = final.params.get("CallStatus", "").strip() or "no status"
    why = f"The call ended ({status}) without a result of ringing: the caller hung up before anybody answered."
    return Outcome(MISSED, _told_at(final, "EndTime"), why, "abandoned")


def _ended_at(known: "_Known", outcome: Outcome | None) -> datetime | None:
    """When the call's end became known, for what is waited for beyond it."""
    if known.finals:
        return known.over_at
    return None if outcome is None else outcome.at + LONGEST_MESSAGE


def _told_at(webhook: Webhook, moment: str) -> datetime:
    """The time that Twilio's API gave, or else when the webhook came: webhooks write times otherwise."""
    told = _moment(webhook.params.get(moment)) if webhook.kind == REST else None
    return told or webhook.received_at


def _facts(known: "_Known", outcome: Outcome | None, said: Transcribed) -> tuple[Fact, ...]:
    if outcome is not None and outcome.kind == REJECTED:
        return ()
    ended = () if outcome is None else (known.told(outcome),)
    spoken = (known.transcript(transcript) for transcript in said.transcripts)
    return (known.started(), *ended, *map(known.recorded, known.recordings), *spoken)


class _Known:
    """A call's webhooks, oldest first, asked for what they say."""

    def __init__(self, call_sid: str, webhooks: list[Webhook], identify: Identify, told_as: Identity | None) -> None:
        self._call_sid = call_sid
        self._webhooks = webhooks
        self.voice = next(iter(self.of("voice")), None)
        self.identity = told_as or identify(self._first("From", "Caller"))
        self.called = self._first("To", "Called")
        self.caller_name = self._first("CallerName") or None

    def of(self, kind: str) -> list[Webhook]:
        return [webhook for webhook in self._webhooks if webhook.kind == kind]

    @cached_property
    def started_at(self) -> datetime:
        if self.voice is not None:
            return self.voice.received_at
        told = (_moment(webhook.params.get("StartTime")) for webhook in self.of(REST))
        return min((moment for moment in told if moment), default=self._webhooks[0].received_at)

    @property
    def heard_of_at(self) -> datetime:
        return min(webhook.known_at for webhook in self._webhooks)

    @property
    def told_by_twilio(self) -> Webhook | None:
        """What Twilio's API said of the call's end."""
        return next((webhook for webhook in self.finals if webhook.kind == "rest"), None)

    @property
    def outbound(self) -> bool:
        return self._first("Direction").startswith("outbound")

    @cached_property
    def dial(self) -> Webhook | None:
        """The dial result that counts: what Twilio posted before what it was asked for."""
        asked = [webhook for webhook in self.of(REST) if "DialCallStatus" in webhook.params]
        order = list(DIAL_OUTCOMES.values())
        results = self.of("dial") or asked
        return min(results, key=lambda w: (order.index(ringing_failed_by(w.params)), in_order(w)), default=None)

    @cached_property
    def finals(self) -> list[Webhook]:
        """What told that the call is over."""
        return [w for w in self._webhooks if w.kind in ("status", REST) and _is_final(w.params)]

    @property
    def over_at(self) -> datetime:
        """When the end became known first: one more telling of it, out of a spool, opens nothing again."""
        return min(webhook.known_at for webhook in self.finals)

    @cached_property
    def recordings(self) -> tuple[Recording, ...]:
        found: dict[str, Recording] = {}
        for webhook in self._webhooks:
            sid = _recording_sid(webhook.params)
            if sid and webhook.kind != "transcription":
                seconds = _seconds(webhook.params.get("RecordingDuration")) or 0
                found.setdefault(sid, Recording(sid, seconds, webhook.received_at))
        return tuple(found.values())

    def started(self) -> Fact:
        direction = self._first("Direction") or "inbound"
        return Fact("call.started", self.started_at, self._base(self.started_at) | {"direction": direction})

    def told(self, outcome: Outcome) -> Fact:
        base = self._base(outcome.at)
        if outcome.kind == COMPLETED:
            answered = {"duration_seconds": outcome.seconds or 0, "answered_at": outcome.answered_at}
            return Fact("call.completed", outcome.at, base | answered)
        assert outcome.reason is not None
        missed = {"reason": outcome.reason, "voicemail": outcome.voicemail}
        return Fact("call.missed", outcome.at, base | missed, cause=(outcome.reason,))

    def recorded(self, recording: Recording) -> Fact:
        data = {
            "call_sid": self._call_sid,
            "recording_sid": recording.sid,
            "duration_seconds": recording.seconds,
            "at": recording.at,
        }
        return Fact("call.recorded", recording.at, data, cause=(recording.sid,))

    def transcript(self, transcript: Transcript) -> Fact:
        data = {
            "call_sid": self._call_sid,
            "recording_sid": transcript.recording_sid,
            "text": transcript.text,
            "confidence": transcript.confidence,
            "source": transcript.source,
            "at": transcript.at,
        }
        return Fact("call.transcribed", transcript.at, data, cause=transcript.cause)

    def _base(self, at: datetime) -> dict[str, Any]:
        kind, caller = self.identity
        return {
            "call_sid": self._call_sid,
            "caller": caller,
            "called": self.called,
            "caller_kind": kind,
            "caller_name": self.caller_name,
            "at": at,
        }

    def _first(self, *names: str) -> str:
        """The first non-blank value, of the voice webhook before the others, of a parameter and its synonyms."""
        voice = [] if self.voice is None else [self.voice]
        values = (w.params.get(name, "").strip() for w in (*voice, *self._webhooks) for name in names)
        return next((value for value in values if value), "")


def _is_final(params: Mapping[str, str]) -> bool:
    """A status callback without a status, but with the duration that only ended calls have, is an end, too."""
    status = params.get("CallStatus", "").strip()
    return status in FINAL_STATUSES or (not status and bool(params.get("CallDuration")))


def _recording_sid(params: Mapping[str, str]) -> str:
    """The SID of a recording that exists, out of its URL where it is not told by itself."""
    if (params.get("RecordingStatus") or "completed") != "completed":
        return ""
    found = RECORDING_SID.search(params.get("RecordingUrl", ""))
    return params.get("RecordingSid", "").strip() or (found.group() if found else "")


def _seconds(text: str | None) -> int | None:
    """A duration in seconds as Twilio writes it; None when it is missing or not a number."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 6:
        return None
    return int(text)


def _moment(text: str | None) -> datetime | None:
    """A time that we noted from Twilio's API (ISO 8601 with zone)."""
    return datetime.fromisoformat(text) if text else None
