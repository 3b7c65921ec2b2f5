"""Marketing between 08:00 and 21:00 in every zone that a number may be in."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.numbers import number_of
from notifier.quiet_hours import is_allowed, next_allowed

START = datetime(2025, 1, 1, tzinfo=UTC)
NEW_YORK, LOS_ANGELES = ZoneInfo("America/New_York"), ZoneInfo("America/Los_Angeles")
ZONES = [
    ZoneInfo(name)
    for name in (
        "America/New_York",
        "America/Los_Angeles",
        "America/St_Johns",
        "Pacific/Honolulu",
        "Europe/London",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
    )
]
moments = st.integers(0, 3 * 365 * 24 * 60).map(lambda minute: START + timedelta(minutes=minute))
zones = st.lists(st.sampled_from(ZONES), min_size=1, max_size=4)


def local(zone: ZoneInfo, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=zone).astimezone(UTC)  # type: ignore[arg-type,misc]  # year to minute


@pytest.mark.parametrize(
    ("now", "allowed"),
    [
        (local(NEW_YORK, 2026, 3, 2, 8, 0), local(NEW_YORK, 2026, 3, 2, 8, 0)),
        (local(NEW_YORK, 2026, 3, 2, 7, 59), local(NEW_YORK, 2026, 3, 2, 8, 0)),
        (local(NEW_YORK, 2026, 3, 2, 20, 59), local(NEW_YORK, 2026, 3, 2, 20, 59)),
        (local(NEW_YORK, 2026, 3, 2, 21, 0), local(NEW_YORK, 2026, 3, 3, 8, 0)),
        # The night in which clocks go forward is an hour shorter, the other one longer.
        (local(NEW_YORK, 2026, 3, 7, 21, 0), local(NEW_YORK, 2026, 3, 7, 21, 0) + timedelta(hours=10)),
        (local(NEW_YORK, 2026, 10, 31, 21, 0), local(NEW_YORK, 2026, 10, 31, 21, 0) + timedelta(hours=12)),
    ],
)
def test_one_zone(now: datetime, allowed: datetime) -> None:
    assert next_allowed(now, [NEW_YORK]) == allowed


def test_of_two_zones_the_later_opens_and_the_earlier_closes() -> None:
    both = [NEW_YORK, LOS_ANGELES]
    assert next_allowed(local(NEW_YORK, 2026, 3, 2, 9, 0), both) == local(LOS_ANGELES, 2026, 3, 2, 8, 0)
    assert next_allowed(local(LOS_ANGELES, 2026, 3, 2, 18, 0), both) == local(LOS_ANGELES, 2026, 3, 3, 8, 0)


def test_zones_whose_hours_do_not_meet_have_no_moment() -> None:
    a_third_of_the_world_apart = [ZoneInfo(name) for name in ("Etc/GMT+8", "Etc/GMT", "Etc/GMT-8")]
    assert next_allowed(local(NEW_YORK, 2026, 3, 2, 9, 0), a_third_of_the_world_apart) is None


@given(moments, zones)
def test_it_is_the_first_moment_that_suits_all(now: datetime, zones: list[ZoneInfo]) -> None:
    allowed = next_allowed(now, zones)
    step = timedelta(minutes=15)
    quarters = (now + count * step for count in range(4 * 24 * 7))
    first = next((moment for moment in quarters if is_allowed(moment, zones)), None)
    if allowed is None:
        assert first is None
        return
    assert allowed >= now
    assert is_allowed(allowed, zones)
    assert first is not None
    assert first - step < allowed <= first


def test_a_number_of_a_city_has_its_zone_and_one_of_no_range_has_none() -> None:
    assert number_of("+12125550123", "US").zones == (NEW_YORK,)
    assert number_of("+15558675310", "US").zones == ()
    assert number_of("+15558675310", "US").country == "US"
    assert number_of("+442079460000", "US").country == "GB"
    assert number_of("12345", "US").kind == "short"
