"""What bodies are taken for, and how customers, entries and spend are shown."""

import string
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from customer.schemas import (
    APPOINTMENTS_SINCE,
    APPOINTMENTS_UNTIL,
    MOST_PHONES,
    ChangedAppointmentBody,
    ChangedCustomerBody,
    NewAppointmentBody,
    NewCustomerBody,
    NoteBody,
    dump_entry,
    spend_of,
)
from ringback.contracts.appointments import MOST_MINOR_UNITS
from ringback.web.bodies import flattened
from tests.unit.fakes import at

BOOKED = {"starts_at": "2026-03-10T15:00:00Z", "service": "Cleaning"}
NEW, CHANGED = NewCustomerBody("US"), ChangedCustomerBody("US")


def refused(schema: Schema, body: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as error:
        schema.load(body)
    return flattened(error.value.messages_dict)


# Texts.


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("  Anna  ", "Anna"),
        ("Nova\u0301kova\u0301", "Nov\u00e1kov\u00e1"),
        ("\u0645\u06cc\u200c\u0645", "\u0645\u06cc\u200c\u0645"),
        ("\U0001f469\u200d\U0001f527", "\U0001f469\u200d\U0001f527"),
        ("O'Brien; DROP TABLE", "O'Brien; DROP TABLE"),
        ("", None),
        (" \n ", None),
        (None, None),
    ],
)
def test_a_name_is_taken_as_it_is_written_but_for_its_edges(written: str | None, taken: str | None) -> None:
    assert CHANGED.load({"name": written})["name"] == taken


@given(st.text(max_size=300))
def test_a_name_that_is_taken_is_text_of_bounded_length(name: str) -> None:
    try:
        taken = CHANGED.load({"name": name})["name"]
    except ValidationError:
        return
    if taken is None:
        assert not name.strip()
        return
    assert taken == unicodedata.normalize("NFC", name).strip()
    assert 0 < len(taken) <= 200
    assert all(unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"} for character in taken)
    assert CHANGED.load({"name": taken})["name"] == taken


@given(st.text(string.printable, max_size=300))
def test_a_note_keeps_its_lines(text: str) -> None:
    assume(not set(text) & {"\x0b", "\x0c"})
    assume(text.strip())
    taken = NoteBody().load({"text": text})["text"]
    assert taken.split() == text.split()
    assert "\r" not in taken
    assert taken.count("\n") <= text.count("\n") + text.count("\r")


@pytest.mark.parametrize(
    "address", ["a@b.cz", "First.Last+tag@sub.example.com", "jiří@háčky.cz", f"{'a' * 200}@b.cz"]
)
def test_an_address_is_taken(address: str) -> None:
    assert NEW.load({"email": f" {address} "})["email"] == address


# Numbers.


def test_numbers_are_taken_once_each_in_e164() -> None:
    phones = ["(212) 555-0123", "+1 212 555 0123", "+44 20 7946 0018", "tel:+12125550123"]
    assert NEW.load({"phones": phones})["phones"] == ["+12125550123", "+442079460018"]
    assert NewCustomerBody("GB").load({"phone": "020 7946 0018"})["phone"] == "+442079460018"


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_no_number_takes_the_first_one_away(nothing: str | None) -> None:
    assert CHANGED.load({"phone": nothing})["phone"] is None


def test_which_number_is_wrong_is_told() -> None:
    assert refused(NEW, {"phones": ["2125550123", "12345", "x"]}) == {
        "phones": ["Not a phone number. (number 2)", "Not a phone number. (number 3)"]
    }


def test_there_are_at_most_so_many_numbers() -> None:
    numbers = [f"+1212555{number:04}" for number in range(MOST_PHONES + 1)]
    assert len(NEW.load({"phones": numbers[:-1]})["phones"]) == MOST_PHONES
    assert list(refused(NEW, {"phones": numbers})) == ["phones"]


# Appointments.

inside = st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30))  # noqa: DTZ001 - the zone is drawn beside it
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(inside, offsets)
def test_a_time_with_an_offset_is_taken_as_utc_in_milliseconds(naive: datetime, offset: timezone) -> None:
    moment = naive.replace(tzinfo=offset)
    taken = NewAppointmentBody().load({**BOOKED, "starts_at": moment.isoformat()})["starts_at"]
    assert taken.tzinfo is UTC
    assert timedelta(0) <= moment - taken < timedelta(milliseconds=1)
    assert taken.microsecond % 1000 == 0


