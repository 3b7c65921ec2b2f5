"""How an item stands against the time in which it is to be answered. Pure.

The clock runs in opening hours only, as the service level does.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from recovery.hours import Opening

ANSWERED, LATE, OVERDUE, DUE, LATER, OVER = ("answered", "late", "overdue", "due", "later", "over")
A_MOMENT = timedelta(seconds=1)
MINUTE = 60


class Clock(NamedTuple):
    """`seconds`: what it took, what it is over by, or what is left; whole minutes, save of what was answered."""

    kind: str
    seconds: int


def clock_of(item: Mapping[str, Any], opening: Opening, now: datetime) -> Clock:
    """By an item as the API shows it."""
    missed, due = _moment(item["first_missed_at"]), _moment(item["due_at"])
    if item["responded_at"]:
        responded = _moment(item["responded_at"])
        return Clock(ANSWERED if responded <= due else LATE, _seconds(opening.between(missed, responded)))
    if not item["open"]:
        return Clock(OVER, 0)
    if due < now:
        return Clock(OVERDUE, _whole_minutes(opening.between(due, now)))
    is_open = opening.between(now, now + A_MOMENT) > timedelta(0)
    return Clock(DUE if is_open else LATER, _whole_minutes(opening.between(now, due)))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _seconds(time: timedelta) -> int:
    return int(time.total_seconds())


def _whole_minutes(time: timedelta) -> int:
    return _seconds(time) // MINUTE * MINUTE
