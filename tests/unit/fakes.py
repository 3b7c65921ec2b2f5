"""What unit tests stand on instead of servers: a database in memory for the real UnitOfWork, and data."""

import copy
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError

from ringback.businesses import Business
from ringback.settings import Settings, load_settings
from ringback.store.database import Database, Indexes
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
    """As much of a database as a unit of work needs: find, and bulk writes that hold all or nothing.

    Of `indexes` the unique ones are kept, at every write.
    """

    collections: dict[str, dict[str, Document]] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)
    """Raised by the next commits, one each."""
    commits: int = 0
    indexes: Indexes = field(default_factory=dict)
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
class MemoryCursor:
    """What was found, to be put in order and cut short; copied when it is read."""

    found: list[Document]
    projection: Mapping[str, int]

    def __iter__(self) -> Iterator[Document]:
        return (copy.deepcopy(projected(document, self.projection)) for document in self.found)

    def sort(self, keys: str | Sequence[tuple[str, int]], direction: int = 1) -> "MemoryCursor":
        found = list(self.found)
        for name, order in reversed([(keys, direction)] if isinstance(keys, str) else keys):
            found.sort(key=lambda document: document[name], reverse=order < 0)
        return replace(self, found=found)

    def limit(self, most: int) -> "MemoryCursor":
        return replace(self, found=self.found[:most])


@dataclass
class MemoryCollection:
    database: MemoryDatabase
    name: str

    def find(
        self, query: Mapping[str, Any], projection: Mapping[str, int] | None = None, hint: object = None
    ) -> MemoryCursor:
        documents = self.database.documents(self.name).values()
        return MemoryCursor([document for document in documents if matches(document, query)], projection or {})

    def find_one(self, query: Mapping[str, Any], projection: Mapping[str, int] | None = None) -> Document | None:
        return next(iter(self.find(query, projection)), None)

    def aggregate(self, stages: Sequence[Mapping[str, Any]]) -> list[Document]:
        """Of pipelines those that match, then group and sum."""
        match, group = stages
        return grouped(self.find(match["$match"]), group["$group"])

    def bulk_write(self, writes: Sequence[Any], **_: Any) -> SimpleNamespace:
        return SimpleNamespace(matched_count=sum(self._write(write) for write in writes))

    def _write(self, write: Any) -> int:
        if isinstance(write, InsertOne):
            return self._insert(cast(Document, write._doc))
        documents = self.database.collections.setdefault(self.name, {})
        found = [document for document in documents.values() if matches(document, write._filter)]
        if isinstance(write, DeleteOne | DeleteMany):
            for document in found:
                del documents[document["_id"]]
            return 0
        if isinstance(write, UpdateOne) and write._upsert and not found:
            change = cast(Document, write._doc)
            return self._insert(updated({**write._filter, **change.get("$setOnInsert", {})}, change))
        for document in found:
            self._put(_changed_by(write, document))
        return len(found)

    def _insert(self, document: Document) -> int:
        if document["_id"] in self.database.documents(self.name):
            raise _duplicate()
        self._put(document)
        return 0

    def _put(self, document: Document) -> None:
        documents = self.database.collections.setdefault(self.name, {})
        for index in self.database.indexes.get(self.name, ()):
            others = (one for one in documents.values() if one["_id"] != document["_id"])
            if index.document.get("unique") and _taken(index.document, document, others):
                raise _duplicate()
        documents[document["_id"]] = copy.deepcopy(document)


def _changed_by(write: Any, document: Document) -> Document:
    if isinstance(write, ReplaceOne):
        return cast(Document, write._doc)
    if isinstance(write, UpdateOne | UpdateMany):
        return updated(document, cast(Document, write._doc))
    raise NotImplementedError(write)


def updated(document: Mapping[str, Any], change: Mapping[str, Any]) -> Document:
    counted = {name: document.get(name, 0) + amount for name, amount in change.get("$inc", {}).items()}
    greatest = {name: max(document.get(name, value), value) for name, value in change.get("$max", {}).items()}
    return {**document, **change.get("$set", {}), **counted, **greatest}


def _duplicate() -> BulkWriteError:
    return BulkWriteError({"writeErrors": [{"code": 11000}]})


def _taken(index: Mapping[str, Any], document: Document, others: Iterable[Document]) -> bool:
    """Whether another document has one of the index's keys of this one, which has one for each value of a list."""
    keys = _keys(index, document)
    return any(not keys.isdisjoint(_keys(index, other)) for other in others)


def _keys(index: Mapping[str, Any], document: Document) -> set[tuple[Any, ...]]:
    if not matches(document, index.get("partialFilterExpression", {})):
        return set()
    return set(itertools.product(*(_values(document, name) or [None] for name in index["key"])))


def _values(document: Mapping[str, Any], name: str) -> list[Any]:
    """What a field holds, each value of a list; of a dotted name what the parts of a list hold."""
    head, _, rest = name.partition(".")
    value = document.get(head)
    values = value if isinstance(value, list) else [value]
    return [one for part in values if isinstance(part, dict) for one in _values(part, rest)] if rest else values


def matches(document: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    """The part of MongoDB's query language that the services' units of work use."""
    return all(_matches(document, name, wanted) for name, wanted in query.items())


def _matches(document: Mapping[str, Any], name: str, wanted: Any) -> bool:
    if name == "$or":
        return any(matches(document, one) for one in wanted)
    values = _values(document, name)
    if not isinstance(wanted, dict):
        return wanted in values
    return all(OPERATORS[operator](values, operand) for operator, operand in wanted.items())


def projected(document: Document, projection: Mapping[str, int]) -> Document:
    """With the fields that are wanted, or without those that are not."""
    if not projection:
        return document
    if any(projection.values()):
        return {name: value for name, value in document.items() if name in {"_id", *projection}}
    return {name: value for name, value in document.items() if name not in projection}


def grouped(documents: Iterable[Document], group: Mapping[str, Any]) -> list[Document]:
    """`$group` of an expression as `_id`, and of sums."""
    rows: dict[Any, Document] = {}
    for document in documents:
        key = evaluated(group["_id"], document)
        row = rows.setdefault(key, {"_id": key, **{name: 0 for name in group if name != "_id"}})
        for name in row.keys() - {"_id"}:
            row[name] += evaluated(group[name]["$sum"], document)
    return list(rows.values())


def evaluated(expression: Any, document: Document) -> Any:
    if isinstance(expression, str) and expression.startswith("$"):
        return document.get(expression[1:])
    if not isinstance(expression, dict):
        return expression
    [(operator, operands)] = expression.items()
    return EXPRESSIONS[operator]([evaluated(operand, document) for operand in operands])


EXPRESSIONS: dict[str, Callable[[list[Any]], Any]] = {
    "$and": all,
    "$eq": lambda values: values[0] == values[1],
    "$cond": lambda values: values[1] if values[0] else values[2],
}
TYPES: dict[str, type] = {"string": str, "date": datetime}
OPERATORS: dict[str, Callable[[list[Any], Any], bool]] = {
    "$in": lambda values, operand: any(value in operand for value in values),
    "$eq": lambda values, operand: operand in values,
    "$gt": lambda values, operand: any(_alike(value, operand) and value > operand for value in values),
    "$lte": lambda values, operand: any(_alike(value, operand) and value <= operand for value in values),
    "$type": lambda values, operand: any(isinstance(value, TYPES[operand]) for value in values),
}


def _alike(value: Any, operand: Any) -> bool:
    """MongoDB compares values of one type only."""
    return isinstance(value, type(operand))
