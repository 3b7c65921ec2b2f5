"""What is asked for is what a customer is found by."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer.routes import search_words
from customer.store import searchable


def findable(
    words: list[str], name: str | None = None, phones: tuple[str, ...] = (), email: str | None = None
) -> bool:
    """Whether each word begins something that the profile is found by, as `store.list_customers` asks."""
    found_by = searchable({"name": name, "phones": list(phones), "email": email})["search"]
    return all(any(one.startswith(word) for one in found_by) for word in words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("   ", []),
        ("Anna", ["anna"]),
        (" Anna  NOVÁKOVÁ ", ["anna", "nováková"]),
        ("Groß", ["gross"]),
        ("+1 (212) 555-0123", ["12125550123"]),
        ("212.555", ["212555"]),
        ("0123", ["0123"]),
        ("(555) ", ["555"]),
        ("-", ["-"]),
        ("anna 555", ["anna", "555"]),
        ("a@b.example", ["a@b.example"]),
    ],
)
def test_a_number_is_its_digits_and_anything_else_its_words(text: str, words: list[str]) -> None:
    assert search_words(text) == words


@pytest.mark.parametrize(
    "query",
    ["+12125550123", "12125550123", "212-555-0123", "(212) 555", "555-0123", "0123", "+1 212", "1.212.555"],
)
def test_a_number_is_found_in_any_writing(query: str) -> None:
    assert findable(search_words(query), phones=("+12125550123",))


def test_a_number_is_found_as_it_is_written_at_home() -> None:
    assert findable(search_words("020 7946 0018"), phones=("+442079460018",))


@pytest.mark.parametrize("query", ["anna", "NOVÁK", "ann nov", "nov anna", "Anna@", "anna 0123"])
def test_a_name_and_an_address_are_found_by_their_beginnings(query: str) -> None:
    assert findable(search_words(query), "Anna Nováková", ("+12125550123",), "anna@example.com")


@pytest.mark.parametrize("query", ["nna", "annax", "555-9999", "example.com"])
def test_what_a_customer_is_not_does_not_find_them(query: str) -> None:
    assert not findable(search_words(query), "Anna Nováková", ("+12125550123",), "anna@example.com")


@given(st.text(max_size=200))
def test_any_text_is_a_question(text: str) -> None:
    words = search_words(text)
    assert all(words)
    assert bool(words) == bool(text.strip())
    assert not any(re.search(r"\s", word) for word in words)


names = st.text(st.characters(exclude_categories=["Cs", "Nd"]), min_size=1, max_size=20)


@given(names)
def test_every_customer_is_found_by_their_name(name: str) -> None:
    assert findable(search_words(name), name)


@given(st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True), st.data())
def test_every_number_is_found_by_four_of_its_digits_or_more(phone: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(1, len(phone) - 4))
    end = data.draw(st.integers(start + 4, len(phone)))
    assert findable(search_words(phone[start:end]), phones=(phone,))
