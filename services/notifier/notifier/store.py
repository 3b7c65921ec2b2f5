"""The notifier service's documents.

`messages`: a request and what came of it, see domain.py; `due_at` says when it is to be sent, `settle_at` when it is
to be looked for. `contacts`: a number of a business, sealed, see contacts.py. `lines`: rate, counts and pause of a
business, and the pause of the account, see pace.py. `sids`: {_id: business:SID, message_sid, message_id, awaits,
statuses, expires_at}: whose message a SID is, or what was told of one that nobody knows yet. `erased`: sealed ids of
deleted customers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from notifier.consent import Document
from ringback.store.database import Database, Indexes
from ringback.store.mongo import translated_errors
from ringback.store.paging import Page, keyset_page
from ringback.store.unit_of_work import UnitOfWork

MESSAGES = "messages"
CONTACTS = "contacts"
LINES = "lines"
SIDS = "sids"
ERASED = "erased"
LATEST_FIRST = (("requested_at", DESCENDING), ("_id", DESCENDING))
HAS_DUE = {"due_at": {"$type": "date"}}
HAS_SETTLE = {"settle_at": {"$type": "date"}}
# More of one state are not counted.
MOST_COUNTED = 10_000


def _filtered(*names: str) -> IndexModel:
    return IndexModel([*((name, ASCENDING) for name in ("business", *names)), *LATEST_FIRST])


INDEXES: Indexes = {
    MESSAGES: [
        _filtered(),
        _filtered("state"),
        _filtered("to"),
        _filtered("customer_id"),
        IndexModel([("business", ASCENDING), ("due_at", ASCENDING)], partialFilterExpression=HAS_DUE),
        IndexModel([("expires_at", ASCENDING)], partialFilterExpression=HAS_DUE),
        IndexModel([("settle_at", ASCENDING)], partialFilterExpression=HAS_SETTLE),
    ],
    CONTACTS: [
        IndexModel(
            [("business", ASCENDING), ("changed_at", DESCENDING), ("_id", DESCENDING)],
            partialFilterExpression={"opted_out": True},
        )
    ],
    SIDS: [
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
        IndexModel([("awaits", ASCENDING)], partialFilterExpression={"awaits": {"$type": "string"}}),
    ],
}


# What a unit of work concerns.


def load(work: UnitOfWork, collection: str, ids: Iterable[str]) -> None:
    """Documents by id; to be had from the unit of work then."""
    wanted = sorted(set(ids))
    if wanted:
        work.load(collection, {"_id": {"$in": wanted}})


def load_waiting_sids(work: UnitOfWork, message_ids: Iterable[str]) -> list[Document]:
    """What Twilio told of messages whose request is not here."""
    return work.load(SIDS, {"awaits": {"$in": sorted(set(message_ids)), "$type": "string"}})


def load_messages_of_customers(work: UnitOfWork, business: str, customer_ids: Iterable[str]) -> list[Document]:
    return work.load(MESSAGES, {"business": business, "customer_id": {"$in": sorted(set(customer_ids))}})


def load_messages_to(work: UnitOfWork, business: str, phones: Iterable[str]) -> list[Document]:
    return work.load(MESSAGES, {"business": business, "to": {"$in": sorted(set(phones))}})


def load_reserved_like(work: UnitOfWork, message: Document) -> list[Document]:
    """All that may have been sent with the same text to the same number."""
    same = {name: message[name] for name in ("business", "to", "body")}
    found = work.load(MESSAGES, {**same, "state": "reserved"})
    return [one for one in found if one["state"] == "reserved"]


# What is due.


def due_businesses(database: Database, now: datetime, after: str, limit: int) -> list[str]:
    """Businesses with texts to be sent, in turn: those after one, then from the first again."""
    following = list(_due_from(database, now, after, None, limit))
    return following + list(_due_from(database, now, "", after, limit - len(following)))


def _due_from(database: Database, now: datetime, after: str, until: str | None, limit: int) -> Iterator[str]:
    """One look at the index for each business, however much it has waiting."""
    for _ in range(limit):
        bounds = {"$gt": after} if until is None else {"$gt": after, "$lte": until}
        query = {"business": bounds, "due_at": {"$type": "date", "$lte": now}}
        with translated_errors():
            found = database[MESSAGES].find_one(query, {"business": 1}, sort=[("business", ASCENDING)])
        if found is None:
            return
        after = found["business"]
        yield after


def due_messages(database: Database, business: str, now: datetime, limit: int) -> list[str]:
    """What a business wants sent now, what waits longest first."""
    return _ids(database, {"business": business, "due_at": {"$type": "date", "$lte": now}}, "due_at", limit)


def expired_messages(database: Database, now: datetime, limit: int) -> list[str]:
    """What waits to be sent beyond its time."""
    return _ids(database, {**HAS_DUE, "expires_at": {"$lte": now}}, "expires_at", limit)


def messages_to_settle(database: Database, now: datetime, limit: int) -> list[str]:
    """What may have been sent, and nobody said so in time."""
    return _ids(database, {"settle_at": {"$type": "date", "$lte": now}}, "settle_at", limit)


def _ids(database: Database, query: Mapping[str, Any], order: str, limit: int) -> list[str]:
    with translated_errors():
        found = database[MESSAGES].find(query, {"_id": 1}).sort(order, ASCENDING).limit(limit)
        return [row["_id"] for row in found]


def put_off(database: Database, message_id: str, name: str, until: datetime) -> None:
    """Take one that cannot be worked on out of the way of the others; `name` is the time that it goes by."""
    change = {"$set": {name: until}, "$inc": {"version": 1}}
    with translated_errors():
        database[MESSAGES].update_one({"_id": message_id, name: {"$type": "date"}}, change)


# What is read.


def find_message(database: Database, business: str, message_id: str) -> Document | None:
    with translated_errors():
        return database[MESSAGES].find_one({"_id": {"$eq": message_id}, "business": business})


def list_messages(
    database: Database, business: str, filters: Mapping[str, str], cursor: str | None, limit: int
) -> Page:
    query = {"business": business, **{name: {"$eq": value} for name, value in filters.items()}}
    with translated_errors():
        return keyset_page(database[MESSAGES], query, "requested_at", cursor, limit)


def find_contact(database: Database, contact_id: str) -> Document | None:
    with translated_errors():
        return database[CONTACTS].find_one({"_id": contact_id})


def list_opt_outs(database: Database, business: str, cursor: str | None, limit: int) -> Page:
    """Who opted out, the latest first."""
    with translated_errors():
        return keyset_page(database[CONTACTS], {"business": business, "opted_out": True}, "changed_at", cursor, limit)


def find_lines(database: Database, ids: Sequence[str]) -> dict[str, Document]:
    with translated_errors():
        return {row["_id"]: row for row in database[LINES].find({"_id": {"$in": list(ids)}})}


def count_in_state(database: Database, business: str, state: str) -> int:
    """Exact up to MOST_COUNTED."""
    with translated_errors():
        return database[MESSAGES].count_documents({"business": business, "state": state}, limit=MOST_COUNTED)
