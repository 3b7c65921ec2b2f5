"""The relay: outbox → bus. A row is removed only when its event was confirmed; a crash in between repeats it."""

import structlog

from ringback.bus.connection import Bus
from ringback.bus.message import Message
from ringback.bus.outlet import Outlet
from ringback.clock import Clock
from ringback.contracts.catalogue import EVENT_TYPES
from ringback.store import outbox
from ringback.store.database import OUTBOX, Database
from ringback.store.lease import Lease
from ringback.store.mongo import Document

BATCH = 500
IDLE_SECONDS = 0.05
STANDBY_SECONDS = 1.0

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
        self._clock = clock
        self._idle = idle
        self._lease = Lease(database, "relay", holder)
        self._outlet = Outlet(bus, self.name)

    def step(self) -> float:
        self._outlet.keep_alive()
        if not self._lease.held():
            return STANDBY_SECONDS
        rows = outbox.due_rows(self._database, self._clock(), BATCH)
        if not rows:
            return self._idle
        unroutable = self._outlet.publish([_message(row) for row in rows])
        self._settle(rows, unroutable)
        return 0.0

    def reset(self) -> None:
        self._outlet.close()

    def close(self) -> None:
        self._outlet.close()
        self._lease.release()

    def _settle(self, rows: list[Document], unroutable: set[str]) -> None:
        outbox.forget(self._database, [row for row in rows if row["_id"] not in unroutable])
        left = [row for row in rows if row["_id"] in unroutable]
        if left:
            log.error("relay.unroutable", service=self.name, types=sorted({row["type"] for row in left}))
            outbox.postpone(self._database, left, self._clock())


def _message(row: Document) -> Message:
    known = EVENT_TYPES.get(row["type"])
    return Message(row["_id"], row["body"], row["type"], mandatory=bool(known and known.consumers))
