"""What a lead is found by: words of the name, the number in any writing."""

import re
import unicodedata
from collections.abc import Iterable

from ringback.phone import digits_of, to_e164

NUMBER = re.compile(r"[\d\s().+/-]*\d[\d\s().+/-]*")
SHORTEST_ENDING = 4


def search_terms(name: str | None, phones: Iterable[str]) -> list[str]:
    """The words of the name, and the number's digits from any place on, with and without its country."""
    numbers = [digits for phone in phones for digits in digits_of(phone)]
    endings = [number[start:] for number in numbers for start in range(len(number) - SHORTEST_ENDING + 1)]
    return sorted({*_folded(name or "").split(), *endings})


def search_words(text: str, region: str) -> list[str]:
    """What to look for, each to begin a term: a number as its digits, anything else word by word."""
    if not NUMBER.fullmatch(text.strip()):
        return _folded(text).split()
    return [re.sub(r"\D", "", to_e164(text, region) or _folded(text))]


def _folded(text: str) -> str:
    """The same for any case and any way of writing a character, composed or not (Unicode, section 3.13.5)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
