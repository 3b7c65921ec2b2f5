"""Forms: what people type as what schemas read; what cannot be read is refused, never guessed."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields
from werkzeug.datastructures import MultiDict

from ringback.businesses import Business
from ringback.web.formats import Formats
from ringback.web.forms import MONEY, form_values, is_own
from tests.unit.fakes import T0, demo

COUNTRIES = {"USD": "US", "EUR": "DE", "JPY": "JP", "KWD": "KW", "CHF": "CH"}
PLACES = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3, "CHF": 2}
NEW_YORK, LONDON = "America/New_York", "Europe/London"


class Thing(Schema):
    name = fields.String(required=True)
    note = fields.String(allow_none=True)
    count = fields.Integer(strict=True)
    price = fields.Integer(strict=True, metadata=MONEY)
    at = fields.AwareDateTime()
    sure = fields.Boolean(truthy={True}, falsy={False})
    phones = fields.List(fields.String())
    prices = fields.List(fields.Integer(strict=True, metadata=MONEY))
    renamed = fields.Integer(strict=True, data_key="other")


def business(currency: str = "USD", zone: str = NEW_YORK) -> Business:
    return replace(demo(), currency=currency, country=COUNTRIES[currency], timezone=ZoneInfo(zone))


def read(*pairs: tuple[str, str], of: Business | None = None) -> dict[str, Any]:
    return form_values(Thing(), MultiDict([("name", "x"), *pairs]), of or business()) | {"name": "x"}


def one(name: str, text: str, of: Business | None = None) -> Any:
    return read((name, text), of=of)[name]


# Which fields there are.


def test_the_pages_own_fields_are_no_input() -> None:
    own = ["csrf_token", "_form", "_page", "_next", "_"]
    assert all(is_own(name) for name in own)
    assert read(*[(name, "1") for name in own]) == {"name": "x"}


def test_what_the_schema_does_not_know_is_left_to_it_to_refuse() -> None:
    values = read(("nonsense", "1"))
    assert values["nonsense"] == "1"
    with pytest.raises(ValidationError, match="nonsense"):
        Thing().load(values)


def test_of_a_repeated_name_the_last_counts() -> None:
    assert read(("sure", "false"), ("sure", "true"))["sure"] is True
    assert read(("sure", "false"))["sure"] is False
    assert "sure" not in read()


def test_lists_take_all_but_the_empty_ones() -> None:
    assert read(("phones", "1"), ("phones", " "), ("phones", "2"))["phones"] == ["1", "2"]
    assert read(("phones", ""))["phones"] == []
    assert read(("prices", "1.50"), ("prices", "x"))["prices"] == [150, "x"]


def test_what_is_left_empty_is_null_or_left_out_or_refused() -> None:
    values = form_values(Thing(), MultiDict({"name": "", "note": " ", "count": "", "at": ""}), business())
    assert values == {"name": "", "note": None}


def test_a_field_is_known_by_its_name_outside() -> None:
    assert read(("other", "7"))["other"] == 7


# Numbers.


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_whole_numbers_are_read(number: int) -> None:
    assert one("count", f" {number} ") == number


@pytest.mark.parametrize("text", ["1.5", "1_000", "1e3", "0x1f", "one", "١٢", "²", "9" * 30, "- 1", "--1", "NaN"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    assert one("count", text) == text
    with pytest.raises(ValidationError):
        Thing().load(read(("count", text)))


@pytest.mark.parametrize(("text", "read_as"), [("true", True), ("on", True), ("false", False), ("yes", "yes")])
def test_boxes(text: str, read_as: Any) -> None:
    assert one("sure", text) == read_as


# Money.


@pytest.mark.parametrize(
    ("currency", "text", "minor"),
    [
        ("USD", "80", 8000),
        ("USD", "80.5", 8050),
        ("USD", "80,5", 8050),
        ("USD", "80.50", 8050),
        ("USD", "80,50", 8050),
        ("USD", " $80.50 ", 8050),
        ("USD", "80.50 USD", 8050),
        ("USD", "$ 1,234.50", 123450),
        ("USD", "1.234,50", 123450),
        ("USD", "1,234", 123400),
        ("USD", "1,234,567", 123456700),
        ("USD", "1.234.567", 123456700),
        ("USD", "1 234 567,8", 123456780),
        ("USD", "1\u00a0234,50", 123450),
        ("USD", "1\u202f234", 123400),
        ("USD", "0.05", 5),
        ("USD", "007", 700),
        ("USD", "1234.500", 123450),
        ("USD", "-80.50", -8050),
        ("EUR", "1.234,50 €", 123450),
        ("EUR", "€12", 1200),
        ("EUR", "EUR 12", 1200),
        ("CHF", "1'234.50", 123450),
        ("CHF", "1\u2019234.50", 123450),
        ("JPY", "1,234", 1234),
        ("JPY", "1234", 1234),
        ("JPY", "12.00", 12),
        ("KWD", "1.234", 1234),
        ("KWD", "0,234", 234),
        ("KWD", "1,234.500", 1234500),
        ("KWD", "1.5", 1500),
    ],
)
def test_money_is_read_as_people_write_it(currency: str, text: str, minor: int) -> None:
    assert one("price", text, business(currency)) == minor


@pytest.mark.parametrize(
    ("currency", "text"),
    [
        ("USD", "1.234"),  # a thousand, or a slip?
        ("USD", "80.500"),
        ("EUR", "1.234"),
        ("KWD", "1,234"),
        ("JPY", "1.234"),
        ("JPY", "12.5"),
        ("USD", "0,234"),
        ("USD", "80.555"),
        ("USD", "1,23,456"),
        ("USD", "12,34,567.00"),
        ("USD", "1,234,56"),
        ("USD", "1.2.3"),
        ("USD", "1'234 567"),
        ("USD", "€80"),
        ("USD", "80 GBP"),
        ("USD", "1e3"),
        ("USD", "1_000"),
        ("USD", "Infinity"),
        ("USD", "NaN"),
        ("USD", "٨٠"),
        ("USD", "."),
        ("USD", ",5"),
        ("USD", "5."),
        ("USD", "+5"),
        ("USD", "$"),
        ("USD", "a lot"),
    ],
)
def test_what_is_no_amount_or_could_be_two_is_refused(currency: str, text: str) -> None:
    assert one("price", text, business(currency)) == text
    with pytest.raises(ValidationError):
        Thing().load(read(("price", text), of=business(currency)))


@given(st.sampled_from(sorted(PLACES)), st.integers(min_value=-(10**14), max_value=10**14))
@example("JPY", 1234)
@example("KWD", 1234)
@example("USD", 123456789012345)
def test_what_a_page_writes_into_a_field_is_read_as_the_same(currency: str, minor: int) -> None:
    of = business(currency)
    assert one("price", Formats(of, T0).input_money(minor), of) == minor


@given(st.sampled_from(sorted(PLACES)), st.integers(min_value=0, max_value=10**12))
def test_what_a_page_shows_is_read_as_the_same_unless_it_could_be_two(currency: str, minor: int) -> None:
    of = business(currency)
    shown = Formats(of, T0).money(minor)
    assert one("price", shown, of) in (minor, shown)


@given(st.text(max_size=30), st.sampled_from(sorted(PLACES)))
def test_any_text_is_an_amount_or_itself(text: str, currency: str) -> None:
    value = one("price", "x" + text, business(currency))
    assert value == "x" + text or isinstance(value, int)


# Times.


@pytest.mark.parametrize(
    ("zone", "text", "moment"),
    [
        (NEW_YORK, "2026-03-02T09:30", "2026-03-02T09:30:00-05:00"),
        (NEW_YORK, "2026-07-02T09:30", "2026-07-02T09:30:00-04:00"),
        (NEW_YORK, "2026-07-02T09:30:15", "2026-07-02T09:30:15-04:00"),
        (NEW_YORK, "2026-11-01T01:30", "2026-11-01T01:30:00-04:00"),  # twice: the first
        (NEW_YORK, "2026-03-08T01:59", "2026-03-08T01:59:00-05:00"),
        (NEW_YORK, "2026-03-08T03:00", "2026-03-08T03:00:00-04:00"),
        (LONDON, "2026-10-25T01:30", "2026-10-25T01:30:00+01:00"),
        ("Asia/Kathmandu", "2026-01-01T00:00", "2026-01-01T00:00:00+05:45"),
    ],
)
def test_times_are_the_businesss(zone: str, text: str, moment: str) -> None:
    assert one("at", text, business(zone=zone)) == moment


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (NEW_YORK, "2026-03-08T02:00"),
        (NEW_YORK, "2026-03-08T02:30"),
        (LONDON, "2026-03-29T01:30"),
        ("Pacific/Apia", "2011-12-30T12:00"),  # a day that Samoa skipped
        ("Asia/Kathmandu", "0001-01-01T00:00"),  # in UTC that is before all years
        (NEW_YORK, "tomorrow"),
        (NEW_YORK, "2026-02-30T10:00"),
    ],
)
def test_a_time_that_never_comes_is_refused(zone: str, text: str) -> None:
    with pytest.raises(ValidationError, match="at"):
        Thing().load(read(("at", text), of=business(zone=zone)))


def test_a_time_with_a_zone_is_left_as_it_is() -> None:
    assert one("at", "2026-03-02T09:30:00Z") == "2026-03-02T09:30:00Z"


@given(
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001 - a wall clock's
    st.sampled_from([NEW_YORK, LONDON, "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_a_wall_clocks_time_comes_back_or_never_was(local: datetime, zone: str) -> None:
    of, minute = business(zone=zone), local.replace(second=0, microsecond=0)
    text = minute.strftime("%Y-%m-%dT%H:%M")
    value = one("at", text, of)
    if value == text:
        before, after = (minute + timedelta(hours=h) for h in (-24, 24))
        assert before.replace(tzinfo=of.timezone).utcoffset() != after.replace(tzinfo=of.timezone).utcoffset()
    else:
        assert Formats(of, T0).input_time(value) == text
