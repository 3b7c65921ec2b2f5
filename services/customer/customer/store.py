"""The customer service's documents.

`customers`: a profile, {_id, business, name, phone, phones: [E.164, …], …, version} as `domain.new_profile` has
it, with `search`: what it can be found by. `timeline`: {_id, business, customer_id, kind, at, …}, one entry a
call. Money is in minor units, times are UTC.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from customer.domain import Document
from ringback.phone import digits_of
from ringback.store.database import Database, Indexes
from ringback.store.mongo import translated_errors
from ringback.store.paging import keyset_page
from ringback.store.unit_of_work import UnitOfWork

CUSTOMERS = "customers"
TIMELINE = "timeline"
EXACT_TOTAL = 10_000
LAST_CHARACTER = "\U0010ffff"
LATEST_FIRST = (("last_activity_at", DESCENDING), ("_id", DESCENDING))
INDEXES: Indexes = {
    CUSTOMERS: [
        IndexModel(
            [("business", ASCENDING), ("phones", ASCENDING)],
            unique=True,
            partialFilterExpression={"phone": {"$type": "string"}},
        ),
        IndexModel([("business", ASCENDING), *LATEST_FIRST]),
        IndexModel([("business", ASCENDING), ("segment", ASCENDING), *LATEST_FIRST]),
        IndexModel([("business", ASCENDING), ("source", ASCENDING), *LATEST_FIRST]),
        IndexModel([("business", ASCENDING), ("pipeline_stage", ASCENDING), *LATEST_FIRST]),
        IndexModel([("business", ASCENDING), ("search", ASCENDING)]),
    ],
    TIMELINE: [
        IndexModel([("customer_id", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("customer_id", ASCENDING), ("kind", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("awaits", ASCENDING)], partialFilterExpression={"awaits": {"$type": "string"}}),
    ],
}


def load_records(work: UnitOfWork, phones: Mapping[str, Iterable[str]], ids: Iterable[str]) -> list[Document]:
    """The records of these numbers (by business) and ids."""
    numbers = {business: sorted(known) for business, known in phones.items()}
    wanted: list[dict[str, Any]] = [_with_phone(business, known) for business, known in numbers.items() if known]
    if wanted_ids := sorted(ids):
        wanted.append({"_id": {"$in": wanted_ids}})
    return work.load(CUSTOMERS, {"$or": wanted}) if wanted else []


def load_entries(work: UnitOfWork, ids: Iterable[str], awaited: Iterable[str]) -> list[Document]:
    """Entries of the timeline by id, and those that wait for one of these."""
    wanted: list[dict[str, Any]] = []
    if wanted_ids := sorted(ids):
        wanted.append({"_id": {"$in": wanted_ids}})
    if keys := sorted(awaited):
        wanted.append({"awaits": {"$in": keys, "$type": "string"}})
    return work.load(TIMELINE, {"$or": wanted}) if wanted else []


def load_appointments(work: UnitOfWork, record_id: str) -> list[Document]:
    """All appointments of a record, those that this unit of work changed included."""
    return work.load(TIMELINE, {"customer_id": record_id, "kind": "appointment"})


def searchable(profile: Document) -> Document:
    """The profile with what it can be found by: words of the name, the number with and without its country."""
    words = (profile["name"] or "").casefold().split()
    numbers = [digits for phone in profile["phones"] for digits in digits_of(phone)]
    endings = [number[start:] for number in numbers for start in range(len(number) - 3)]
    email = [profile["email"].casefold()] if profile["email"] else []
    return {**profile, "search": sorted({*words, *endings, *email})}


@dataclass(frozen=True)
class Page:
    """`total` is exact up to EXACT_TOTAL, beyond that it is EXACT_TOTAL and `total_is_floor`."""

    items: list[Document]
    next: str | None
    total: int
    total_is_floor: bool


def find_customer(database: Database, business: str, customer_id: str) -> Document | None:
    with translated_errors():
        return database[CUSTOMERS].find_one({"_id": {"$eq": customer_id}, "business": business})


def find_by_phone(database: Database, business: str, phone: str) -> Document | None:
    with translated_errors():
        return database[CUSTOMERS].find_one(_with_phone(business, [phone]))


def _with_phone(business: str, phones: Sequence[str]) -> dict[str, Any]:
    """Worded so that the unique index serves it: a partial index needs its condition in the query."""
    return {"business": business, "phones": {"$in": list(phones)}, "phone": {"$type": "string"}}


def list_customers(
    database: Database,
    business: str,
    filters: Mapping[str, str],
    words: list[str],
    cursor: str | None,
    limit: int,
) -> Page:
    """Customers with the latest activity first; `words` must each begin something that the profile is found by."""
    query: dict[str, Any] = {
        "business": business,
        **{name: {"$eq": value} for name, value in filters.items()},
    }
    if words:
        query["$and"] = [{"search": {"$elemMatch": {"$gte": word, "$lt": word + LAST_CHARACTER}}} for word in words]
    with translated_errors():
        total = database[CUSTOMERS].count_documents(query, limit=EXACT_TOTAL + 1)
        items, following = keyset_page(database[CUSTOMERS], query, "last_activity_at", cursor, limit)
    return Page(items, following, min(total, EXACT_TOTAL), total > EXACT_TOTAL)


def list_timeline(
    database: Database, customer_id: str, kind: str | None, cursor: str | None, limit: int
) -> tuple[list[Document], str | None]:
    """A customer's history, newest first, and the cursor of what follows."""
    query: dict[str, Any] = {"customer_id": customer_id}
    if kind:
        query["kind"] = {"$eq": kind}
    with translated_errors():
        return keyset_page(database[TIMELINE], query, "at", cursor, limit)
