"""The relay: outbox → bus. A row is removed only when its event was confirmed; a crash in between repeats it."""

from datetime import timedelta
from typing import Any

import structlog
from pymongo import ASCENDING, UpdateOne

from ringback.bus.connection import Bus, discard
from ringback.bus.message import Message
from ringback.bus.publisher import Publisher
from ringback.clock import Clock
from ringback.contracts.catalogue import EVENT_TYPES
from ringback.store.database import OUTBOX, Database
from ringback.store.lease import Lease
from ringback.store.mongo import Document, translated_errors

BATCH = 500
IDLE_SECONDS = 0.05
STANDBY_SECONDS = 1.0
UNROUTABLE_SECONDS = (5, 30, 120, 600)

log = structlog.get_logger(__name__)


class Relay:
    """Publishes a service's outbox, oldest first; of several workers of the service one at a time."""

    def __init__(
        self,
        service: str,
        database: Database,
        bus: Bus,
        clock: Clock,
        holder: str,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self.name = f"{service}.relay"
        self.wakeup = database.signal(OUTBOX)
        self._database = database
        self._bus = bus
        self._clock = clock
        self._idle = idle
        self._lease = Lease(database, "relay", holder)
        self._connection: Any = None
        self._publisher: Publisher | None = None

    def step(self) -> float:
        if not self._lease.held():
            return STANDBY_SECONDS
        if self._connection is not None and self._connection.supports_heartbeats:
            self._connection.heartbeat_check(rate=4)
        rows = self._due_rows()
        if not rows:
            return self._idle
        unroutable = self._connected().publish([_message(row) for row in rows])
        self._settle(rows, unroutable)
        return 0.0 if len(rows) == BATCH else self._idle

    def reset(self) -> None:
        if self._connection is not None:
            discard(self._connection)
        self._connection = self._publisher = None

    def close(self) -> None:
        self.reset()
        self._lease.release()

    def _connected(self) -> Publisher:
        if self._publisher is None:
            self._connection = self._bus.connect(self.name)
            self._publisher = self._bus.publisher(self._connection)
        return self._publisher

    def _due_rows(self) -> list[Document]:
        with translated_errors():
            due = self._database[OUTBOX].find({"due": {"$lte": self._clock()}})
            return list(due.sort([("due", ASCENDING), ("_id", ASCENDING)]).limit(BATCH))

    def _settle(self, rows: list[Document], unroutable: set[str]) -> None:
        published = [row["_id"] for row in rows if row["_id"] not in unroutable]
        postponed = [self._postponement(row) for row in rows if row["_id"] in unroutable]
        with translated_errors():
            self._database[OUTBOX].delete_many({"_id": {"$in": published}})
            if postponed:
                self._database[OUTBOX].bulk_write(postponed)

    def _postponement(self, row: Document) -> UpdateOne:
        seconds = UNROUTABLE_SECONDS[min(row["attempts"], len(UNROUTABLE_SECONDS) - 1)]
        log.error("relay.unroutable", event_type=row["type"], event_id=row["_id"], again_in_seconds=seconds)
        change = {"$set": {"due": self._clock() + timedelta(seconds=seconds)}, "$inc": {"attempts": 1}}
        return UpdateOne({"_id": row["_id"]}, change)


def _message(row: Document) -> Message:
    known = EVENT_TYPES.get(row["type"])
    return Message(row["_id"], row["body"], row["type"], mandatory=bool(known and known.consumers))
