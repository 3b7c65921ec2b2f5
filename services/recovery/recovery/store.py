"""The recovery service's documents.

`callers`: a ledger, see ledger.py, with what follows from it: {told, items: [ids of the items that it still
decides], wake_at, forget_at}. `missed_calls`: an item, see domain.py's `item_of`; one whose ledger forgot it stays as
it is, one whose person was erased keeps its figures (`erased`). `calls`: {_id: business:sid, ledger, parts,
forget_at}, whose call it is, and what waits until that is known. `bookings`: see bookings.py; `phones` are those of
the ledgers that have it. `customers`: the projection, ringback/known_customers.py, with `numbers`, see numbers.py.
`erased`, `opt_outs`: keyed hashes. Money is in minor units, times are UTC.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DeleteOne, IndexModel, ReplaceOne, UpdateOne

from recovery.domain import RESOLUTIONS
from ringback.known_customers import root_id
from ringback.store.database import Database, Indexes
from ringback.store.idempotency import KEY_INDEXES, KEYS
from ringback.store.mongo import Document, translated_errors
from ringback.store.paging import Page, keyset_page
from ringback.store.unit_of_work import UnitOfWork

CALLERS = "callers"
ITEMS = "missed_calls"
CALLS = "calls"
BOOKINGS = "bookings"
CUSTOMERS = "customers"
ERASED = "erased"
OPT_OUTS = "opt_outs"

DUE_FIRST = (("due_at", ASCENDING), ("_id", ASCENDING))
# What a summary adds up: the index has it all, so that no item is read.
FIGURES = (
    "first_missed_at",
    "due_at",
    "open",
    "resolution",
    "met",
    "response_seconds",
    "attempts",
    "text_count",
    "replied_at",
)
# Merges of merges: an end to following them.
MOST_MERGES = 5


def _of_business(*names: str) -> list[tuple[str, int]]:
    return [(name, ASCENDING) for name in ("business", *names)]


def _forgotten_in_time() -> IndexModel:
    return IndexModel([("forget_at", ASCENDING)], expireAfterSeconds=0)


def _where_text(*names: str) -> IndexModel:
    return IndexModel(_of_business(*names), partialFilterExpression={names[-1]: {"$type": "string"}})


INDEXES: Indexes = {
    CALLERS: [
        IndexModel([("wake_at", ASCENDING)], partialFilterExpression={"wake_at": {"$type": "date"}}),
        _where_text("nameless_id"),
        _forgotten_in_time(),
    ],
    ITEMS: [
        IndexModel([("ledger", ASCENDING)], unique=True, partialFilterExpression={"open": True}),
        IndexModel([("ledger", ASCENDING), ("first_missed_at", ASCENDING)]),
        IndexModel(_of_business("names")),
        IndexModel([*_of_business("open"), *DUE_FIRST]),
        IndexModel([*_of_business("open", "assignee"), *DUE_FIRST]),
        IndexModel([*_of_business("state"), *DUE_FIRST]),
        IndexModel([*_of_business(), *DUE_FIRST]),
        IndexModel(_of_business(*FIGURES)),
        IndexModel([*_of_business("first_missed_at", "appointments.appointment_id")], name="gain"),
        _where_text("appointments.appointment_id"),
    ],
    CALLS: [
        IndexModel([("ledger", ASCENDING)], partialFilterExpression={"ledger": {"$type": "string"}}),
        _forgotten_in_time(),
    ],
    BOOKINGS: [IndexModel(_of_business("customer_id")), _forgotten_in_time()],
    CUSTOMERS: [IndexModel(_of_business("phones"))],
    KEYS: KEY_INDEXES,
}


# What a unit of work loads.


def load_ids(work: UnitOfWork, collection: str, ids: Iterable[str]) -> list[Document]:
    wanted = sorted(set(ids))
    return work.load(collection, {"_id": {"$in": wanted}}) if wanted else []


def load_where(
    work: UnitOfWork, collection: str, name: str, by_business: Mapping[str, Iterable[str]]
) -> list[Document]:
    """Those that have one of these values in the field, by business."""
    parts = [
        {"business": business, name: {"$in": sorted(wanted), "$type": "string"}}
        for business, wanted in sorted(by_business.items())
        if wanted
    ]
    return work.load(collection, {"$or": parts}) if parts else []


def load_of_ledgers(work: UnitOfWork, collection: str, ledger_ids: Iterable[str]) -> list[Document]:
    return work.load(collection, {"ledger": {"$in": sorted(ledger_ids), "$type": "string"}})


def load_item(work: UnitOfWork, business: str, item_id: str) -> Document | None:
    return next(iter(work.load(ITEMS, {"business": business, "names": {"$eq": item_id}})), None)


def load_roots(work: UnitOfWork, rows: Sequence[Document]) -> None:
    """Whom these rows of the projection were merged into, too."""
    for _ in range(MOST_MERGES):
        rows = load_ids(work, CUSTOMERS, {row["merged_into"] for row in rows if row.get("merged_into")})
        if not rows:
            return


def delete(work: UnitOfWork, collection: str, documents: Iterable[Document]) -> None:
    """Remove documents; ConcurrentUpdate at commit when one was changed since it was loaded."""
    for document in documents:
        # A unit of work compares the versions of what it replaces, not of what it deletes.
        at_version = {"_id": document["_id"], "version": document["version"]}
        work.write(collection, ReplaceOne(at_version, {"_id": document["_id"]}))
        work.write(collection, DeleteOne({"_id": document["_id"]}))


def refuse(work: UnitOfWork, sealed: str, at: datetime) -> None:
    """What happened up to then must not come back; kept for ever."""
    work.write(ERASED, UpdateOne({"_id": sealed}, {"$max": {"at": at}}, upsert=True))


# What is read.


def due_callers(database: Database, now: datetime, limit: int) -> list[str]:
    """The ledgers that time changes by now, those that are due longest first."""
    with translated_errors():
        due = database[CALLERS].find({"wake_at": {"$type": "date", "$lte": now}}, {"_id": 1})
        return [row["_id"] for row in due.sort("wake_at", ASCENDING).limit(limit)]


def put_off(database: Database, ledger_id: str, until: datetime) -> None:
    with translated_errors():
        change = {"$set": {"wake_at": until}, "$inc": {"version": 1}}
        database[CALLERS].update_one({"_id": ledger_id}, change)


def list_items(database: Database, query: Mapping[str, Any], cursor: str | None, limit: int) -> Page:
    """Items that are due longest first."""
    with translated_errors():
        return keyset_page(
            database[ITEMS], {**query, "erased": {"$ne": True}}, "due_at", cursor, limit, oldest_first=True
        )


def find_item(database: Database, business: str, item_id: str) -> Document | None:
    with translated_errors():
        return database[ITEMS].find_one({"business": business, "names": {"$eq": item_id}})


@dataclass(frozen=True)
class Period:
    """From when to when, and by `day`, `week` or `month` of a time zone."""

    since: datetime
    until: datetime
    unit: str
    zone: str


def figures(database: Database, business: str, period: Period, now: datetime) -> list[Document]:
    """What the items of a period come to, by its units: see summary.py."""
    waits_too_long = {"$and": ["$open", {"$eq": ["$met", None]}, {"$lt": ["$due_at", now]}]}
    counts: dict[str, Any] = {
        "_id": _bucket("$first_missed_at", period),
        "items": {"$sum": 1},
        "missed_calls": {"$sum": "$attempts"},
        "open": _count("$open"),
        "met": _count({"$eq": ["$met", True]}),
        "not_met": _count({"$or": [{"$eq": ["$met", False]}, waits_too_long]}),
        "response_seconds": {"$push": "$response_seconds"},
        "texts": {"$sum": "$text_count"},
        "replies": _count({"$gt": ["$replied_at", None]}),
        **{name: _count({"$eq": ["$resolution", name]}) for name in RESOLUTIONS},
    }
    stages = [{"$match": _missed_within(business, period)}, {"$group": counts}]
    with translated_errors():
        return list(database[ITEMS].aggregate(stages))


def gains(database: Database, business: str, period: Period) -> list[Document]:
    """The appointments of those items, each once, where it counts first: {bucket, status, price, currency}."""
    with_some = {"appointments.appointment_id": {"$type": "string"}}
    each = {
        "_id": "$appointments.appointment_id",
        "first_missed_at": {"$min": "$first_missed_at"},
        **{name: {"$last": f"$appointments.{name}"} for name in ("status", "price", "currency")},
    }
    shown = {"bucket": _bucket("$first_missed_at", period), "status": 1, "price": 1, "currency": 1}
    stages: list[dict[str, Any]] = [
        {"$match": _missed_within(business, period) | with_some},
        {"$unwind": "$appointments"},
        {"$group": each},
        {"$project": shown},
    ]
    with translated_errors():
        return list(database[ITEMS].aggregate(stages))


def _missed_within(business: str, period: Period) -> dict[str, Any]:
    return {"business": business, "first_missed_at": {"$gte": period.since, "$lt": period.until}}


def _bucket(moment: str, period: Period) -> dict[str, Any]:
    return {"$dateTrunc": {"date": moment, "unit": period.unit, "timezone": period.zone, "startOfWeek": "monday"}}


def _count(condition: Any) -> dict[str, Any]:
    return {"$sum": {"$cond": [condition, 1, 0]}}


# Customers, as they are read.


def customers_of_phones(database: Database, business: str, phones: Iterable[str]) -> dict[str, str]:
    """Whose these numbers are: {phone: the customer's id}, of merged ones that of whom they are part of."""
    wanted = sorted(set(phones))
    if not wanted:
        return {}
    with translated_errors():
        rows = list(database[CUSTOMERS].find({"business": business, "phones": {"$in": wanted}}))
        known = {row["_id"]: row for row in rows}
        for _ in range(MOST_MERGES):
            missing = sorted({row["merged_into"] for row in known.values() if row["merged_into"]} - set(known))
            if not missing:
                break
            known |= {row["_id"]: row for row in database[CUSTOMERS].find({"_id": {"$in": missing}})}
    owners = {phone: owner_of([row for row in rows if phone in row["phones"]], known.get) for phone in wanted}
    return {phone: owner for phone, owner in owners.items() if owner is not None}


def owner_of(rows: Iterable[Document], row_of: Callable[[str], Document | None]) -> str | None:
    """Of customers that have a number the one whose it is, by id: whoever is part of nobody comes first."""
    first = min(rows, key=lambda row: (bool(row["merged_into"]), row["_id"]), default=None)
    return root_id(first["_id"], row_of) if first else None
