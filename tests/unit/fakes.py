"""What unit tests stand on instead of servers: a database in memory for the real UnitOfWork, and data."""

import copy
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from pymongo import InsertOne, ReplaceOne, UpdateMany
from pymongo.errors import BulkWriteError

from ringback.businesses import Business
from ringback.settings import Settings, load_settings
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork

Document = dict[str, Any]

T0 = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
NUMBER = "+15558675310"
CALLER = "+12125550123"
ACCOUNT = "AC" + "1" * 32
TOKEN = "a-token-of-twilio"
SECRET = "s" * 40


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def sample_settings(**environ: str) -> Settings:
    """The sample configuration, complete enough for both web apps."""
    return load_settings(
        {
            "RINGBACK_SECRET_KEY": SECRET,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "RINGBACK_PUBLIC_URL": "https://ring.example",
            **environ,
        }
    )


def demo() -> Business:
    return sample_settings().businesses["demo"]


@dataclass
class MemoryDatabase:
    """As much of a database as a unit of work needs: find, and bulk writes that hold all or nothing."""

    collections: dict[str, dict[str, Document]] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)
    """Raised by the next commits, one each."""
    commits: int = 0
    _signals: dict[str, threading.Event] = field(default_factory=dict)

    def __getitem__(self, name: str) -> "MemoryCollection":
        return MemoryCollection(self, name)

    @property
    def client(self) -> "MemoryDatabase":
        return self

    def signal(self, collection: str) -> threading.Event:
        return self._signals.setdefault(collection, threading.Event())

    @contextmanager
    def start_session(self) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(start_transaction=self._transaction)

    @contextmanager
    def _transaction(self, **_: Any) -> Iterator[None]:
        before = copy.deepcopy(self.collections)
        try:
            yield
            if self.failures:
                raise self.failures.pop(0)
        except BaseException:
            self.collections = before
            raise
        self.commits += 1

    def documents(self, collection: str) -> dict[str, Document]:
        return self.collections.get(collection, {})

    def insert(self, collection: str, *documents: Document) -> None:
        for document in documents:
            self.collections.setdefault(collection, {}).setdefault(document["_id"], copy.deepcopy(document))

    def work(self, now: datetime = T0) -> UnitOfWork:
        return UnitOfWork(self.as_database(), lambda: now)

    def as_database(self) -> Database:
        return cast(Database, self)


@dataclass
class MemoryCollection:
    database: MemoryDatabase
    name: str

    def find(self, query: Mapping[str, Any], _projection: Mapping[str, int] | None = None) -> list[Document]:
        documents = self.database.documents(self.name).values()
        return [copy.deepcopy(document) for document in documents if matches(document, query)]

    def bulk_write(self, writes: Sequence[Any], **_: Any) -> SimpleNamespace:
        return SimpleNamespace(matched_count=sum(self._write(write) for write in writes))

    def _write(self, write: Any) -> int:
        documents = self.database.collections.setdefault(self.name, {})
        if isinstance(write, InsertOne):
            document = cast(Document, write._doc)
            if document["_id"] in documents:
                raise BulkWriteError({"writeErrors": [{"code": 11000}]})
            documents[document["_id"]] = copy.deepcopy(document)
            return 0
        found = [document for document in documents.values() if matches(document, write._filter)]
        if isinstance(write, ReplaceOne):
            for document in found:
                documents[document["_id"]] = copy.deepcopy(cast(Document, write._doc))
        elif isinstance(write, UpdateMany):
            for document in found:
                document.update(cast(Document, write._doc)["$set"])
        else:
            raise NotImplementedError(write)
        return len(found)


def matches(document: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    """The part of MongoDB's query language that the services' units of work use."""
    return all(_matches(document, name, wanted) for name, wanted in query.items())


def _matches(document: Mapping[str, Any], name: str, wanted: Any) -> bool:
    if name == "$or":
        return any(matches(document, one) for one in wanted)
    value = document.get(name)
    values = value if isinstance(value, list) else [value]
    if not isinstance(wanted, dict):
        return wanted in values
    return all(OPERATORS[operator](values, operand) for operator, operand in wanted.items())


OPERATORS: dict[str, Callable[[list[Any], Any], bool]] = {
    "$in": lambda values, operand: any(value in operand for value in values),
    "$eq": lambda values, operand: operand in values,
    "$type": lambda values, operand: operand == "string" and any(isinstance(value, str) for value in values),
}
