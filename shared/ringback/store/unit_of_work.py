"""The one write path: documents, inbox and outbox of a batch in one transaction.

    load the documents concerned, change them in memory, `commit`

Either all of it is durable or nothing is (majority, journaled). Documents carry a `version` that `commit`
compares, so that of two who changed the same document one loads again. A document is never changed in place:
`save` takes the new one.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from pymongo import InsertOne, ReplaceOne, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern

from ringback.clock import Clock
from ringback.contracts.envelope import Event, encode
from ringback.errors import ConcurrentUpdate
from ringback.store.database import INBOX, OUTBOX, Database
from ringback.store.mongo import Document, translated_errors

T = TypeVar("T")
Query = Mapping[str, Any]
ATTEMPTS = 8
DURABLE = WriteConcern("majority", j=True)


class UnitOfWork:
    """One batch's documents (an identity map), the event ids it handled and the events it caused."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._loaded: dict[tuple[str, str], Document] = {}
        self._saved: dict[tuple[str, str], Document] = {}
        self._operations: defaultdict[str, list[Any]] = defaultdict(list)
        self._handled: dict[str, None] = {}
        self._events: dict[str, Event] = {}

    def load(self, collection: str, query: Query) -> list[Document]:
        """The documents that match, as this unit of work sees them: its own changes first."""
        with translated_errors():
            found = list(self._database[collection].find(query))
        for document in found:
            self._loaded.setdefault((collection, document["_id"]), document)
        return [self.get(collection, document["_id"]) or document for document in found]

    def get(self, collection: str, document_id: str) -> Document | None:
        """A document that was loaded or saved before; asks no database."""
        key = (collection, document_id)
        return self._saved.get(key) or self._loaded.get(key)

    def save(self, collection: str, document: Document) -> None:
        """Insert, or replace what was loaded; nothing is written when nothing changed."""
        key = (collection, document["_id"])
        if self._loaded.get(key) == document:
            self._saved.pop(key, None)
            return
        self._saved[key] = document

    def write(self, collection: str, operation: Any) -> None:
        """A pymongo bulk operation in the same transaction, on a collection whose documents carry no version."""
        self._operations[collection].append(operation)

    def emit(self, event: Event) -> None:
        """Tell the others; at most once for an id."""
        self._events.setdefault(event.id, event)

    def revision(self, collection: str, document_id: str) -> str:
        """What orders events about one document: a text, greater for each that is told later, be it in another
        unit of work. To be asked for when the document is loaded or new, right before `emit`."""
        loaded = self._loaded.get((collection, document_id))
        version = loaded["version"] + 1 if loaded else 1
        return f"{version:012d}.{len(self._events):06d}"

    def unseen(self, events: Sequence[Event]) -> list[Event]:
        """Those that this service has not handled yet, each once."""
        by_id = {event.id: event for event in events}
        with translated_errors():
            seen = {row["_id"] for row in self._database[INBOX].find({"_id": {"$in": list(by_id)}}, {"_id": 1})}
        return [event for event in by_id.values() if event.id not in seen]

    def mark_handled(self, event: Event) -> None:
        self._handled[event.id] = None

    def commit(self) -> None:
        """Write everything, or nothing.

        Raises ConcurrentUpdate when a document or an event was somebody else's meanwhile, StoreUnavailable
        when the outcome is unknown (the inbox tells the next attempt).
        """
        operations = self._all_operations()
        if not operations:
            return
        with (
            translated_errors(),
            self._database.client.start_session() as session,
            session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=DURABLE),
        ):
            for collection, writes in operations.items():
                self._write(session, collection, writes)
        if self._events:
            self._database.signal(OUTBOX).set()

    def _write(self, session: ClientSession, collection: str, writes: list[Any]) -> None:
        result = self._database[collection].bulk_write(writes, ordered=True, session=session)
        replaced = sum(isinstance(write, ReplaceOne) for write in writes)
        if replaced and result.matched_count != replaced:
            raise ConcurrentUpdate("A document was changed meanwhile.")

    def _all_operations(self) -> dict[str, list[Any]]:
        operations = {name: list(writes) for name, writes in self._operations.items()}
        for key, document in self._saved.items():
            operations.setdefault(key[0], []).append(self._versioned_write(key, document))
        now = self._clock()
        if self._handled:
            operations[INBOX] = [InsertOne({"_id": event_id, "at": now}) for event_id in self._handled]
        if self._events:
            operations[OUTBOX] = [InsertOne(_outbox_row(event, now)) for event in self._events.values()]
        return operations

    def _versioned_write(self, key: tuple[str, str], document: Document) -> Any:
        loaded = self._loaded.get(key)
        if loaded is None:
            return InsertOne({**document, "version": 1})
        version = loaded["version"]
        return ReplaceOne({"_id": key[1], "version": version}, {**document, "version": version + 1})


def repeated(database: Database, clock: Clock, act: Callable[[UnitOfWork], T]) -> T:
    """What `act` gives, committed; again, on what is there then, when another write came first.

    Raises ConcurrentUpdate when that happened ATTEMPTS times, and what `act` and `commit` raise.
    """
    for left in reversed(range(ATTEMPTS)):
        work = UnitOfWork(database, clock)
        try:
            result = act(work)
            work.commit()
            return result
        except ConcurrentUpdate:
            if not left:
                raise
    raise AssertionError


def _outbox_row(event: Event, now: datetime) -> Document:
    return {"_id": event.id, "type": event.type, "body": encode(event), "at": now, "due": now, "attempts": 0}
