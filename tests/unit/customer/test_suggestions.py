"""What makes two customers alike, and the places of a walk through them."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer.alike import email_key, name_key, reason_of
from customer.domain import Document
from customer.store import comparable
from customer.suggestions import FIELDS, Place
from ringback.errors import Invalid
from ringback.phone import NAMELESS_KINDS


@pytest.mark.parametrize(
    "name", ["Anna Nováková", "NOVAKOVA ANNA", "novakova, anna", "Anna  M. Novakova", "\uff21nna Novakova"]
)
def test_a_name_is_the_same_as_caller_ids_write_it(name: str) -> None:
    assert name_key(name) == "anna novakova"


@pytest.mark.parametrize("name", [None, "", "Anna", "A. B.", "WIRELESS CALLER", "Unknown Name", "-- !!"])
def test_what_is_no_full_name_is_like_nobody_s(name: str | None) -> None:
    assert name_key(name) is None


words = st.text("abcdefgh", min_size=2, max_size=6)


@given(st.lists(words, min_size=2, max_size=4), st.data())
def test_order_and_case_of_a_name_do_not_matter(parts: list[str], data: st.DataObject) -> None:
    key = name_key(" ".join(parts))
    assert key is not None
    assert name_key(" ".join(data.draw(st.permutations(parts))).upper()) == key
    assert name_key(key) == key


@given(st.lists(words, min_size=2, max_size=4), st.lists(words, min_size=2, max_size=4))
def test_other_words_are_another_name(one: list[str], other: list[str]) -> None:
    assert (name_key(" ".join(one)) == name_key(" ".join(other))) is (sorted(one) == sorted(other))


@given(st.text())
def test_any_text_has_a_key_or_none(text: str) -> None:
    assert name_key(text) is None or name_key(text)
    assert email_key(text) == email_key(f" {text} ")


def person(**values: str | None) -> Document:
    return {"name": None, "email": None, "phone": "+12125550101", "phone_kind": "mobile", **values}


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (person(email="A@b.c"), person(email="a@B.C"), "same e-mail"),
        (person(email="a@b.c", name="Anna No"), person(email="a@b.c", name="NO ANNA"), "same e-mail and name"),
        (person(name="Anna No"), person(name="Anna No"), "same name and different numbers"),
        (person(name="Anna No"), person(name="Anna No", phone=None), "same name and one of them without a number"),
        (
            person(name="Anna No", email="a@b.c"),
            person(name="Anna No", email="x@b.c"),
            "same name and different numbers",
        ),
    ],
)
def test_the_reason_stands_in_words(one: Document, other: Document, reason: str) -> None:
    assert reason_of(one, other) == reason_of(other, one) == reason


@pytest.mark.parametrize("kind", sorted(NAMELESS_KINDS))
def test_who_has_no_number_is_like_nobody(kind: str) -> None:
    nobody = person(name="Anna Novak", email="a@b.c", phone=None, phone_kind=kind)
    assert [comparable(nobody)[field] for field in FIELDS] == [None, None]
    by_hand = person(name="Anna Novak", email="a@b.c", phone=None, phone_kind="none")
    assert [comparable(by_hand)[field] for field in FIELDS] == ["a@b.c", "anna novak"]


places = st.builds(Place, st.sampled_from(FIELDS), st.text(), st.text())


@given(places)
def test_a_cursor_leads_back_to_its_place(place: Place) -> None:
    assert Place.at(place.cursor()) == place


@pytest.mark.parametrize(
    "parts", [[], ["same_name"], ["$where", "a", "b"], ["same_name", "\ud800", ""], {"same_name": 1}, 7, None]
)
def test_a_cursor_of_somebody_else_is_refused(parts: object) -> None:
    with pytest.raises(Invalid):
        Place.at(base64.urlsafe_b64encode(json.dumps(parts).encode()).decode())


@pytest.mark.parametrize("cursor", ["x", "====", "\u00e9", "bm90IEpTT04"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        Place.at(cursor)


def test_a_walk_goes_from_field_to_field_and_ends() -> None:
    assert Place("same_email", "a", "1").beyond("k") == Place("same_email", "k")
    assert Place("same_email", "a", "1").beyond(None) == Place("same_name")
    assert Place("same_name", "a", "1").beyond(None) is None


def test_a_walk_gets_past_a_name_that_fills_a_window() -> None:
    assert Place("same_name", "john smith").beyond("john smith") == Place("same_name", "john smith\0")