@given(st.datetimes())
def test_a_time_without_an_offset_is_refused(naive: datetime) -> None:
    assert list(refused(NewAppointmentBody(), {**BOOKED, "starts_at": naive.isoformat()})) == ["starts_at"]


@given(st.datetimes(), offsets)
def test_a_time_outside_of_the_years_of_appointments_is_refused(naive: datetime, offset: timezone) -> None:
    moment = naive.replace(tzinfo=offset)
    assume(not APPOINTMENTS_SINCE <= moment < APPOINTMENTS_UNTIL)
    assert list(refused(NewAppointmentBody(), {**BOOKED, "starts_at": moment.isoformat()})) == ["starts_at"]


@given(st.integers(-(10**13), 10**13))
def test_a_price_is_a_whole_number_of_minor_units(price: int) -> None:
    body = {**BOOKED, "price": price}
    if 0 <= price <= MOST_MINOR_UNITS:
        assert NewAppointmentBody().load(body)["price"] == price
    else:
        assert list(refused(NewAppointmentBody(), body)) == ["price"]


@pytest.mark.parametrize("price", [0, MOST_MINOR_UNITS])
def test_the_least_and_the_most_are_prices(price: int) -> None:
    assert ChangedAppointmentBody().load({"price": price}) == {"price": price}


def test_what_is_not_said_of_a_new_appointment() -> None:
    assert NewAppointmentBody().load(BOOKED).keys() == {"starts_at", "service", "price", "status"}
    assert set(refused(NewAppointmentBody(), {})) == {"starts_at", "service"}
    assert ChangedAppointmentBody().load({}) == {}


# What is shown.


@given(st.dictionaries(st.sampled_from(["EUR", "USD"]), st.tuples(st.integers(0, 10**14), st.integers(1, 10**4))))
def test_an_average_is_the_total_by_visit_rounded_half_up(spent: dict[str, tuple[int, int]]) -> None:
    spend = {currency: {"total": total, "visits": visits} for currency, (total, visits) in spent.items()}
    shown = spend_of({"spend": spend})
    assert [one["currency"] for one in shown] == list(spend)
    for one in shown:
        assert -one["visits"] <= 2 * (one["total"] - one["average"] * one["visits"]) < one["visits"]


@pytest.mark.parametrize(("total", "visits", "average"), [(5, 2, 3), (4, 3, 1), (5, 3, 2), (0, 1, 0)])
def test_averages(total: int, visits: int, average: int) -> None:
    assert spend_of({"spend": {"USD": {"total": total, "visits": visits}}})[0]["average"] == average


def test_an_entry_shows_what_its_kind_has_and_no_book_keeping() -> None:
    entry: dict[str, Any] = {
        "_id": "demo:appointment:a1",
        "business": "demo",
        "customer_id": "c",
        "kind": "appointment",
        "appointment_id": "a1",
        "at": at(0),
        "price": 5,
        "told_at": at(1),
        "told_by": "x",
        "changes": [{"at": at(1), "by": "x", "counts": True}],
        "awaits": None,
        "version": 3,
    }
    assert dump_entry(entry) == {
        "id": "a1",
        "kind": "appointment",
        "appointment_id": "a1",
        "at": "2026-03-02T15:00:00.000Z",
        "price": 5,
    }
    assert dump_entry({"_id": "n1", "kind": "note", "at": at(0)})["id"] == "n1"


def test_errors_of_parts_are_told_by_field() -> None:
    assert flattened({"a": ["x"], "b": {"0": ["y"], "1": {"c": ["z"]}}, "d": "w"}) == {
        "a": ["x"],
        "b": ["y", "z"],
        "d": ["w"],
    }
