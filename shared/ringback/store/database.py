"""A service's own database: `<name in the URL>_<service>`, so that each service can have its own user."""

import threading
from dataclasses import dataclass, field
from typing import Any

import pymongo
from pymongo import ASCENDING, IndexModel, MongoClient
from pymongo.collection import Collection
from pymongo.database import Database as MongoDatabase
from pymongo.errors import ConfigurationError

from ringback.errors import InvalidSettings
from ringback.store.mongo import Document, connect, translated_errors

INBOX = "inbox"
OUTBOX = "outbox"
LEASES = "leases"
DEFAULT_NAME = "ringback"
INBOX_DAYS = 45  # longer than dead letters are kept to be replayed (30 days)

SHARED_INDEXES = {
    INBOX: [IndexModel([("at", ASCENDING)], expireAfterSeconds=INBOX_DAYS * 24 * 3600)],
    OUTBOX: [IndexModel([("due", ASCENDING), ("_id", ASCENDING)])],
}

Indexes = dict[str, list[IndexModel]]


@dataclass
class Database:
    """One service's collections. Safe to share between threads, not across a fork."""

    client: MongoClient[Document]
    name: str
    _signals: dict[str, threading.Event] = field(default_factory=dict)

    def __getitem__(self, collection: str) -> Collection[Document]:
        return self._mongo[collection]

    def signal(self, collection: str) -> threading.Event:
        """Set whenever this process put something into the collection that a loop waits for."""
        return self._signals.setdefault(collection, threading.Event())

    @property
    def _mongo(self) -> MongoDatabase[Document]:
        return self.client[self.name]

    def ensure_indexes(self, indexes: Indexes, seconds: float | None = None) -> None:
        """Make the service's and the write path's indexes; idempotent. No traffic before it returned.

        Raises StoreUnavailable, when `seconds` are given after that long, and InvalidSettings when MongoDB is no
        replica set: there are no transactions without.
        """
        with pymongo.timeout(seconds):
            self._ensure_indexes(indexes)

    def _ensure_indexes(self, indexes: Indexes) -> None:
        self._check_replica_set()
        with translated_errors():
            for collection, models in {**SHARED_INDEXES, **indexes}.items():
                self[collection].create_indexes(models)

    def _check_replica_set(self) -> None:
        with translated_errors():
            hello = self.client.admin.command("hello")
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise InvalidSettings("RINGBACK_MONGO_URL: this MongoDB is no replica set.")

    def ping(self) -> Any:
        with translated_errors():
            return self.client.admin.command("ping")

    def close(self) -> None:
        self.client.close()


def open_database(url: str, service: str) -> Database:
    """The database of `service` at `url`; connects on first use."""
    client = connect(url, service)
    return Database(client, f"{_base_name(client)}_{service.replace('-', '_')}")


def _base_name(client: MongoClient[Document]) -> str:
    try:
        return client.get_default_database().name
    except ConfigurationError:
        return DEFAULT_NAME
