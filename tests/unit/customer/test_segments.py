"""Segments: the first rule that fits, in words, and the moment at which time alone changes them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer.segments import Rules, months_after, segment_of
from tests.unit.fakes import T0

RULES = Rules(vip_appointments=10, inactive_months=6)


def known(
    appointments: int = 0, activity: datetime = T0, booked: datetime | None = None, was_vip: bool = False
) -> dict[str, Any]:
    return {
        "total_appointments": appointments,
        "last_activity_at": activity,
        "last_booked_at": booked,
        "was_vip": was_vip,
    }


LONG_AGO = T0 - timedelta(days=400)


@pytest.mark.parametrize(
    ("facts", "segment"),
    [
        (known(), "lead"),
        (known(9, booked=T0), "active"),
        (known(10, booked=T0), "vip"),
        (known(10, LONG_AGO, LONG_AGO), "vip"),
        (known(9, LONG_AGO, LONG_AGO, was_vip=True), "vip"),
        (known(0, LONG_AGO), "inactive"),
        (known(1, LONG_AGO, LONG_AGO), "inactive"),
        (known(1, T0, LONG_AGO), "lead"),
    ],
)
def test_the_first_rule_that_fits_counts(facts: dict[str, Any], segment: str) -> None:
    found = segment_of(facts, RULES, T0)
    assert found.name == segment
    assert found.reason


def test_the_day_it_changes_is_known_and_is_exact() -> None:
    lead = segment_of(known(), RULES, T0)
    assert lead.due_at == months_after(T0, 6)
    assert segment_of(known(), RULES, lead.due_at - timedelta(milliseconds=1)).name == "lead"
    assert segment_of(known(), RULES, lead.due_at).name == "inactive"


def test_who_books_no_more_but_calls_is_a_lead_again_and_inactive_after() -> None:
    facts = known(1, T0, T0 - timedelta(days=100))
    active = segment_of(facts, RULES, T0)
    assert active.due_at is not None
    lead = segment_of(facts, RULES, active.due_at)
    assert lead.due_at is not None
    assert [active.name, lead.name, segment_of(facts, RULES, lead.due_at).name] == ["active", "lead", "inactive"]


@pytest.mark.parametrize(
    ("moment", "months", "expected"),
    [
        (datetime(2026, 8, 31), 6, datetime(2027, 2, 28)),  # noqa: DTZ001 - days alone
        (datetime(2027, 8, 31), 6, datetime(2028, 2, 29)),  # noqa: DTZ001
        (datetime(2026, 12, 15), 1, datetime(2027, 1, 15)),  # noqa: DTZ001
        (datetime(2026, 1, 31), 12, datetime(2027, 1, 31)),  # noqa: DTZ001
    ],
)
def test_months_end_with_the_month(moment: datetime, months: int, expected: datetime) -> None:
    assert months_after(moment, months) == expected


moments = st.integers(-800, 800).map(lambda days: T0 + timedelta(days=days, hours=days % 24))


@given(st.integers(0, 12), moments, st.none() | moments, st.booleans(), moments)
def test_time_changes_a_segment_exactly_when_it_said(
    count: int, activity: datetime, booked: datetime | None, was_vip: bool, now: datetime
) -> None:
    """Between now and `due_at` nothing changes, `due_at` lies ahead, and looking then comes to an end."""
    facts = known(count, max(activity, booked or activity), booked, was_vip)
    segment = segment_of(facts, RULES, now)
    for _ in range(4):
        if segment.due_at is None:
            break
        assert segment.due_at > now
        before = segment_of(facts, RULES, segment.due_at - timedelta(milliseconds=1))
        assert before == segment
        now = segment.due_at
        segment = segment_of(facts, RULES, now)
    assert segment.due_at is None
    assert segment_of(facts, RULES, now + timedelta(days=3650)).name == segment.name
