"""What goes on by itself: facts set rules off, runs go on when they are due."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from pipeline.automation import store
from pipeline.automation.executing import Executing
from pipeline.automation.firing import Firing
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.errors import describe, error_name
from ringback.store.database import Database
from ringback.store.lease import Lease
from ringback.worker.batch import commit_batch
from ringback.worker.runtime import Loop

BATCH = 50
IDLE_SECONDS = 0.5
STANDBY_SECONDS = 1.0
PUT_OFF = timedelta(minutes=10)

log = structlog.get_logger(__name__)


class DueLoop:
    """Handles what is due in a collection, in batches; of several workers one at a time."""

    def __init__(
        self,
        name: str,
        collection: str,
        handle: Callable[[Sequence[str]], None],
        database: Database,
        clock: Clock,
        holder: str,
    ) -> None:
        self.name = f"pipeline.{name}"
        self.wakeup: threading.Event = database.signal(collection)
        self._collection = collection
        self._handle = handle
        self._database = database
        self._clock = clock
        self._lease = Lease(database, name, holder)

    def step(self) -> float:
        if not self._lease.held():
            return STANDBY_SECONDS
        due = store.due(self._database, self._collection, self._clock(), BATCH)
        if due:
            commit_batch(due, self._handle, self._put_off)
        return 0.0 if len(due) == BATCH else IDLE_SECONDS

    def reset(self) -> None:
        """Nothing is held between two steps."""

    def close(self) -> None:
        self._lease.release()

    def _put_off(self, document_id: str, error: Exception) -> None:
        log.error(
            "automation.put_off", loop=self.name, id=document_id, code=error_name(error), reason=describe(error)
        )
        until = self._clock() + PUT_OFF
        store.put_off(self._database, self._collection, document_id, until, error_name(error))


def automation_loops(database: Database, businesses: Mapping[str, Business], clock: Clock, holder: str) -> list[Loop]:
    firing, executing = Firing(database, businesses, clock), Executing(database, businesses, clock)
    return [
        DueLoop("firing", store.FACTS, firing.fire, database, clock, holder),
        DueLoop("runs", store.RUNS, executing.go_on, database, clock, holder),
    ]
