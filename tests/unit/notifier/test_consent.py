"""Opt-outs: the latest word of each source, in any order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier import consent, contacts
from notifier.consent import Document, Statement, by_hand, by_text, by_twilio
from tests.unit.fakes import T0, at

statements = st.lists(
    st.one_of(
        st.builds(by_text, st.just(True), st.sampled_from(["STOP", "REVOKE"]), st.integers(0, 5).map(at)),
        st.builds(by_text, st.just(False), st.sampled_from(["START", "YES"]), st.integers(0, 5).map(at)),
        st.builds(by_twilio, st.integers(0, 5).map(at)),
        st.builds(
            by_hand,
            st.sampled_from(consent.SCOPES),
            st.booleans(),
            st.sampled_from([None, "Asked on the phone"]),
            st.integers(0, 5).map(at),
        ),
    ),
    max_size=6,
)


def contact(*said: Statement) -> Document:
    result = contacts.new_contact("id", "demo")
    for statement in said:
        result = consent.with_statement(result, statement)
    return result


@given(statements, st.randoms())
def test_what_was_said_counts_in_any_order_and_however_often(said: list[Statement], random: Any) -> None:
    again = said + said[:2]
    random.shuffle(again)
    assert contact(*said) == contact(*again)


STOP, START, YES = by_text(True, "STOP", T0), by_text(False, "START", at(1)), by_text(False, "YES", at(1))
BY_STAFF = by_hand("business", True, None, T0)


@pytest.mark.parametrize(
    ("said", "opted_out"),
    [
        ([], False),
        ([STOP], True),
        ([STOP, START], False),
        ([START, by_text(True, "STOP", at(2))], True),
        ([by_text(True, "STOP", at(1)), START], True),  # at once: the refusal counts
        ([STOP, YES], False),
        ([BY_STAFF, YES], True),  # it may answer a question
        ([BY_STAFF, START], False),
        ([by_twilio(T0), START], False),
        ([by_hand("number", True, None, T0), START], False),
        ([STOP, by_hand("business", False, "Asked us to", at(1))], False),
        ([STOP, by_hand("number", False, None, at(1))], True),
        ([by_hand("number", True, None, T0), by_hand("business", False, None, at(1))], True),
    ],
)
def test_any_refusal_that_stands_means_no(said: list[Statement], opted_out: bool) -> None:
    assert contact(*said)["opted_out"] is opted_out


def test_an_erased_contact_keeps_what_it_said_and_not_its_number() -> None:
    known = contacts.identified(contact(STOP), "+12125550123", T0)
    erased = contacts.erased(known, at(5))
    assert (erased["phone"], erased["opted_out"]) == (None, True)
    assert contacts.identified(erased, "+12125550123", at(4))["phone"] is None
    assert contacts.identified(erased, "+12125550123", at(6))["phone"] == "+12125550123"


def test_texts_are_counted_for_a_day_and_automatic_ones_for_an_hour() -> None:
    result = contact()
    for minute, automatic in ((0, True), (30, False), (50, True)):
        result = contacts.texted(result, at(minute * 60), automatic=automatic)
    hour = at(3600)
    assert (contacts.texts_of_day(result, hour), contacts.automatic_texts_of_hour(result, hour)) == (3, 1)
    tomorrow = at(24 * 3600 + 40 * 60)
    assert contacts.texts_of_day(result, tomorrow) == 1
    assert len(contacts.texted(result, tomorrow, automatic=True)["texted"]) == 2
