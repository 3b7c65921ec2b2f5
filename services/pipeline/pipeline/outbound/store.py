"""The documents of outbound webhooks.

`webhook_endpoints`: {_id, business, url, description, events: [types], active, generation, previous_until,
failing_since, disabled_at, disabled_reason, notices: [{at, notice, by}], created_at, updated_at, version}.
`webhook_deliveries`: {_id: the message's id, business, endpoint_id, type, customer_id, phone, body, state, reason,
due_at, attempts, log: [{at, status, error, body, milliseconds}], created_at, finished_at, expires_at, version};
`phone` only where no customer is known, `body` is None once the person in it was erased. A delivery that is pending
is due at `due_at`; who tries it puts that off first, so that no two do.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, DeleteOne, IndexModel, ReturnDocument, UpdateMany

from pipeline.outbound.deliveries import CANCELED, PENDING
from ringback.store.database import Database, Indexes
from ringback.store.mongo import Document, translated_errors
from ringback.store.paging import Page, keyset_page
from ringback.store.unit_of_work import UnitOfWork

ENDPOINTS = "webhook_endpoints"
DELIVERIES = "webhook_deliveries"
Phones = Mapping[str, Iterable[str]]
"""By business, numbers of its customers."""

KEPT = timedelta(days=30)
# Longer than an attempt may take. An attempt whose process died is made again after that.
CLAIM = timedelta(seconds=90)

NEWEST_FIRST = [("created_at", DESCENDING), ("_id", DESCENDING)]
INDEXES: Indexes = {
    ENDPOINTS: [IndexModel([("business", ASCENDING), *NEWEST_FIRST])],
    DELIVERIES: [
        IndexModel(
            [("state", ASCENDING), ("endpoint_id", ASCENDING), ("due_at", ASCENDING)],
            partialFilterExpression={"state": PENDING},
        ),
        IndexModel([("endpoint_id", ASCENDING), *NEWEST_FIRST]),
        IndexModel([("customer_id", ASCENDING)], partialFilterExpression={"customer_id": {"$type": "string"}}),
        IndexModel([("phone", ASCENDING)], partialFilterExpression={"phone": {"$type": "string"}}),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
    ],
}


def load_endpoint(work: UnitOfWork, business: str, endpoint_id: str) -> Document | None:
    return next(iter(work.load(ENDPOINTS, {"_id": {"$eq": endpoint_id}, "business": business})), None)


def load_endpoints(work: UnitOfWork, businesses: Iterable[str]) -> list[Document]:
    """All endpoints of these businesses."""
    return work.load(ENDPOINTS, {"business": {"$in": sorted(set(businesses))}})


def load_delivery(work: UnitOfWork, business: str, delivery_id: str) -> Document | None:
    return next(iter(work.load(DELIVERIES, {"_id": {"$eq": delivery_id}, "business": business})), None)


def load_deliveries(work: UnitOfWork, ids: Iterable[str]) -> list[Document]:
    return work.load(DELIVERIES, {"_id": {"$in": sorted(ids)}})


def load_deliveries_about(work: UnitOfWork, customer_ids: Iterable[str], phones: Phones) -> list[Document]:
    """What was sent, or is to be, about these people."""
    return work.load(DELIVERIES, about(customer_ids, phones))


def about(customer_ids: Iterable[str], phones: Phones) -> dict[str, Any]:
    """Finds what is about these people; a number is somebody else with another business."""
    ids = {"customer_id": {"$in": sorted(customer_ids), "$type": "string"}}
    numbers = [
        {"business": business, "phone": {"$in": sorted(theirs), "$type": "string"}}
        for business, theirs in sorted(phones.items())
    ]
    return {"$or": [ids, *numbers]}


def find_endpoint(database: Database, business: str, endpoint_id: str) -> Document | None:
    with translated_errors():
        return database[ENDPOINTS].find_one({"_id": {"$eq": endpoint_id}, "business": business})


def list_endpoints(database: Database, business: str, cursor: str | None, limit: int) -> Page:
    with translated_errors():
        return keyset_page(database[ENDPOINTS], {"business": business}, "created_at", cursor, limit)


def count_endpoints(database: Database, business: str, most: int) -> int:
    with translated_errors():
        return database[ENDPOINTS].count_documents({"business": business}, limit=most)


def find_delivery(database: Database, business: str, delivery_id: str) -> Document | None:
    with translated_errors():
        return database[DELIVERIES].find_one({"_id": {"$eq": delivery_id}, "business": business})


def list_deliveries(database: Database, endpoint_id: str, cursor: str | None, limit: int) -> Page:
    with translated_errors():
        return keyset_page(database[DELIVERIES], {"endpoint_id": endpoint_id}, "created_at", cursor, limit)


def delete_endpoint(work: UnitOfWork, endpoint_id: str) -> None:
    work.write(ENDPOINTS, DeleteOne({"_id": endpoint_id}))


def cancel_pending(work: UnitOfWork, endpoint_id: str, reason: str, now: datetime) -> None:
    """Whoever changes one of these at the same moment loses, and looks again."""
    change = {
        "$set": {"state": CANCELED, "reason": reason, "due_at": None, "finished_at": now},
        "$inc": {"version": 1},
    }
    work.write(DELIVERIES, UpdateMany({"state": PENDING, "endpoint_id": endpoint_id}, change))


def waiting_endpoints(database: Database) -> list[str]:
    """The endpoints that have pending deliveries."""
    with translated_errors():
        return sorted(database[DELIVERIES].distinct("endpoint_id", {"state": PENDING}))


def claim(database: Database, endpoint_id: str, now: datetime) -> Document | None:
    """The delivery of this endpoint that is due longest, taken: nobody else gets it within CLAIM."""
    due = {"state": PENDING, "endpoint_id": endpoint_id, "due_at": {"$lte": now}}
    taken: Mapping[str, Any] = {"$set": {"due_at": now + CLAIM}, "$inc": {"version": 1}}
    with translated_errors():
        return database[DELIVERIES].find_one_and_update(
            due, taken, sort=[("due_at", ASCENDING)], return_document=ReturnDocument.AFTER
        )
