"""What is asked for is what a customer is found by."""

import re
import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer.routes import search_words
from customer.store import pair_of, searchable


def findable(
    words: list[str], name: str | None = None, phones: tuple[str, ...] = (), email: str | None = None
) -> bool:
    """Whether each word begins something that the profile is found by, as `store.list_customers` asks."""
    profile = searchable({"name": name, "phones": list(phones), "email": email})
    return all(any(one.startswith(word) for one in profile["search"]) for word in words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("   ", []),
        ("Anna", ["anna"]),
        (" Anna  NOVÁKOVÁ ", ["anna", "nováková"]),
        ("Groß", ["gross"]),
        ("Nova\u0301k", ["nov\u00e1k"]),
        ("\uff15\uff15\uff15-\uff10\uff11\uff12\uff13", ["5550123"]),
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


@pytest.mark.parametrize("written", ["Andr\u00e9", "Andre\u0301", "ANDRE\u0301", "\uff21ndr\u00e9"])
@pytest.mark.parametrize("asked", ["andr\u00e9", "andre\u0301", "Andr\u00c9"])
def test_a_name_is_found_however_its_letters_are_put_together(written: str, asked: str) -> None:
    assert findable(search_words(asked), written)
    assert findable(search_words(f"{asked}@example.com"), email=f"{written}@example.com")


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


@given(names, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_no_form_of_a_name_hides_it(name: str, form: Literal["NFC", "NFD", "NFKC", "NFKD"]) -> None:
    assert search_words(unicodedata.normalize(form, name)) == search_words(name)


@given(names)
def test_every_customer_is_found_by_their_name(name: str) -> None:
    assert findable(search_words(name), name)


@given(st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True), st.data())
def test_every_number_is_found_by_four_of_its_digits_or_more(phone: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(1, len(phone) - 4))
    end = data.draw(st.integers(start + 4, len(phone)))
    assert findable(search_words(phone[start:end]), phones=(phone,))


numbers = st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True)
addresses = st.from_regex(r"[a-z0-9.]{1,8}@[a-z]{1,5}\.[a-z]{2}", fullmatch=True)


@given(names, st.lists(numbers, max_size=2), st.none() | addresses, st.data())
def test_what_hurries_a_search_hides_nobody(
    name: str, phones: list[str], email: str | None, data: st.DataObject
) -> None:
    profile = searchable({"name": name, "phones": phones, "email": email})
    known = st.sampled_from([one for one in profile["search"] if not one.startswith(" ")] or ["x"])
    beginnings = known.flatmap(lambda one: st.integers(1, len(one)).map(lambda end: one[:end]))
    words = data.draw(st.lists(beginnings, min_size=1, max_size=4))
    if findable(words, name, tuple(phones), email):
        assert set(pair_of(words)) <= set(profile["search"])
        assert all(word in profile["found_by"] for word in words)


@pytest.mark.parametrize(
    ("words", "pair"),
    [
        (["anna"], []),
        (["an", "novák"], []),
        (["anna", "555"], []),
        (["anna", "novák", "0123"], [" ann nov"]),
        (["anna", "novák", "50123"], []),
        (["anna", "anna"], []),
        (["novák", "anna"], [" ann nov"]),
        (["novák", "anna", "xavier"], [" nov xav"]),
        (["ann", "annabel"], [" ann ann"]),
    ],
)
def test_of_two_words_that_are_long_enough_the_beginnings_go_together(words: list[str], pair: list[str]) -> None:
    assert pair_of(words) == pair
