"""How a call ended, by what one of its webhooks says. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from call_ingest.facts import Webhook, moment_of, seconds_of

# A telephone that was answered for a shorter time and not put through to the caller was answered by a machine, or
# by somebody who did not press 1.
SUSPICIOUS_SECONDS = 60
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
RING, RING_AS_US, TAKE_MESSAGE, TURN_AWAY = "ring", "ring_as_us", "take_message", "turn_away"
RUNG = frozenset({RING, RING_AS_US})
COMPLETED, MISSED, REJECTED = "completed", "missed", "rejected"
REST = "rest"


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


def ringing_failed_by(params: Mapping[str, str]) -> str | None:
    """Why nobody took the call, as the result of `<Dial>` tells it; None when a person did.

    An unknown DialCallStatus is a failure to ring.
    """
    if is_suspicious(params):
        return "no-answer"
    return DIAL_OUTCOMES[_dial_status(params)]


def is_suspicious(params: Mapping[str, str]) -> bool:
    """Answered, but the caller was not put through (twilio.com/docs/voice/twiml/dial#dialbridged)."""
    answered = DIAL_OUTCOMES[_dial_status(params)] is None
    seconds = seconds_of(params.get("DialCallDuration")) or 0
    return answered and params.get("DialBridged", "").lower() == "false" and seconds < SUSPICIOUS_SECONDS


def of_dial(dial: Webhook) -> Outcome:
    reason = ringing_failed_by(dial.params)
    at = _told_at(dial, "EndTime")
    status, seconds = _dial_status(dial.params), seconds_of(dial.params.get("DialCallDuration"))
    if reason is None:
        why = f"A person answered: ringing ended with {status} after {seconds or 0} s."
        return Outcome(COMPLETED, at, why, seconds=seconds or 0, answered_at=_answered_at(at, seconds))
    why = f"Nobody answered: ringing ended with {dial.params.get('DialCallStatus', '').strip() or 'no status'}."
    if is_suspicious(dial.params):
        why = f"Taken for a voicemail box: answered for {seconds or 0} s, but the caller was not put through."
    return Outcome(MISSED, at, why, reason, _could_leave_a_message(dial) and reason != "canceled")


def not_rung(voice: Webhook) -> Outcome:
    why = "Nobody was rung: outside opening hours, or no telephone to ring."
    return Outcome(MISSED, voice.received_at, why, "closed", voice.answer == TAKE_MESSAGE)


def turned_away(webhook: Webhook) -> Outcome:
    return Outcome(REJECTED, webhook.received_at, "The caller is blocked and was turned away.")


def abandoned(final: Webhook) -> Outcome:
    status = final.params.get("CallStatus", "").strip() or "no status"
    why = f"The call ended ({status}) without a result of ringing: the caller hung up before anybody answered."
    return Outcome(MISSED, _told_at(final, "EndTime"), why, "abandoned")


def given_up(at: datetime) -> Outcome:
    return Outcome(MISSED, at, "Nothing more was heard of the call.", "timeout")


def is_final(params: Mapping[str, str]) -> bool:
    """A status callback without a status, but with the duration that only ended calls have, is an end, too."""
    status = params.get("CallStatus", "").strip()
    return status in FINAL_STATUSES or (not status and bool(params.get("CallDuration", "").strip()))


def _could_leave_a_message(dial: Webhook) -> bool:
    """Who had hung up by then heard no offer."""
    return dial.answer == TAKE_MESSAGE and dial.params.get("CallStatus", "").strip() not in FINAL_STATUSES


def _dial_status(params: Mapping[str, str]) -> str:
    status = params.get("DialCallStatus", "").strip()
    return status if status in DIAL_OUTCOMES else "failed"


def _answered_at(ended_at: datetime, seconds: int | None) -> datetime | None:
    return None if seconds is None else ended_at - timedelta(seconds=seconds)


def _told_at(webhook: Webhook, moment: str) -> datetime:
    """The time that Twilio's API gave, or else when the webhook came: webhooks write times otherwise."""
    told = moment_of(webhook.params.get(moment)) if webhook.kind == REST else None
    return told or webhook.received_at
