"""By what two customers are likely the same person: the forms in which their e-mails and names are compared. Pure."""

import unicodedata
from collections.abc import Mapping
from typing import Any

# What carriers and people put in place of a name.
NO_NAMES = frozenset({"caller unknown", "caller wireless", "name unknown", "cell phone", "caller private"})
LEAST_LETTERS = 2


def email_key(email: str | None) -> str | None:
    """Case tells nobody apart in practice, although RFC 5321 (2.4) lets it."""
    return (email or "").strip().casefold() or None


def name_key(name: str | None) -> str | None:
    """A full name without accents, case and order, as caller IDs lose them: two words or it says nothing."""
    decomposed = unicodedata.normalize("NFKD", name or "").casefold()
    letters = (" " if not one.isalnum() else one for one in decomposed if not unicodedata.combining(one))
    words = sorted(word for word in "".join(letters).split() if len(word) >= LEAST_LETTERS)
    key = " ".join(words)
    return key if len(words) > 1 and key not in NO_NAMES else None


def reason_of(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """In words, for two that share an e-mail address or a name."""
    same_name = name_key(one["name"]) is not None and name_key(one["name"]) == name_key(other["name"])
    if email_key(one["email"]) is not None and email_key(one["email"]) == email_key(other["email"]):
        return "same e-mail and name" if same_name else "same e-mail"
    if one["phone"] is None or other["phone"] is None:
        return "same name and one of them without a number"
    return "same name and different numbers"
