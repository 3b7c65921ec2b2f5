"""Who may be texted: each reason, and that texts without one are sent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notifier.numbers import number_of
from notifier.rules import MOST_AUTOMATIC_AN_HOUR, REASONS, Facts, Hold, Send, Suppress, judge
from tests.unit.fakes import T0, demo

# 03:00 in New York.
NIGHT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
MORNING = datetime(2026, 3, 2, 13, 0, tzinfo=UTC)
FINE = Facts(
    now=T0,
    expires_at=T0 + timedelta(hours=1),
    body="Hello",
    purpose="transactional",
    segments=1,
    number=number_of("+12125550123", "US"),
    limits=demo().texting,
    zone=demo().timezone,
    opted_out=False,
    own_number=False,
    erased=False,
    automatic=True,
    held=False,
    first=True,
    to_number_today=0,
    automatic_within_hour=0,
    business_today=0,
    segments_today=0,
)
AGAINST: list[tuple[str, dict[str, Any]]] = [
    ("erased", {"erased": True}),
    ("opted_out", {"opted_out": True}),
    ("empty", {"body": " \n"}),
    ("too_long", {"body": "a" * 1601}),
    ("withheld_number", {"number": number_of("anonymous", "US")}),
    ("withheld_number", {"number": number_of("+266696687", "US")}),
    ("withheld_number", {"number": number_of("sip:anna@example.com", "US")}),
    ("withheld_number", {"number": number_of("client:anna", "US")}),
    ("short_number", {"number": number_of("22000", "US")}),
    ("invalid_number", {"number": number_of("nobody", "US")}),
    ("own_number", {"own_number": True}),
    ("landline", {"number": number_of("+442079460000", "US")}),
    ("not_textable", {"number": number_of("+19005550123", "US")}),
    ("not_textable", {"number": number_of("+18005551212", "US")}),
    ("country", {"number": number_of("+447911123456", "US")}),
    ("expired", {"expires_at": T0}),
    ("quiet_hours", {"held": True, "expires_at": T0}),
    ("reply_loop", {"automatic_within_hour": MOST_AUTOMATIC_AN_HOUR}),
    ("number_cap", {"to_number_today": demo().texting.most_per_number_a_day}),
    ("business_cap", {"business_today": demo().texting.most_a_day}),
    ("segment_cap", {"segments": 2, "segments_today": demo().texting.most_segments_a_day - 1}),
]


@pytest.mark.parametrize(("reason", "changes"), AGAINST)
def test_a_text_that_must_not_be_sent_is_not_with_its_reason(reason: str, changes: dict[str, Any]) -> None:
    assert judge(replace(FINE, **changes)) == Suppress(reason)


def test_every_reason_is_tried() -> None:
    assert {reason for reason, _ in AGAINST} == set(REASONS)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"body": "a" * 1600},
        {"segments": 1, "segments_today": demo().texting.most_segments_a_day - 1},
        {"automatic": False, "automatic_within_hour": 100},
        {"first": False, "to_number_today": 100, "business_today": 10_000, "segments_today": 10_000},
        {"now": NIGHT, "expires_at": MORNING},
        {"purpose": "marketing"},
        {"number": number_of("+15558675399", "US")},
    ],
)
def test_any_other_is_sent(changes: dict[str, Any]) -> None:
    """Of the kinds: a United States number is landline or mobile, and one of no assigned range may be new."""
    assert judge(replace(FINE, **changes)) == Send()


def test_marketing_waits_for_the_morning_or_its_end() -> None:
    night = replace(FINE, now=NIGHT, purpose="marketing")
    assert judge(replace(night, expires_at=NIGHT + timedelta(days=1))) == Hold(MORNING)
    assert judge(replace(night, expires_at=NIGHT + timedelta(hours=1))) == Hold(NIGHT + timedelta(hours=1))
    unknown_zone = replace(night, number=number_of("+15558675399", "US"), expires_at=NIGHT + timedelta(days=1))
    assert judge(unknown_zone) == Hold(MORNING)


def test_who_waits_is_not_counted_but_who_opted_out_does_not_wait() -> None:
    night = replace(FINE, now=NIGHT, purpose="marketing", expires_at=NIGHT + timedelta(days=1))
    assert judge(replace(night, to_number_today=100)) == Hold(MORNING)
    assert judge(replace(night, opted_out=True)) == Suppress("opted_out")
