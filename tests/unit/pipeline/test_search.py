"""What leads are found by."""

import unicodedata
from typing import Literal

import pytest

from pipeline.search import search_terms, search_words


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize("name", ["José", "Nováková", "STRAẞE", "ﬁsh"])
def test_a_name_is_found_however_its_characters_are_written(
    name: str, form: Literal["NFC", "NFD", "NFKC", "NFKD"]
) -> None:
    assert search_words(unicodedata.normalize(form, name.upper()), "US") == search_terms(name, ())


@pytest.mark.parametrize("text", ["0101", "\uff15\uff15\uff15 \uff10\uff11\uff10\uff11", "(212) 555-0101"])
def test_a_number_is_found_in_any_digits(text: str) -> None:
    [word] = search_words(text, "US")
    assert any(term.startswith(word) for term in search_terms(None, ["+12125550101"]))
