"""The pipeline service's documents.

`leads`: {_id: customer_id, business, what is told of the customer, `moves`, `place`, …, version}; one that is `shown`
has its view: what domain.py's `viewed` makes of it, and `search`. `numbers` and `appointments`: see numbers.py and
appointments.py. `visits`: {_id, business, customer_id, source, stage, …}, one for each stage a shown lead was in.
`board_totals`: {_id, business, stage, count, value}, to be summed up. `erased`: keyed hashes, see seals.py. Money is
in minor units, times are UTC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, DeleteMany, DeleteOne, IndexModel, ReplaceOne, UpdateOne

from ringback.seals import Seal
from ringback.store.database import Database, Indexes
from ringback.store.mongo import translated_errors
from ringback.store.unit_of_work import UnitOfWork

Document = dict[str, Any]

LEADS = "leads"
NUMBERS = "numbers"
APPOINTMENTS = "appointments"
VISITS = "visits"
TOTALS = "board_totals"
ERASED = "erased"
# As long as the inbox knows the events that are waited for.
WAITING = timedelta(days=45)
IS_SHOWN = {"shown": {"$eq": True}}
LAST_CHARACTER = "\U0010ffff"
MOST_COUNTED = 10_000
ON_CARDS = (
    *("name", "phone", "stage", "value", "currency", "segment", "source"),
    *("rank", "entered_at", "opened_at", "last_contact_at", "turns"),
)
CARD = dict.fromkeys(ON_CARDS, 1)
VISIT = dict.fromkeys(("customer_id", "source", "stage", "following", "entered_at", "left_at", "lost_reason"), 1)
BY_RANK = (("rank", ASCENDING), ("_id", ASCENDING))


def _of_column(*more: tuple[str, int]) -> IndexModel:
    """Serves a column's cards by what comes before their rank."""
    keys = [("business", ASCENDING), ("stage", ASCENDING), *more]
    return IndexModel(keys, partialFilterExpression=IS_SHOWN)


def _expiring() -> IndexModel:
    """What waits for somebody who never comes goes in the end."""
    return IndexModel([("waiting_since", ASCENDING)], expireAfterSeconds=int(WAITING.total_seconds()))


INDEXES: Indexes = {
    LEADS: [
        _of_column(*BY_RANK),
        _of_column(("source", ASCENDING), *BY_RANK),
        _of_column(("segment", ASCENDING), *BY_RANK),
        _of_column(("entered_at", ASCENDING)),
        IndexModel([("business", ASCENDING), ("search", ASCENDING)], partialFilterExpression=IS_SHOWN),
        IndexModel([("merged_into", ASCENDING)], partialFilterExpression={"merged_into": {"$type": "string"}}),
        _expiring(),
    ],
    NUMBERS: [_expiring()],
    APPOINTMENTS: [IndexModel([("customer_id", ASCENDING)])],
    VISITS: [
        IndexModel([("business", ASCENDING), ("entered_at", DESCENDING)]),
        IndexModel([("business", ASCENDING), ("source", ASCENDING), ("entered_at", DESCENDING)]),
        IndexModel([("customer_id", ASCENDING)]),
    ],
    TOTALS: [IndexModel([("business", ASCENDING), ("stage", ASCENDING)])],
}


# To be changed.


def load(work: UnitOfWork, collection: str, ids: Iterable[str]) -> list[Document]:
    wanted = sorted(set(ids))
    return work.load(collection, {"_id": {"$in": wanted}}) if wanted else []


def load_members(work: UnitOfWork, lead_ids: Iterable[str]) -> list[Document]:
    """The leads that became part of one of these, themselves or as they are changed in this unit of work."""
    wanted = sorted(set(lead_ids))
    return work.load(LEADS, {"merged_into": {"$in": wanted, "$type": "string"}}) if wanted else []


def load_appointments_of(work: UnitOfWork, lead_ids: Iterable[str]) -> list[Document]:
    wanted = sorted(set(lead_ids))
    return work.load(APPOINTMENTS, {"customer_id": {"$in": wanted}}) if wanted else []


def put_visits(work: UnitOfWork, before: Mapping[str, Document], after: Mapping[str, Document]) -> None:
    """Bring the rows of a lead's visits, by id, from what they are to what they are to be: few of them change."""
    for row_id, row in after.items():
        if before.get(row_id) != row:
            work.write(VISITS, UpdateOne({"_id": row_id}, {"$set": row}, upsert=True))
    for row_id in before.keys() - after.keys():
        work.write(VISITS, DeleteOne({"_id": row_id}))


def add_totals(work: UnitOfWork, business: str, stage: str, slot: int, count: int, value: int) -> None:
    """Change what a column comes to. Who writes at the same time had better take another slot."""
    row = {"business": business, "stage": stage, "slot": slot}
    change = {"$inc": {"count": count, "value": value}, "$setOnInsert": row}
    work.write(TOTALS, UpdateOne({"_id": f"{business}:{stage}:{slot}"}, change, upsert=True))


def erase(work: UnitOfWork, collection: str, documents: Iterable[Document]) -> None:
    """Remove documents; ConcurrentUpdate at commit when one was changed meanwhile."""
    for document in documents:
        # A unit of work compares the versions of what it replaces, not of what it deletes.
        at_version = {"_id": document["_id"], "version": document["version"]}
        work.write(collection, ReplaceOne(at_version, {"_id": document["_id"]}))
        work.write(collection, DeleteOne({"_id": document["_id"]}))


def erase_visits(work: UnitOfWork, customer_id: str) -> None:
    work.write(VISITS, DeleteMany({"customer_id": customer_id}))


