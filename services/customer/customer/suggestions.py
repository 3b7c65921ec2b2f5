"""Likely duplicates: customers that share an e-mail address or a full name.

Read from what is stored, not kept beside it: `same_email` and `same_name` are fields of each profile with an index of
their own that nothing else is in, so there is nothing to bring up to date, no race that loses a pair and nothing to
erase. The price is a walk along the index, bounded a request: at most WINDOWS pieces of WINDOW keys, none of them
with its document. With more customers than that a page may hold few or none and still have a `next`.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

from customer.alike import email_key, reason_of
from customer.domain import Document
from customer.store import CUSTOMERS
from ringback.errors import Invalid
from ringback.store.database import Database
from ringback.store.mongo import translated_errors
from ringback.store.paging import Page

FIELDS = ("same_email", "same_name")
WINDOW = 20_000
WINDOWS = 2
# An address or a name that more share than these says nothing: a family's, a carrier's stand-in.
MOST_ALIKE = 8
SHOWN = ("name", "phone", "email", "total_calls", "total_appointments", "last_activity_at")


class Place(NamedTuple):
    """Where a walk is: after the pair of `key` with `other`."""

    field: str = FIELDS[0]
    key: str = ""
    other: str = ""

    @classmethod
    def at(cls, cursor: str | None) -> Self:
        """Raises Invalid for a cursor that is none of ours."""
        if not cursor:
            return cls()
        try:
            parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            field, key, other = (str(part) for part in parts)
            key.encode(), other.encode()  # half a character is nothing that MongoDB could compare with
            FIELDS.index(field)
        except (ValueError, TypeError) as error:
            raise Invalid("The cursor is not one of ours.", errors={"cursor": ["Not valid."]}) from error
        return cls(field, key, other)

    def cursor(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(list(self)).encode()).decode().rstrip("=")

    def beyond(self, end: str | None) -> "Place | None":
        """Where the walk goes on after everything before the key `end`, or after the field."""
        if end == self.key:  # one key fills a whole window: it says nothing
            return Place(self.field, f"{end}\0")
        if end is not None:
            return Place(self.field, end)
        return Place(FIELDS[1]) if self.field == FIELDS[0] else None


def page_of_suggestions(database: Database, business: str, cursor: str | None, limit: int) -> Page:
    """Pairs of likely duplicates: {customer_ids: [a, b], reason, customers: [{id, name, phone, email, …}, …]}.

    Of more than two that share something each is paired with the first. Raises Invalid.
    """
    place: Place | None = Place.at(cursor)
    pairs: list[tuple[Place, str]] = []
    for _ in range(WINDOWS):
        if place is None or len(pairs) > limit:
            break
        end = _end_of_window(database, business, place)
        pairs += _pairs(database, business, place, end, limit + 1 - len(pairs))
        place = place.beyond(end)
    if len(pairs) > limit:
        place = pairs[limit - 1][0]
    return Page(list(_shown(database, pairs[:limit])), place.cursor() if place else None)


def alike(database: Database, root: Document) -> list[Document]:
    """The customers that share this one's e-mail address or full name, itself not among them."""
    shared = [{name: {"$eq": root[name], "$type": "string"}} for name in FIELDS if root.get(name)]
    if not shared:
        return []
    with translated_errors():
        found = database[CUSTOMERS].find({"business": root["business"], "$or": shared}).limit(MOST_ALIKE + 1)
        return [other for other in found if other["_id"] != root["_id"]]


def _end_of_window(database: Database, business: str, place: Place) -> str | None:
    """The first key that is not looked at, None after the last one."""
    query = {"business": business, place.field: {"$type": "string", "$gte": place.key}}
    with translated_errors():
        keys = database[CUSTOMERS].find(query, {"_id": 0, place.field: 1}, hint=_index(place.field))
        following = list(keys.sort(_index(place.field)).skip(WINDOW).limit(1))
    return following[0][place.field] if following else None


def _pairs(database: Database, business: str, place: Place, end: str | None, limit: int) -> list[tuple[Place, str]]:
    """Each pair's place, and the first of the two."""
    keys = {"$type": "string", "$gte": place.key} | ({"$lt": end} if end is not None else {})
    after = [{"key": {"$gt": place.key}}, {"key": place.key, "other": {"$gt": place.other}}]
    stages: list[dict[str, Any]] = [
        {"$match": {"business": business, place.field: keys}},
        {"$sort": dict(_index(place.field))},
        {"$group": {"_id": f"${place.field}", "ids": {"$push": "$_id"}}},
        {"$match": {"ids.1": {"$exists": True}, f"ids.{MOST_ALIKE}": {"$exists": False}}},
        {"$project": {"key": "$_id", "first": {"$first": "$ids"}, "other": {"$slice": ["$ids", 1, MOST_ALIKE]}}},
        {"$unwind": "$other"},
        {"$match": {"$or": after}},
        {"$sort": {"key": 1, "other": 1}},
        {"$limit": limit},
    ]
    with translated_errors():
        rows = list(database[CUSTOMERS].aggregate(stages, hint=dict(_index(place.field))))
    return [(Place(place.field, row["key"], row["other"]), row["first"]) for row in rows]


def _shown(database: Database, pairs: list[tuple[Place, str]]) -> Iterator[Document]:
    ids = {one for place, first in pairs for one in (first, place.other)}
    fields = dict.fromkeys(SHOWN, 1)
    with translated_errors():
        known = {row["_id"]: row for row in database[CUSTOMERS].find({"_id": {"$in": sorted(ids)}}, fields)}
    for place, first in pairs:
        if {first, place.other} <= known.keys() and not _shown_before(place, known[first], known[place.other]):
            yield _suggestion(known[first], known[place.other])


def _shown_before(place: Place, one: Document, other: Document) -> bool:
    """Whether they share the other field, too, that comes first."""
    email = email_key(one["email"])
    return place.field != FIELDS[0] and email is not None and email == email_key(other["email"])


def _suggestion(one: Document, other: Document) -> Document:
    return {
        "customer_ids": [one["_id"], other["_id"]],
        "reason": reason_of(one, other),
        "customers": [{"id": each["_id"]} | {name: each[name] for name in SHOWN} for each in (one, other)],
    }


def _index(field: str) -> list[tuple[str, int]]:
    return [("business", 1), (field, 1), ("_id", 1)]
