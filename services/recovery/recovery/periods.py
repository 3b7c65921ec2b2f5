"""The days, weeks and months of a summary, as a page draws them: those in which nothing was missed, too. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, NamedTuple

DAY = timedelta(days=1)


class Span(NamedTuple):
    """The first and the last day of a period, both in it."""

    since: date
    until: date


def span_of(document: Mapping[str, Any], zone: tzinfo) -> Span:
    """Of a summary as the API gives it, whose end is not in it any more."""
    since, until = (datetime.fromisoformat(document[name]).astimezone(zone) for name in ("from", "to"))
    return Span(since.date(), (until - timedelta(microseconds=1)).date())


def every_period(document: Mapping[str, Any], zone: tzinfo) -> list[dict[str, Any]]:
    """`{day, row}` of each day, week or month from the first to the last; `row` is None where nothing was missed."""
    rows = {_day(row["from"], zone): row for row in document["periods"]}
    return [{"day": day, "row": rows.get(day)} for day in _days(span_of(document, zone), document["by"])]


def latest_spans(today: date, lengths: Sequence[int]) -> list[Span]:
    """So many days each, today among them."""
    return [Span(today - (length - 1) * DAY, today) for length in lengths]


def midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _day(moment: str, zone: tzinfo) -> date:
    return datetime.fromisoformat(moment).astimezone(zone).date()


def _days(span: Span, unit: str) -> Iterator[date]:
    day = _start(span.since, unit)
    while day <= span.until:
        yield day
        day = _start(day + LONGEST[unit], unit)


def _start(day: date, unit: str) -> date:
    """When the week, which begins on Monday, or the month began."""
    if unit == "month":
        return day.replace(day=1)
    return day - day.weekday() * DAY if unit == "week" else day


# From the first day of one into the next.
LONGEST = {"day": DAY, "week": 7 * DAY, "month": 31 * DAY}
