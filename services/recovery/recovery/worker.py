"""The recovery service's worker: reacts to events and to time, and relays its own events."""

import threading

import structlog

from recovery.app import NAME, REQUIRED
from recovery.events import subscriptions
from recovery.store import INDEXES
from recovery.timers import Timers
from ringback.bus.connection import Bus
from ringback.clock import Clock
from ringback.errors import describe, error_name
from ringback.seals import seal_with
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.store.lease import Lease
from ringback.worker.batch import commit_batch
from ringback.worker.consumer import EventConsumer
from ringback.worker.main import run_service
from ringback.worker.relay import IDLE_SECONDS, Relay
from ringback.worker.runtime import Loop

BATCH = 100
DUE_SECONDS = 1.0
STANDBY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class TimersLoop:
    """Does what is due by time; of several workers one at a time."""

    name = f"{NAME}.timers"

    def __init__(self, timers: Timers, database: Database, holder: str) -> None:
        self.wakeup = threading.Event()
        self._timers = timers
        self._lease = Lease(database, "timers", holder)

    def step(self) -> float:
        if not self._lease.held():
            return STANDBY_SECONDS
        due = self._timers.due(BATCH)
        if due:
            commit_batch(due, self._timers.wake, self._put_off)
        return 0.0 if len(due) == BATCH else DUE_SECONDS

    def reset(self) -> None:
        """Nothing is held between two steps."""

    def close(self) -> None:
        self._lease.release()

    def _put_off(self, ledger_id: str, error: Exception) -> None:
        # The id of a caller is made of the number, which no log may have.
        log.error("timers.put_off", code=error_name(error), reason=describe(error))
        self._timers.put_off(ledger_id)


def loops(
    settings: Settings, database: Database, bus: Bus, clock: Clock, holder: str, idle: float = IDLE_SECONDS
) -> list[Loop]:
    """What the worker runs, as `ringback.worker.main.MakeLoops` has it."""
    assert settings.secret_key is not None
    seal = seal_with(settings.secret_key)
    return [
        EventConsumer(NAME, subscriptions(settings.businesses, clock, seal), database, bus, clock),
        TimersLoop(Timers(database, settings.businesses, clock, seal), database, holder),
        Relay(NAME, database, bus, clock, holder, idle),
    ]


def main() -> None:
    run_service(NAME, REQUIRED, INDEXES, loops)


if __name__ == "__main__":
    main()
