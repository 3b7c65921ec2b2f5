"""What becomes of an event that failed: the one place that decides between retry, dead letter and park."""

import random
from dataclasses import dataclass
from enum import Enum

from ringback.bus.message import Delivery, Message
from ringback.bus.topology import RETRY_SECONDS, dead_queue, parked_queue, retry_queue
from ringback.errors import Permanent, RingbackError, Transient, UnknownVersion, describe, error_name

HEADER_PREFIX = "ringback-"
ATTEMPT_HEADER = "ringback-attempt"
REASON_HEADER = "ringback-reason"
ERROR_HEADER = "ringback-error"
JITTER = 0.2


class Fate(Enum):
    RETRY = "retry"
    DEAD = "dead"
    PARKED = "parked"


# The first class that fits. An error nobody foresaw may pass (a race, a deploy): it walks the schedule too.
FATES: tuple[tuple[type[Exception], Fate], ...] = (
    (UnknownVersion, Fate.PARKED),
    (Permanent, Fate.DEAD),
    (Transient, Fate.RETRY),
    (RingbackError, Fate.DEAD),
    (Exception, Fate.RETRY),
)


@dataclass(frozen=True)
class Verdict:
    fate: Fate
    attempt: int
    message: Message


def judge(
    service: str, delivery: Delivery, error: Exception, retry_seconds: tuple[int, ...] = RETRY_SECONDS
) -> Verdict:
    """The failed delivery as the message that has to be published before it may be acknowledged.

    A retry waits the next step of the schedule less up to a fifth (jitter), so that what failed together does
    not come back together. After the last step the event is dead.
    """
    fate = next(fate for kind, fate in FATES if isinstance(error, kind))
    attempt = attempts_so_far(delivery) + 1
    if fate is Fate.RETRY and attempt > len(retry_seconds):
        fate = Fate.DEAD
    if fate is Fate.RETRY:
        return Verdict(fate, attempt, _retry(service, delivery, error, attempt, retry_seconds[attempt - 1]))
    queue = dead_queue(service) if fate is Fate.DEAD else parked_queue(service)
    return Verdict(fate, attempt, _forward(delivery, queue, error, attempt))


def attempts_so_far(delivery: Delivery) -> int:
    text = str(delivery.headers.get(ATTEMPT_HEADER, "0"))
    return int(text) if text.isdecimal() and len(text) < 6 else 0


def _retry(service: str, delivery: Delivery, error: Exception, attempt: int, seconds: int) -> Message:
    expires_ms = int(seconds * 1000 * (1 - random.uniform(0, JITTER)))  # noqa: S311 - spreads load, no secret
    return _forward(delivery, retry_queue(service, seconds), error, attempt, expires_ms)


def _forward(
    delivery: Delivery, queue: str, error: Exception, attempt: int, expires_ms: int | None = None
) -> Message:
    ours = {name: str(value) for name, value in delivery.headers.items() if name.startswith(HEADER_PREFIX)}
    headers = ours | {
        ATTEMPT_HEADER: str(attempt),
        REASON_HEADER: error_name(error),
        ERROR_HEADER: describe(error),
    }
    return Message(delivery.message_id, delivery.body, queue, "", headers, expires_ms=expires_ms)
