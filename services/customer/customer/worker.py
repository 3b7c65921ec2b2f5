"""The customer service's worker: reacts to events and to time, answers lookups, and relays its own events."""

import threading

import structlog

from customer.aging import Aging
from customer.app import NAME, REQUIRED
from customer.events import subscriptions
from customer.lookups import lookup_loops
from customer.store import INDEXES
from ringback.bus.connection import Bus
from ringback.clock import Clock
from ringback.errors import Transient, describe, error_name
from ringback.seals import seal_with
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.store.lease import Lease
from ringback.worker.batch import commit_batch
from ringback.worker.consumer import EventConsumer
from ringback.worker.main import run_service
from ringback.worker.relay import IDLE_SECONDS, Relay
from ringback.worker.runtime import Loop

BATCH = 200
# Segments change by the month.
AGING_SECONDS = 5.0
STANDBY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class AgingLoop:
    """Changes segments when their time has come; of several workers one at a time."""

    name = f"{NAME}.aging"

    def __init__(self, aging: Aging, database: Database, holder: str) -> None:
        self.wakeup = threading.Event()
        self._aging = aging
        self._lease = Lease(database, "aging", holder)

    def step(self) -> float:
        if not self._lease.held():
            return STANDBY_SECONDS
        due = self._aging.due(BATCH)
        if due:
            commit_batch(due, self._aging.recompute, self._put_off)
        return 0.0 if len(due) == BATCH else AGING_SECONDS

    def reset(self) -> None:
        """Nothing is held between two steps."""

    def close(self) -> None:
        self._lease.release()

    def _put_off(self, customer_id: str, error: Exception) -> None:
        log.error("aging.put_off", customer_id=customer_id, code=error_name(error), reason=describe(error))
        # A worker that was killed blocks what it was writing for a while: that is no customer's fault.
        if not isinstance(error, Transient):
            self._aging.put_off(customer_id)


def loops(
    settings: Settings, database: Database, bus: Bus, clock: Clock, holder: str, idle: float = IDLE_SECONDS
) -> list[Loop]:
    """What the worker runs, as `ringback.worker.main.MakeLoops` has it."""
    assert settings.secret_key is not None
    handlers = subscriptions(settings.businesses, clock, seal_with(settings.secret_key))
    return [
        EventConsumer(NAME, handlers, database, bus, clock),
        *lookup_loops(settings.businesses, database, bus.url),
        AgingLoop(Aging(database, settings.businesses, clock), database, holder),
        Relay(NAME, database, bus, clock, holder, idle),
    ]


def main() -> None:
    run_service(NAME, REQUIRED, INDEXES, loops)


if __name__ == "__main__":
    main()
