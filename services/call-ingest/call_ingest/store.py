"""call-ingest's documents.

`raw_requests`: a webhook as it came: {_id: digest, kind, target, params: [[name, value], …], call_sid, business or
None, received_at, rang, voicemail, pending: True until it was folded, fold_at: not before}.
`calls`: what was concluded: {_id: CallSid, business, started_at, caller_kind, caller, outcome, reason,
due_at, told: [event ids]}.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pymongo
from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateMany
from pymongo.errors import BulkWriteError

from call_ingest.journal import Accepted, Insert, raw_request_id
from ringback.businesses import Business
from ringback.store.database import Database, Indexes
from ringback.store.mongo import DUPLICATE_KEY, Document, translated_errors
from ringback.store.unit_of_work import UnitOfWork

CALLS = "calls"
# Somebody is on the line.
INSERT_SECONDS = 2.0
PUT_OFF_SECONDS = (2, 10, 60, 600)
RAW_REQUESTS = "raw_requests"
INDEXES: Indexes = {
    RAW_REQUESTS: [
        IndexModel([("pending", ASCENDING), ("fold_at", ASCENDING)], partialFilterExpression={"pending": True}),
        IndexModel([("call_sid", ASCENDING)]),
    ],
    CALLS: [
        IndexModel([("due_at", ASCENDING)], partialFilterExpression={"due_at": {"$type": "date"}}),
    ],
}


def raw_request(
    webhook: Accepted, now: datetime, business: Business | None, *, rang: bool, voicemail: bool
) -> Document:
    call_sid = webhook.first("CallSid")
    return {
        "_id": raw_request_id(webhook.target, webhook.params),
        "kind": webhook.kind,
        "target": webhook.target,
        "params": [list(pair) for pair in webhook.params],
        "call_sid": call_sid,
        "business": business.key if business else None,
        "received_at": now,
        "fold_at": now,
        "rang": rang,
        "voicemail": voicemail,
        "pending": bool(call_sid),
    }


def insert_into(database: Database) -> Insert:
    """The insert of a journal in MongoDB; what is there already counts as inserted."""

    def insert(documents: Sequence[Document]) -> None:
        unique = {document["_id"]: document for document in documents}
        with translated_errors(), pymongo.timeout(INSERT_SECONDS):
            try:
                database[RAW_REQUESTS].insert_many(list(unique.values()), ordered=False)
            except BulkWriteError as error:
                if not _only_duplicates(error.details):
                    raise

    return insert


def _only_duplicates(details: Mapping[str, Any]) -> bool:
    failures = details.get("writeErrors", [])
    no_other = all(failure["code"] == DUPLICATE_KEY for failure in failures)
    return no_other and not details.get("writeConcernErrors")


def pending_calls(database: Database, now: datetime, limit: int) -> list[str]:
    """The calls of the oldest requests that were not folded yet."""
    with translated_errors():
        waiting = database[RAW_REQUESTS].find({"pending": True, "fold_at": {"$lte": now}}, {"call_sid": 1})
        return list({row["call_sid"]: None for row in waiting.sort("fold_at", ASCENDING).limit(limit)})


def due_calls(database: Database, now: datetime, limit: int) -> list[str]:
    """The calls of which time tells more by now."""
    with translated_errors():
        due = database[CALLS].find({"due_at": {"$type": "date", "$lte": now}}, {"_id": 1})
        return [row["_id"] for row in due.sort("due_at", ASCENDING).limit(limit)]


def mark_folded(work: UnitOfWork, requests: Sequence[Document]) -> None:
    ids = [request["_id"] for request in requests if request["pending"]]
    if ids:
        work.write(RAW_REQUESTS, UpdateMany({"_id": {"$in": ids}}, {"$set": {"pending": False}}))


def put_off(database: Database, call_sid: str, now: datetime) -> None:
    """Take a call that cannot be folded now out of the way, for longer each time; nothing of it is dropped."""
    with translated_errors():
        waiting = {"call_sid": call_sid, "pending": True}
        request = database[RAW_REQUESTS].find_one(waiting, sort=[("put_offs", DESCENDING)]) or {}
        times = request.get("put_offs", 0)
        until = now + timedelta(seconds=PUT_OFF_SECONDS[min(times, len(PUT_OFF_SECONDS) - 1)])
        database[RAW_REQUESTS].update_many(waiting, {"$set": {"fold_at": until, "put_offs": times + 1}})
        overdue = {"_id": call_sid, "due_at": {"$type": "date", "$lt": until}}
        database[CALLS].update_one(overdue, {"$set": {"due_at": until}, "$inc": {"version": 1}})
