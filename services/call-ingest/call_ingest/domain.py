"""What a call's webhooks mean. Pure: a call's outcome is a function of the *set* of its webhooks and the time.

Twilio gives no order and may repeat itself (twilio.com/docs/voice/api/call-resource#statuscallbackevent), so
nothing here depends on which webhook came first. What cannot be known yet is decided by time, at `due_at`.

What the webhooks say stands in evidence.py, how a call can end in outcomes.py, what was spoken in transcripts.py,
what texts mean in messages.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from call_ingest.evidence import Evidence, Recording
from call_ingest.facts import Fact, Identify, Identity, Webhook
from call_ingest.outcomes import (
    COMPLETED,
    REJECTED,
    RUNG,
    UNSURE,
    Outcome,
    abandoned,
    given_up,
    not_rung,
    of_dial,
    turned_away,
)
from call_ingest.transcripts import Transcribed, Transcript, transcribed

# How long a call whose dial result or first webhook is missing may still hear of it.
SETTLE = timedelta(seconds=10)
# How long a call without a final status can last: Twilio ends every call after four hours.
LONGEST_CALL = timedelta(hours=4, minutes=15)
# How long a caller can still be there after ringing ended, to leave a message.
LONGEST_MESSAGE = timedelta(minutes=5)
# When Twilio is asked about a call that has not ended, after its start: the last time just before it is given up.
ASK_AFTER = (
    timedelta(minutes=3),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4, minutes=10),
)


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
    known = Evidence(call_sid, list(webhooks), identify, told_as)
    conclusion = Conclusion(known.started_at, known.identity, known.called, known.caller_name, known.outbound)
    if known.outbound:
        return conclusion
    settled_at = known.heard_of_at + SETTLE
    if known.voice is None and now < settled_at:
        return replace(conclusion, due_at=settled_at)
    outcome, due_at = _outcome(known, now)
    said = transcribed(known.of("transcription"), _ended_at(known, outcome), now)
    unmeasured = [recording for recording in known.recordings if not _is_measured(recording, now)]
    due = (due_at, said.due_at, *(recording.at + SETTLE for recording in unmeasured))
    return replace(
        conclusion,
        outcome=outcome,
        due_at=min((moment for moment in due if moment), default=None),
        recordings=known.recordings,
        transcripts=said.transcripts,
        missing=said.missing,
        in_doubt=not known.told_by_twilio and (outcome is None or outcome.reason in UNSURE),
        over=bool(known.finals),
        facts=_facts(known, outcome, said, now),
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


def _outcome(known: Evidence, now: datetime) -> tuple[Outcome | None, datetime | None]:
    """The call's one outcome, or when it will be due: blocked, dial result, then not rung, then ended, then time."""
    if known.turned_away is not None:
        return turned_away(known.turned_away), None
    if known.dial is not None:
        return of_dial(known.dial), None
    if known.voice is not None and known.voice.answer not in RUNG:
        return not_rung(known.voice), None
    if known.finals:
        return _once_due(known.over_at + SETTLE, abandoned(known.finals[0]), now)
    due_at = known.started_at + LONGEST_CALL
    return _once_due(due_at, given_up(due_at), now)


def _once_due(due_at: datetime, outcome: Outcome, now: datetime) -> tuple[Outcome | None, datetime | None]:
    return (outcome, None) if now >= due_at else (None, due_at)


def _ended_at(known: Evidence, outcome: Outcome | None) -> datetime | None:
    """When the call's end became known, for what is waited for beyond it."""
    if known.finals:
        return known.over_at
    return None if outcome is None else outcome.at + LONGEST_MESSAGE


def _is_measured(recording: Recording, now: datetime) -> bool:
    """Its length is known, or nobody told it in time."""
    return recording.seconds is not None or now >= recording.at + SETTLE


def _facts(known: Evidence, outcome: Outcome | None, said: Transcribed, now: datetime) -> tuple[Fact, ...]:
    if outcome is not None and outcome.kind == REJECTED:
        return ()
    ended = () if outcome is None else (_end(known, outcome),)
    recorded = (_recorded(known.call_sid, one) for one in known.recordings if _is_measured(one, now))
    spoken = (_spoken(known.call_sid, transcript) for transcript in said.transcripts)
    return (_started(known), *ended, *recorded, *spoken)


def _started(known: Evidence) -> Fact:
    return Fact("call.started", known.started_at, _base(known, known.started_at) | {"direction": known.direction})


def _end(known: Evidence, outcome: Outcome) -> Fact:
    base = _base(known, outcome.at)
    if outcome.kind == COMPLETED:
        answered = {"duration_seconds": outcome.seconds or 0, "answered_at": outcome.answered_at}
        return Fact("call.completed", outcome.at, base | answered)
    assert outcome.reason is not None
    missed = {"reason": outcome.reason, "voicemail": outcome.voicemail}
    return Fact("call.missed", outcome.at, base | missed, cause=(outcome.reason,))


def _recorded(call_sid: str, recording: Recording) -> Fact:
    data = {
        "call_sid": call_sid,
        "recording_sid": recording.sid,
        "duration_seconds": recording.seconds or 0,
        "at": recording.at,
    }
    return Fact("call.recorded", recording.at, data, cause=(recording.sid,))


def _spoken(call_sid: str, transcript: Transcript) -> Fact:
    data = {
        "call_sid": call_sid,
        "recording_sid": transcript.recording_sid,
        "text": transcript.text,
        "confidence": transcript.confidence,
        "source": transcript.source,
        "at": transcript.at,
    }
    return Fact("call.transcribed", transcript.at, data, cause=transcript.cause)


def _base(known: Evidence, at: datetime) -> dict[str, Any]:
    kind, caller = known.identity
    return {
        "call_sid": known.call_sid,
        "caller": caller,
        "called": known.called,
        "caller_kind": kind,
        "caller_name": known.caller_name,
        "at": at,
    }
