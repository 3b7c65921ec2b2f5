"""What came of handing a text to Twilio, and what Twilio said of it later. Pure.

Error codes: twilio.com/docs/api/errors. Statuses: twilio.com/docs/messaging/guides/track-outbound-message-status.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

# How far a message got; a status that is not listed ranks below all. A receipt that comes late overrules a carrier's
# guess, so what says that it arrived ranks above what says that it did not.
STATUSES_BY_RANK = (
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
ARRIVED = frozenset({"partially_delivered", "delivered", "read"})
LOST = frozenset({"canceled", "failed", "undelivered"})


@dataclass(frozen=True, slots=True)
class Accepted:
    """Twilio has the text. `message_sid` is None for one that was only recorded (dry run)."""

    message_sid: str | None
    status: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Twilio said no: nothing was sent."""

    http_status: int
    code: int | None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class NotReached:
    """No connection came about, or it was too late to try: nothing was sent."""

    why: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """It may have been sent."""

    why: str


Answer = Accepted | Refused | NotReached | Ambiguous


@dataclass(frozen=True, slots=True)
class OptedOut:
    """The recipient said STOP to Twilio."""


@dataclass(frozen=True, slots=True)
class Permanent:
    """Sending it again would be refused again."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is to be sent for a while, by the account or by one business's sender; `first` is the shortest."""

    whose: str
    reason: str
    first: timedelta


ACCOUNT, SENDER = "account", "sender"
SHORT, LONG = timedelta(seconds=1), timedelta(minutes=1)
UNREACHABLE = Pause(ACCOUNT, "unreachable", SHORT)
UNRELIABLE = Pause(ACCOUNT, "unreliable", SHORT)
UNAUTHENTICATED = Pause(ACCOUNT, "unauthenticated", LONG)
SUSPENDED = Pause(ACCOUNT, "suspended", LONG)
TOO_MANY_REQUESTS = Pause(ACCOUNT, "too_many_requests", SHORT)
ACCOUNT_CAP = Pause(ACCOUNT, "account_cap", LONG)
MISCONFIGURED = Pause(ACCOUNT, "misconfigured", LONG)
QUEUE_FULL = Pause(SENDER, "queue_full", LONG)

Verdict = OptedOut | Permanent | Pause
VERDICTS: Mapping[int, Verdict] = {
    21610: OptedOut(),
    20003: UNAUTHENTICATED,
    20005: SUSPENDED,
    20404: MISCONFIGURED,
    20429: TOO_MANY_REQUESTS,
    21611: QUEUE_FULL,
    30002: SUSPENDED,
    60728: ACCOUNT_CAP,
    63038: ACCOUNT_CAP,
}
VERDICTS_BY_STATUS: Mapping[int, Verdict] = {
    401: UNAUTHENTICATED,
    403: MISCONFIGURED,
    404: MISCONFIGURED,
    405: MISCONFIGURED,
    429: TOO_MANY_REQUESTS,
}


def verdict_of(refused: Refused) -> Verdict:
    """What a refusal means; one that nobody knows is the message's own fault."""
    by_status = VERDICTS_BY_STATUS.get(refused.http_status, Permanent())
    return VERDICTS.get(refused.code or 0, by_status)


def is_certain(http_status: int) -> bool:
    """Whether an answer of this status means that nothing was done. 408 and 5xx may come from any point."""
    return 400 <= http_status < 500 and http_status != 408


def rank(status: str) -> int:
    return STATUSES_BY_RANK.index(status) if status in STATUSES_BY_RANK else -1


def furthest(statuses: Mapping[str, Any]) -> str:
    return max(statuses, key=lambda status: (rank(status), status))


def state_of(status: str) -> str:
    """The state of a request whose message got so far."""
    if status in ARRIVED:
        return "delivered"
    return "failed" if status in LOST else "sent"
