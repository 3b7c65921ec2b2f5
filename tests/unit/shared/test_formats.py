"""Times, money and numbers as a business's pages write them."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.web.formats import FILTERS, NOTHING, Formats
from tests.unit.fakes import T0, demo


def formats(country: str = "US", currency: str = "USD", zone: str = "America/New_York") -> Formats:
    """Now is Monday 2 March 2026, 10:00 in New York, 15:00 UTC."""
    return Formats(replace(demo(), country=country, currency=currency, timezone=ZoneInfo(zone)), T0)


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ")


@pytest.mark.parametrize("name", sorted({*FILTERS} - {"input_time", "input_money"}))
def test_what_is_not_known_is_a_dash(name: str) -> None:
    assert getattr(formats(), name)(None) == NOTHING


def test_a_field_is_left_empty_for_what_is_not_known() -> None:
    assert (formats().input_time(None), formats().input_money(None)) == ("", "")


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-02T05:00:00Z", "Today"),
        ("2026-03-02T04:59:59Z", "Yesterday"),
        ("2026-03-03T05:00:00Z", "Tomorrow"),
        ("2026-03-04T17:00:00Z", "Wed 4 Mar"),
        ("2025-12-31T17:00:00Z", "31 Dec 2025"),
    ],
)
def test_days_are_the_businesss(moment: str, day: str) -> None:
    assert formats().date(moment) == day


def test_a_clock_is_written_as_in_the_country() -> None:
    moment = "2026-03-02T19:05:00+00:00"
    assert plain(formats().time(moment)) == "Today, 2:05 PM"
    assert plain(formats("GB", "GBP", "Europe/London").time(moment)) == "Today, 19:05"
    assert plain(formats("XX", "USD", "UTC").time(moment)) == "Today, 7:05 PM"
    assert "Eastern Standard Time" in formats().full(moment)


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(0), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=-59), "just now"),
        (timedelta(minutes=3), "3 minutes ago"),
        (timedelta(minutes=-3), "in 3 minutes"),
        (timedelta(hours=2), "2 hours ago"),
        (timedelta(days=400), "13 months ago"),
    ],
)
def test_how_long_ago(ago: timedelta, text: str) -> None:
    assert formats().ago(T0 - ago) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.9, "0 s"),
        (-5, "0 s"),
        (59, "59 s"),
        (185, "3 min 5 s"),
        (3600, "1 h"),
        (90000, "1 day 1 h"),
        (187200, "2 days 4 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert formats().duration(seconds) == text


@pytest.mark.parametrize(
    ("country", "currency", "minor", "shown", "typed"),
    [
        ("US", "USD", 123450, "$1,234.50", "1234.50"),
        ("US", "USD", 5, "$0.05", "0.05"),
        ("US", "USD", -8000, "-$80.00", "-80.00"),
        ("DE", "EUR", 123450, "1.234,50 €", "1234.50"),
        ("JP", "JPY", 1234, "¥1,234", "1234"),
        ("KW", "KWD", 1234, "KWD1.234", "1.234"),
        ("US", "USD", 2**63 - 1, "$92,233,720,368,547,758.07", "92233720368547758.07"),
    ],
)
def test_money_has_its_currencys_digits(country: str, currency: str, minor: int, shown: str, typed: str) -> None:
    written = formats(country, currency)
    assert plain(written.money(minor)) == shown
    assert written.input_money(minor) == typed
    assert formats("US", "USD").input_money(minor, currency) == typed


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_no_cent_is_lost(minor: int) -> None:
    text = formats().input_money(minor)
    assert int(text.replace(".", "")) == minor


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("+12125550123", "(212) 555-0123"),
        ("+442079460018", "+44 20 7946 0018"),
        ("+266696687", "+266 696687"),
        ("sip:olga@example.com", "sip:olga@example.com"),
        ("", NOTHING),
    ],
)
def test_phones_are_national_at_home(number: str, text: str) -> None:
    assert formats().phone(number) == text


def test_shares_and_numbers() -> None:
    assert (formats().share(0.425), formats().share(0), formats().number(12345.5)) == ("42 %", "0 %", "12,345.5")
