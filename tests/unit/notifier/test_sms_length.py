"""Segments: the limits of each alphabet, what counts double, what is never divided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.sms_length import BASIC, EXTENSION, GSM_7, UCS_2, SmsLength, measure


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", SmsLength(GSM_7, 0, 0)),
        ("a" * 160, SmsLength(GSM_7, 160, 1)),
        ("a" * 161, SmsLength(GSM_7, 161, 2)),
        ("a" * 306, SmsLength(GSM_7, 306, 2)),
        ("a" * 307, SmsLength(GSM_7, 307, 3)),
        ("€" * 80, SmsLength(GSM_7, 160, 1)),
        ("é\nà@£", SmsLength(GSM_7, 5, 1)),
        ("ç", SmsLength(UCS_2, 1, 1)),
        ("“quoted”", SmsLength(UCS_2, 8, 1)),
        ("ж" * 70, SmsLength(UCS_2, 70, 1)),
        ("ж" * 71, SmsLength(UCS_2, 71, 2)),
        ("ж" * 134, SmsLength(UCS_2, 134, 2)),
        ("ж" * 135, SmsLength(UCS_2, 135, 3)),
        ("😀" * 35, SmsLength(UCS_2, 70, 1)),
        ("😀" * 36, SmsLength(UCS_2, 72, 2)),
    ],
)
def test_a_text_takes_what_carriers_count(text: str, length: SmsLength) -> None:
    assert measure(text) == length


def test_an_escaped_character_is_not_divided_between_two_parts() -> None:
    """152 septets, an escape with its character, 152 more: 306 septets, and yet not two parts of 153."""
    assert measure("a" * 152 + "€" + "a" * 152) == SmsLength(GSM_7, 306, 3)


def test_a_surrogate_pair_is_not_divided_between_two_parts() -> None:
    assert measure("ж" * 66 + "😀" + "ж" * 66) == SmsLength(UCS_2, 134, 3)


def test_the_alphabet_has_its_128_places() -> None:
    """127 characters and the escape; the extension has ten."""
    assert (len(BASIC), len(EXTENSION), BASIC & EXTENSION) == (127, 10, frozenset())


@given(st.text(max_size=700))
def test_one_more_character_never_takes_less(text: str) -> None:
    assert measure(text + "a").segments >= measure(text).segments


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=700))
def test_parts_hold_what_they_are_to_hold(text: str) -> None:
    length = measure(text)
    single, part = {GSM_7: (160, 153), UCS_2: (70, 67)}[length.encoding]
    assert length.units <= (single if length.segments == 1 else part * length.segments)
    assert length.encoding == GSM_7 or length.units == len(text.encode("utf-16-le")) // 2
