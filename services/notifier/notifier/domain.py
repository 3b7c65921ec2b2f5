"""A request for a text, from `sms.requested` to what came of it. Pure: each step takes a message and gives the next.

States: `pending`, `held` (quiet hours), `reserved` (it is being sent, or may have been), `sent`, `delivered`,
`failed`, `suppressed` (with the reason), `unknown` (it may have been sent: a person has to look). What Twilio says of
a message outweighs whatever was thought of it before, and is a function of the set of what it said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from notifier.outcomes import ARRIVED, LOST, furthest, rank, state_of
from ringback.sms_length import measure

Document = dict[str, Any]

STATES = ("pending", "held", "reserved", "sent", "delivered", "failed", "suppressed", "unknown")
WAITING = frozenset({"pending", "held"})
# A request that does not say until when it makes sense.
LIFETIME = timedelta(hours=24)
# How long who reserved a text has for sending it and recording what came of it.
ATTEMPT_TIME = timedelta(seconds=60)
# Callbacks and Twilio's own lists lag behind; after that a person has to look.
UNKNOWN_AFTER = timedelta(minutes=10)
# While Twilio cannot be asked, nothing is known either: for so long it is asked again.
GIVE_UP_AFTER = timedelta(hours=24)
FIRST_LOOK = timedelta(seconds=5)
LONGEST_HISTORY = 100
MOST_REFUSED = 20


@dataclass(frozen=True, slots=True)
class Request:
    """What `sms.requested` says. `to` is E.164 where it is a number, else as it came."""

    business: str
    request_id: str
    to: str
    body: str
    purpose: str
    reason: str
    customer_id: str | None
    expires_at: datetime | None
    at: datetime
    event_id: str
    traceparent: str | None = None

    @property
    def id(self) -> str:
        return message_id(self.business, self.request_id)


def message_id(business: str, request_id: str) -> str:
    return f"{business}:{request_id}"


def new_message(request: Request, digest: str) -> Document:
    """`digest` stands for number, body and purpose, also when these are gone."""
    length = measure(request.body)
    message: Document = {
        "_id": request.id,
        "business": request.business,
        "request_id": request.request_id,
        "customer_id": request.customer_id,
        "to": request.to,
        "body": request.body,
        "digest": digest,
        "purpose": request.purpose,
        "reason": request.reason,
        "encoding": length.encoding,
        "segments": length.segments,
        "sender": None,
        "state": "pending",
        "state_reason": None,
        "error_code": None,
        "message_sid": None,
        "statuses": {},
        "attempts": 0,
        "attempt_id": None,
        "attempted_at": None,
        "looks": 0,
        "requested_at": request.at,
        "expires_at": request.expires_at or request.at + LIFETIME,
        "due_at": request.at,
        "settle_at": None,
        "dry_run": False,
        "erased": False,
        "refused": [],
        "told": [],
        "history": [],
        "traceparent": request.traceparent,
    }
    return _noted(message, request.at, "pending")


def with_another_request(message: Document, request: Request, digest: str) -> Document:
    """The same request again changes nothing; another one under its id is refused, and that is kept."""
    known = {message["digest"], *(one["digest"] for one in message["refused"])}
    if digest in known or len(message["refused"]) == MOST_REFUSED:
        return message
    refused = [*message["refused"], {"at": request.at, "event_id": request.event_id, "digest": digest}]
    return {**message, "refused": sorted(refused, key=lambda one: (one["at"], one["event_id"]))}


# Before it is sent.


def suppressed(message: Document, reason: str, now: datetime, error_code: int | None = None) -> Document:
    return _in_state(message, "suppressed", now, reason, error_code)


def held(message: Document, until: datetime, now: datetime) -> Document:
    return {**_in_state(message, "held", now, "quiet_hours"), "due_at": until}


def reserved(
    message: Document, attempt_id: str, slot: datetime, sender: str, *, dry_run: bool, now: datetime
) -> Document:
    """To be sent at `slot`, by whoever commits this, and by nobody else ever unless that says that it was not."""
    taken = {
        "sender": sender,
        "attempts": message["attempts"] + 1,
        "attempt_id": attempt_id,
        "attempted_at": slot,
        "settle_at": slot + ATTEMPT_TIME,
        "dry_run": dry_run,
        "looks": 0,
    }
    return {**_in_state(message, "reserved", now), **taken}


# What came of sending it.


def accepted(message: Document, message_sid: str | None, status: str, now: datetime) -> Document:
    return with_status({**message, "message_sid": message["message_sid"] or message_sid}, status, None, now)


def not_sent(message: Document, due_at: datetime, reason: str, code: int | None, now: datetime) -> Document:
    """It was surely not sent, and may be later."""
    if not _is_undecided(message):
        return message
    return {**_in_state(message, "pending", now, reason, code), "due_at": due_at, "error_code": None}


def failed(message: Document, reason: str, code: int | None, now: datetime) -> Document:
    return _in_state(message, "failed", now, reason, code) if _is_undecided(message) else message


def refused_by_recipient(message: Document, code: int | None, now: datetime) -> Document:
    return suppressed(message, "opted_out", now, code) if _is_undecided(message) else message


def uncertain(message: Document, why: str, now: datetime) -> Document:
    """It may have been sent: it is not sent again, but looked for."""
    if message["state"] != "reserved":
        return message
    return {**_noted(message, now, "uncertain", why), "state_reason": why, "settle_at": now + FIRST_LOOK}


def is_in_hand(message: Mapping[str, Any], now: datetime) -> bool:
    """Whether whoever reserved it may still be sending it."""
    in_time = now < message["attempted_at"] + ATTEMPT_TIME
    return bool(message["state"] == "reserved" and message["state_reason"] is None and in_time)


def not_found_yet(message: Document, now: datetime, *, asked: bool) -> Document:
    """Twilio did not list it; `asked` is False when Twilio could not be asked."""
    since = now - message["attempted_at"]
    if since >= (UNKNOWN_AFTER if asked else GIVE_UP_AFTER):
        return _in_state(message, "unknown", now, "may_have_been_sent")
    looks = message["looks"] + 1
    pause = min(FIRST_LOOK * 2 ** min(looks, 8), UNKNOWN_AFTER / 2)
    last_look = message["attempted_at"] + UNKNOWN_AFTER
    until = min(now + pause, last_look) if now < last_look else now + pause
    return {**message, "looks": looks, "settle_at": until}


def _is_undecided(message: Mapping[str, Any]) -> bool:
    return bool(message["state"] in {"reserved", "unknown"} and not message["statuses"])


# What Twilio says later.


def with_status(message: Document, status: str, error_code: int | None, at: datetime) -> Document:
    """The message after Twilio said so: commutative and idempotent. It never goes back, and no code is lost."""
    known = message["statuses"].get(status, {"at": at, "error_code": None})
    told = {"at": min(known["at"], at), "error_code": _code(known["error_code"], error_code)}
    statuses = {**message["statuses"], status: told}
    final = furthest(statuses)
    changed = {
        **message,
        "statuses": {name: statuses[name] for name in sorted(statuses, key=lambda name: (rank(name), name))},
        "state": state_of(final),
        "state_reason": "dry_run" if message["dry_run"] else (final if final in LOST else None),
        "error_code": _error_code(statuses, final),
        "due_at": None,
        "settle_at": None,
    }
    return _noted(changed, told["at"], status, code=told["error_code"])


def _code(first: int | None, second: int | None) -> int | None:
    return max(first or 0, second or 0) or None


def _error_code(statuses: Mapping[str, Mapping[str, Any]], final: str) -> int | None:
    """What stood in the way of a message that arrived no longer counts."""
    if final in ARRIVED:
        return None
    coded = [status for status in statuses if statuses[status]["error_code"]]
    return statuses[max(coded, key=rank)]["error_code"] if coded else None


# What people decide, and what is erased.


def resolved(message: Document, outcome: str, now: datetime) -> Document:
    """A person looked, and says that an `unknown` one is `sent` or `failed`, or is to be sent (`retry`)."""
    if outcome != "retry":
        return _in_state(message, outcome, now, "resolved_by_hand")
    again = _in_state(message, "pending", now, "resolved_by_hand")
    return {**again, "due_at": now, "expires_at": max(message["expires_at"], now + LIFETIME)}


def erased(message: Document, now: datetime) -> Document:
    """Figures stay. What waits is not sent; what is being sent ends as Twilio says."""
    gone: Document = {"to": None, "body": None, "customer_id": None, "erased": True}
    if message["state"] in WAITING:
        message = suppressed(message, "erased", now)
    return {**message, **gone}


# Both.


def _in_state(
    message: Document, state: str, now: datetime, reason: str | None = None, code: int | None = None
) -> Document:
    changed = {**message, "state": state, "state_reason": reason, "error_code": code, "due_at": None}
    return _noted({**changed, "settle_at": None}, now, state, reason, code)


def _noted(
    message: Document, at: datetime, status: str, reason: str | None = None, code: int | None = None
) -> Document:
    """With a line of history; Twilio's words stand there once each, whenever they came."""
    line = {"at": at, "status": status, "error_code": code, "reason": reason}
    others = [one for one in message["history"] if status not in message["statuses"] or one["status"] != status]
    lines = sorted([*others, line], key=lambda one: (one["at"], rank(one["status"])))
    return {**message, "history": lines[-LONGEST_HISTORY:]}


# What is told of it.


def outcomes_to_tell(message: Mapping[str, Any]) -> tuple[str, ...]:
    """The types of the events that this message leads to and that were not told of it, in their order.

    Nothing is told of what is unknown: whoever heard that it failed would text again. Nor of who was erased.
    """
    if message["erased"]:
        return ()
    return tuple(name for name in _outcomes(message) if name not in message["told"])


def _outcomes(message: Mapping[str, Any]) -> tuple[str, ...]:
    state = message["state"]
    at_twilio = ("sms.sent",) if message["statuses"] or state == "sent" else ()
    further = (f"sms.{state}",) if state in {"delivered", "failed", "suppressed"} else ()
    return (*at_twilio, *further)
