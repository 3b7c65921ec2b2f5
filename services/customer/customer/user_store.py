"""Users, sessions and failed tries in MongoDB; see users.py. Each call is one operation on one document."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel, ReturnDocument

from ringback.errors import ConcurrentUpdate
from ringback.store.database import Database, Indexes
from ringback.store.mongo import Document, translated_errors

USERS = "users"
SESSIONS = "sessions"
TRIES = "login_attempts"
USER_INDEXES: Indexes = {
    # Of two who claim a business at the same moment, one is its first owner.
    USERS: [
        IndexModel([("business", ASCENDING)], unique=True, partialFilterExpression={"first": {"$eq": True}}),
    ],
    SESSIONS: [IndexModel([("ends_at", ASCENDING)], expireAfterSeconds=0), IndexModel([("user", ASCENDING)])],
    TRIES: [IndexModel([("ends_at", ASCENDING)], expireAfterSeconds=0)],
}


def insert_user(database: Database, user: Document) -> bool:
    """False when the name is taken, or the business has its first owner."""
    try:
        with translated_errors():
            database[USERS].insert_one(user)
    except ConcurrentUpdate:
        return False
    return True


def find_user(database: Database, key: str) -> Document | None:
    with translated_errors():
        return database[USERS].find_one({"_id": {"$eq": key}})


def has_users(database: Database, business: str) -> bool:
    with translated_errors():
        return database[USERS].find_one({"business": {"$eq": business}}) is not None


def list_users(database: Database) -> list[Document]:
    with translated_errors():
        return list(database[USERS].find().sort([("business", ASCENDING), ("_id", ASCENDING)]))


def update_user(database: Database, key: str, values: Mapping[str, Any]) -> bool:
    with translated_errors():
        return database[USERS].update_one({"_id": {"$eq": key}}, {"$set": values}).matched_count == 1


def insert_session(database: Database, session: Document) -> None:
    with translated_errors():
        database[SESSIONS].insert_one(session)


def find_session(database: Database, session_id: str) -> Document | None:
    with translated_errors():
        return database[SESSIONS].find_one({"_id": {"$eq": session_id}})


def touch_session(database: Database, session_id: str, now: datetime) -> None:
    with translated_errors():
        database[SESSIONS].update_one({"_id": {"$eq": session_id}}, {"$max": {"seen_at": now}})


def delete_session(database: Database, session_id: str) -> None:
    with translated_errors():
        database[SESSIONS].delete_one({"_id": {"$eq": session_id}})


def delete_sessions_of(database: Database, key: str) -> None:
    with translated_errors():
        database[SESSIONS].delete_many({"user": {"$eq": key}})


def count_try(database: Database, window_id: str, ends_at: datetime, by: int = 1) -> int:
    """How many there are now, with this one."""
    change = {"$inc": {"count": by}, "$set": {"ends_at": ends_at}}
    with translated_errors():
        row = database[TRIES].find_one_and_update(
            {"_id": window_id}, change, upsert=True, return_document=ReturnDocument.AFTER
        )
    assert row is not None
    return int(row["count"])
