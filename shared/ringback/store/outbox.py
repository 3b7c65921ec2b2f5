"""The outbox: events that were committed with their cause and wait for the relay."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pymongo import ASCENDING, UpdateOne

from ringback.store.database import OUTBOX, Database
from ringback.store.mongo import Document, translated_errors

UNROUTABLE_SECONDS = (5, 30, 120, 600)


def due_rows(database: Database, now: datetime, limit: int) -> list[Document]:
    """The oldest rows to be published: {_id: event id, type, body: the envelope, at, due, attempts}."""
    with translated_errors():
        due = database[OUTBOX].find({"due": {"$lte": now}})
        return list(due.sort([("due", ASCENDING), ("_id", ASCENDING)]).limit(limit))


def forget(database: Database, rows: Sequence[Document]) -> None:
    """Remove rows whose events were confirmed."""
    with translated_errors():
        database[OUTBOX].delete_many({"_id": {"$in": [row["_id"] for row in rows]}})


def postpone(database: Database, rows: Sequence[Document], now: datetime) -> None:
    """Keep rows that no queue took, for later, out of the way of the others."""
    with translated_errors():
        database[OUTBOX].bulk_write([_postponement(row, now) for row in rows])


def _postponement(row: Document, now: datetime) -> UpdateOne:
    seconds = UNROUTABLE_SECONDS[min(row["attempts"], len(UNROUTABLE_SECONDS) - 1)]
    change = {"$set": {"due": now + timedelta(seconds=seconds)}, "$inc": {"attempts": 1}}
    return UpdateOne({"_id": row["_id"]}, change)
