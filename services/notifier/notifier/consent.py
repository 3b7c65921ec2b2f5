"""What a number said about being texted by a business, or others for it. Pure.

A contact keeps the latest statement of each source in each scope; they count together: any refusal that stands
means no. So the order in which statements come does not matter, only when they were made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Document = dict[str, Any]

BUSINESS, NUMBER = "business", "number"
SCOPES = (BUSINESS, NUMBER)
TEXTED, TWILIO, MANUAL = "texted", "twilio", "manual"
# A YES may as well answer a question: it takes back what was texted, not what was arranged with a person.
WEAK_KEYWORDS = frozenset({"YES"})
# What one source may say; the order is that of `entries`.
SOURCES = ((BUSINESS, TEXTED), (BUSINESS, TWILIO), (BUSINESS, MANUAL), (NUMBER, MANUAL))


@dataclass(frozen=True, slots=True)
class Statement:
    """That a number may or may not be texted. `about` are the (scope, source) that it speaks for."""

    opted_out: bool
    at: datetime
    about: tuple[tuple[str, str], ...]
    keyword: str | None = None
    reason: str | None = None


def by_text(opted_out: bool, keyword: str | None, at: datetime) -> Statement:
    """A keyword in a text: a refusal is one, a START takes back everything."""
    if opted_out:
        return Statement(True, at, ((BUSINESS, TEXTED),), keyword)
    weak = keyword in WEAK_KEYWORDS
    return Statement(False, at, tuple(one for one in SOURCES if not weak or one[1] != MANUAL), keyword)


def by_twilio(at: datetime) -> Statement:
    """Error 21610: Twilio knows of a STOP that we do not."""
    return Statement(True, at, ((BUSINESS, TWILIO),), "21610")


def by_hand(scope: str, opted_out: bool, reason: str | None, at: datetime) -> Statement:
    """Staff were told so: a refusal is kept apart from what was texted, consent takes back all of the scope."""
    about = tuple(one for one in SOURCES if one[0] == scope and (not opted_out or one[1] == MANUAL))
    return Statement(opted_out, at, about, None, reason)


def with_statement(contact: Document, said: Statement) -> Document:
    """The contact after that was said. Commutative and idempotent; of two at the same time the refusal counts."""
    entries = {**contact["entries"]}
    for scope, source in said.about:
        key = f"{scope}/{source}"
        entry = {"opted_out": said.opted_out, "at": said.at, "keyword": said.keyword, "reason": said.reason}
        entries[key] = max(entries.get(key, entry), entry, key=_weight)
    ordered = {key: entries[key] for key in sorted(entries)}
    return {
        **contact,
        "entries": ordered,
        "opted_out": any(entry["opted_out"] for entry in ordered.values()),
        "changed_at": max(entry["at"] for entry in ordered.values()),
    }


def _weight(entry: Mapping[str, Any]) -> tuple[datetime, bool, str, str]:
    return entry["at"], entry["opted_out"], entry["keyword"] or "", entry["reason"] or ""


def refused_scopes(contact: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(scope for scope in SCOPES if any(entry["opted_out"] for entry in entries_of(contact, scope)))


def said_at(contact: Mapping[str, Any], scope: str) -> datetime:
    """When the last word about a scope was said."""
    moment: datetime = max(entry["at"] for entry in entries_of(contact, scope))
    return moment


def entries_of(contact: Mapping[str, Any], scope: str) -> Iterable[Mapping[str, Any]]:
    return [entry for key, entry in contact["entries"].items() if key.partition("/")[0] == scope]
