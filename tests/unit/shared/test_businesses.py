"""Opening hours: local to the business, split days, changes of the clock."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from ringback.businesses import WEEKDAYS, Business, BusinessesSchema

NEW_YORK = ZoneInfo("America/New_York")


def load(hours: object, zone: str = "America/New_York") -> Business:
    values = {"name": "x", "numbers": ["+15550001111"], "timezone": zone, "hours": hours}
    loaded: Business = BusinessesSchema().load({"businesses": {"x": values}})["businesses"]["x"]
    return loaded


def new_york(day: int, hour: int, minute: int = 0) -> datetime:
    """A day of March 2026: the 2nd is a Monday, the clock goes forward on the 8th."""
    return datetime(2026, 3, day, hour, minute, tzinfo=NEW_YORK).astimezone(UTC)


SPLIT = load({"mon": ["09:00-17:00"], "tue": ["09:00-12:00", "13:00-17:00"], "sun": ["00:00-24:00"]})


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        (new_york(2, 8, 59), False),
        (new_york(2, 9), True),
        (new_york(2, 16, 59), True),
        (new_york(2, 17), False),
        (new_york(3, 11, 59), True),
        (new_york(3, 12, 30), False),
        (new_york(3, 13), True),
        (new_york(4, 10), False),
        (new_york(8, 0), True),
        (new_york(8, 23, 59), True),
        (new_york(9, 9), True),
        (new_york(9, 8, 59), False),
    ],
)
def test_open_by_the_business_own_clock(moment: datetime, is_open: bool) -> None:
    assert SPLIT.is_open(moment) is is_open


def test_the_zone_decides_not_utc() -> None:
    monday_noon_utc = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    hours = {"mon": ["09:00-17:00"]}
    assert not load(hours, "America/New_York").is_open(monday_noon_utc)
    assert load(hours, "Europe/Prague").is_open(monday_noon_utc)
    assert not load(hours, "Pacific/Auckland").is_open(monday_noon_utc)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.integers(-12, 14))  # noqa: DTZ001
def test_how_a_moment_is_written_does_not_matter(naive: datetime, offset: int) -> None:
    moment = naive.replace(tzinfo=UTC)
    assert SPLIT.is_open(moment.astimezone(timezone(timedelta(hours=offset)))) is SPLIT.is_open(moment)


def test_without_hours_always_open_and_with_no_day_never() -> None:
    assert load(None).is_open(new_york(4, 3))
    assert not load({}).is_open(new_york(4, 12))
    assert not load({"wed": []}).is_open(new_york(4, 12))


def test_every_day_can_have_hours() -> None:
    for number, day in enumerate(WEEKDAYS):
        only = load({day: ["10:00-11:00"]})
        assert [only.is_open(new_york(2 + other, 10)) for other in range(7)].index(True) == number


@pytest.mark.parametrize(
    "hours",
    [
        {"monday": ["09:00-17:00"]},
        {"mon": "09:00-17:00"},
        {"mon": ["9:00-17:00"]},
        {"mon": ["09:00-25:00"]},
        {"mon": ["09:00-24:30"]},
        {"mon": ["17:00-09:00"]},
        {"mon": ["09:00-09:00"]},
        {"mon": ["09:00"]},
        {"mon": ["09:00-17:00\n"]},
        {"mon": [900]},
        ["09:00-17:00"],
    ],
)
def test_malformed_hours_are_refused(hours: object) -> None:
    with pytest.raises(ValidationError):
        load(hours)


@pytest.mark.parametrize(
    "rung", [["+15550001111"], [f"+1555000{number:04d}" for number in range(2000, 2011)]], ids=["itself", "eleven"]
)
def test_nobody_rings_himself_or_more_than_twilio_rings_at_once(rung: list[str]) -> None:
    values = {"name": "x", "numbers": ["+15550001111"], "timezone": "UTC", "forward_to": rung}
    with pytest.raises(ValidationError, match="forward_to"):
        BusinessesSchema().load({"businesses": {"x": values}})