def erased_at(work: UnitOfWork, seal: Seal, names: Iterable[str]) -> dict[str, datetime]:
    """Of these names (ids, numbers) those that were erased, and when."""
    sealed = {seal(name): name for name in names}
    rows = work.load(ERASED, {"_id": {"$in": sorted(sealed)}}) if sealed else []
    return {sealed[row["_id"]]: row["at"] for row in rows}


def refuse(work: UnitOfWork, seal: Seal, name: str, at: datetime) -> None:
    """What must not come back is kept as a keyed hash, for ever."""
    work.write(ERASED, UpdateOne({"_id": seal(name)}, {"$max": {"at": at}}, upsert=True))


# To be read.


def find_lead(database: Database, business: str, customer_id: str) -> Document | None:
    with translated_errors():
        return database[LEADS].find_one({"_id": {"$eq": customer_id}, "business": business})


def find_root(database: Database, business: str, customer_id: str) -> Document | None:
    """The lead with this id, or the one that it became part of; None when it is not on the board."""
    found, seen = find_lead(database, business, customer_id), {customer_id}
    while found is not None and found["merged_into"] and found["merged_into"] not in seen:
        seen.add(found["merged_into"])
        found = find_lead(database, business, found["merged_into"])
    return found if found is not None and found["shown"] else None


def find_rank(
    database: Database, but: Document, stage: str, bounds: Mapping[str, str], *, forward: bool
) -> str | None:
    """The first rank within bounds of a column, or the last one; that lead's own is passed over."""
    query = {"business": but["business"], "stage": {"$eq": stage}, "rank": dict(bounds), "_id": {"$ne": but["_id"]}}
    order = ASCENDING if forward else DESCENDING
    with translated_errors():
        found = database[LEADS].find({**query, **IS_SHOWN}, {"rank": 1}).sort([("rank", order), ("_id", order)])
        return next((str(row["rank"]) for row in found.limit(1)), None)


@dataclass(frozen=True)
class Filters:
    """Which leads are asked for. `words` must each begin something that a lead is found by."""

    words: tuple[str, ...] = ()
    source: str | None = None
    segment: str | None = None
    entered_from: datetime | None = None
    entered_until: datetime | None = None

    def as_query(self) -> dict[str, Any]:
        query: dict[str, Any] = {
            name: {"$eq": value}
            for name, value in (("source", self.source), ("segment", self.segment))
            if value is not None
        }
        entered = {"$gte": self.entered_from, "$lte": self.entered_until}
        bounds = {operator: moment for operator, moment in entered.items() if moment is not None}
        if bounds:
            query["entered_at"] = bounds
        if self.words:
            query["$and"] = [
                {"search": {"$elemMatch": {"$gte": one, "$lt": one + LAST_CHARACTER}}} for one in self.words
            ]
        return query


EVERYBODY = Filters()


@dataclass(frozen=True, slots=True)
class Total:
    """What a column comes to. From MOST_COUNTED leads on `count` and `value` are floors."""

    count: int
    value: int
    is_floor: bool = False


def board_totals(database: Database, business: str) -> dict[str, Total]:
    """What each column comes to, exactly, however many leads there are."""
    with translated_errors():
        rows = list(database[TOTALS].find({"business": business}, {"_id": 0, "stage": 1, "count": 1, "value": 1}))
    stages = {row["stage"] for row in rows}
    return {stage: _summed([row for row in rows if row["stage"] == stage]) for stage in stages}


def filtered_total(database: Database, business: str, stage: str, filters: Filters) -> Total:
    counted: list[dict[str, Any]] = [
        {"$match": _in_column(business, stage, filters)},
        {"$limit": MOST_COUNTED + 1},
        {"$group": {"_id": None, "count": {"$sum": 1}, "value": {"$sum": "$value"}}},
    ]
    with translated_errors():
        total = _summed(list(database[LEADS].aggregate(counted)))
    return Total(min(total.count, MOST_COUNTED), total.value, total.count > MOST_COUNTED)


def oldest_entry(database: Database, business: str, stage: str, filters: Filters) -> datetime | None:
    """Since when the lead is in the column that is there longest."""
    with translated_errors():
        found = database[LEADS].find(_in_column(business, stage, filters), {"entered_at": 1, "_id": 0})
        return next((row["entered_at"] for row in found.sort("entered_at", ASCENDING).limit(1)), None)


def find_cards(
    database: Database, business: str, stage: str, filters: Filters, after: tuple[str, str] | None, limit: int
) -> list[Document]:
    """Leads of a column by rank, those after one (its rank and id)."""
    query = _in_column(business, stage, filters)
    if after:
        rank, customer_id = after
        # MongoDB makes bounds of an index out of the first condition, not out of the `$or`.
        further = {"$or": [{"rank": {"$gt": rank}}, {"_id": {"$gt": customer_id}}]}
        query = {"$and": [query, {"rank": {"$gte": rank}}, further]}
    with translated_errors():
        return list(database[LEADS].find(query, CARD).sort(list(BY_RANK)).limit(limit))


def find_visits(
    database: Database, business: str, since: datetime, until: datetime, source: str | None, most: int
) -> list[Document]:
    """The visits that began in a period, the latest first, without the end of the period."""
    query: dict[str, Any] = {"business": business, "entered_at": {"$gte": since, "$lt": until}}
    if source is not None:
        query["source"] = {"$eq": source}
    with translated_errors():
        found = database[VISITS].find(query, VISIT).sort("entered_at", DESCENDING)
        return list(found.limit(most))


def _in_column(business: str, stage: str, filters: Filters) -> dict[str, Any]:
    return {"business": business, "stage": {"$eq": stage}, **IS_SHOWN, **filters.as_query()}


def _summed(rows: Iterable[Mapping[str, int]]) -> Total:
    known = list(rows)
    return Total(sum(row["count"] for row in known), sum(row["value"] for row in known))
