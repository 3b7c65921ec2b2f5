"""call-ingest's worker: folds raw requests into events, and relays them."""

from collections.abc import Sequence

import structlog

from call_ingest import store
from call_ingest.app import NAME, REQUIRED
from call_ingest.handlers import Folding
from call_ingest.store import INDEXES, RAW_REQUESTS
from ringback.bus.connection import Bus
from ringback.clock import Clock
from ringback.errors import describe, error_name
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.store.lease import Lease
from ringback.store.unit_of_work import UnitOfWork
from ringback.worker.batch import commit_batch
from ringback.worker.main import run_service
from ringback.worker.relay import Relay
from ringback.worker.runtime import Loop

BATCH = 200
IDLE_SECONDS = 0.02
STANDBY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class FoldLoop:
    """Folds what waits; of several workers one at a time. A call that fails is put off, alone."""

    name = f"{NAME}.fold"

    def __init__(self, folding: Folding, database: Database, clock: Clock, holder: str, idle: float) -> None:
        self.wakeup = database.signal(RAW_REQUESTS)
        self._folding = folding
        self._database = database
        self._clock = clock
        self._idle = idle
        self._lease = Lease(database, "fold", holder)

    def step(self) -> float:
        if not self._lease.held():
            return STANDBY_SECONDS
        now = self._clock()
        pending = store.pending_calls(self._database, now, BATCH)
        calls = list(dict.fromkeys([*pending, *store.due_calls(self._database, now, BATCH)]))
        if not calls:
            return self._idle
        commit_batch(calls, self._commit, self._put_off)
        return 0.0

    def reset(self) -> None:
        """Nothing is held between two steps."""

    def close(self) -> None:
        self._lease.release()

    def _put_off(self, call_sid: str, error: Exception) -> None:
        log.error("fold.put_off", call_sid=call_sid, code=error_name(error), reason=describe(error))
        store.put_off(self._database, call_sid, self._clock())

    def _commit(self, call_sids: Sequence[str]) -> None:
        work = UnitOfWork(self._database, self._clock)
        self._folding.fold(work, call_sids, self._clock())
        work.commit()


def loops(
    settings: Settings, database: Database, bus: Bus, clock: Clock, holder: str, idle: float = IDLE_SECONDS
) -> list[Loop]:
    """What the worker runs, as `ringback.worker.main.MakeLoops` has it."""
    folding = Folding(settings.businesses)
    return [
        FoldLoop(folding, database, clock, holder, idle),
        Relay(NAME, database, bus, clock, holder, idle),
    ]


def main() -> None:
    run_service(NAME, REQUIRED, INDEXES, loops)


if __name__ == "__main__":
    main()
