"""The clock of the service level runs only while the business is open."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.hours import Hours, Opening
from ringback.businesses import WEEKDAYS
from tests.unit.fakes import demo

NEW_YORK = ZoneInfo("America/New_York")
OFFICE = dict.fromkeys(WEEKDAYS[:5], ((9 * 60, 12 * 60), (13 * 60, 17 * 60)))
MINUTE = timedelta(minutes=1)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "minutes", "due"),
    [
        ("2026-03-02 10:00", 5, "2026-03-02 10:05"),
        ("2026-03-02 11:58", 5, "2026-03-02 13:03"),  # lunch
        ("2026-03-02 12:30", 5, "2026-03-02 13:05"),
        ("2026-03-02 16:58", 5, "2026-03-03 09:03"),  # the next morning
        ("2026-03-02 23:00", 5, "2026-03-03 09:05"),
        ("2026-03-06 16:58", 5, "2026-03-09 09:03"),  # Friday evening, with a change of the clock until Monday
        ("2026-03-07 10:00", 5, "2026-03-09 09:05"),
        ("2026-03-02 09:00", 420, "2026-03-02 17:00"),
        ("2026-10-30 16:59", 2, "2026-11-02 09:01"),  # the clock goes back
    ],
)
def test_minutes_count_while_it_is_open(start: str, minutes: int, due: str) -> None:
    opening = Opening(OFFICE, NEW_YORK)
    assert opening.after(local(start), minutes * MINUTE) == local(due)
    assert opening.between(local(start), local(due)) == minutes * MINUTE


@pytest.mark.parametrize("hours", [None, {}, {"mon": ()}])
def test_who_is_always_open_or_never_has_the_usual_clock(hours: Hours | None) -> None:
    start = local("2026-03-07 23:58")
    assert Opening(hours, NEW_YORK).after(start, 5 * MINUTE) == start + 5 * MINUTE
    assert Opening(hours, NEW_YORK).between(start, start + timedelta(days=3)) == timedelta(days=3)


def test_periods_that_overlap_count_once() -> None:
    hours = {"mon": ((9 * 60, 12 * 60), (11 * 60, 13 * 60))}
    assert Opening(hours, NEW_YORK).between(local("2026-03-02 00:00"), local("2026-03-03 00:00")) == 240 * MINUTE


# From 4 in the morning on: no clock is changed then.
minutes_of_day = st.integers(4 * 60, 24 * 60)
periods = st.tuples(minutes_of_day, minutes_of_day).filter(lambda ends: ends[0] < ends[1])
weeks = st.dictionaries(st.sampled_from(WEEKDAYS), st.lists(periods, min_size=1, max_size=3).map(tuple), min_size=1)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - st wants it
zones = st.sampled_from(
    [NEW_YORK, ZoneInfo("Europe/Prague"), ZoneInfo("Asia/Kolkata"), ZoneInfo("Australia/Lord_Howe")]
)


@given(weeks, zones, moments, st.integers(1, 5000))
def test_the_two_directions_agree(hours: Hours, zone: ZoneInfo, start: datetime, minutes: int) -> None:
    opening = Opening(hours, zone)
    due = opening.after(start, minutes * MINUTE)
    assert due >= start + minutes * MINUTE
    assert opening.between(start, due) == minutes * MINUTE
    assert opening.between(start, due - timedelta(seconds=1)) < minutes * MINUTE


@given(weeks, zones, moments.map(lambda moment: moment.replace(second=0, microsecond=0)))
def test_it_runs_exactly_while_the_business_says_it_is_open(hours: Hours, zone: ZoneInfo, start: datetime) -> None:
    business = demo().__class__(**{**demo().__dict__, "hours": hours, "timezone": zone})
    minutes = [start + n * MINUTE for n in range(3 * 24 * 60)]
    opened = sum(business.is_open(moment) for moment in minutes)
    assert Opening(hours, zone).between(start, start + timedelta(days=3)) == opened * MINUTE
