"""Opening hours as a clock that runs only while the business is open. Pure.

Hours are minutes since local midnight by weekday, None means always open. A business that never opens has no such
clock: it is taken for one that always is. A period that begins or ends within the hour that a clock change leaves out
or repeats is right to within that hour.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = timedelta(days=1)
NOTHING = timedelta(0)

Hours = Mapping[str, tuple[tuple[int, int], ...]]
Period = tuple[datetime, datetime]


@dataclass(frozen=True)
class Opening:
    hours: Hours | None
    zone: tzinfo

    def after(self, start: datetime, open_time: timedelta) -> datetime:
        """When the business was open for so long, from `start` on."""
        left = open_time
        for opens, closes in self._periods_from(start):
            if closes - opens >= left:
                return opens + left
            left -= closes - opens
        raise AssertionError  # the periods of a week go on for ever

    def between(self, start: datetime, end: datetime) -> timedelta:
        """How long the business was open from `start` to `end`."""
        total = NOTHING
        for opens, closes in self._periods_from(start):
            if opens >= end:
                break
            total += min(closes, end) - opens
        return total

    def _periods_from(self, start: datetime) -> Iterator[Period]:
        """When it is open, without what was before `start`; neither overlapping nor ever ending."""
        reached = start.astimezone(UTC)
        for opens, closes in self._periods(start.astimezone(self.zone).date()):
            if closes > reached:
                yield max(opens, reached), closes
                reached = closes

    def _periods(self, day: date) -> Iterator[Period]:
        hours = self.hours if self.hours is not None and any(self.hours.values()) else None
        while True:
            for opens, closes in _of_day(hours, day):
                yield self._instant(day, opens), self._instant(day, closes)
            day += DAY

    def _instant(self, day: date, minute: int) -> datetime:
        wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001 - gets its zone here
        return wall.replace(tzinfo=self.zone).astimezone(UTC)


def _of_day(hours: Hours | None, day: date) -> list[tuple[int, int]]:
    return [(0, 24 * 60)] if hours is None else sorted(hours.get(WEEKDAYS[day.weekday()], ()))
