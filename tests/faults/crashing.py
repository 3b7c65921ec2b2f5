"""A worker that is killed at a chosen step of the write path.

Steps are the commands that write to MongoDB (one before it is sent, one after it was applied) and the calls that
publish and acknowledge on the bus (likewise). Killing is SIGKILL: nothing is cleaned up.
"""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from pymongo import monitoring
from pymongo.monitoring import CommandFailedEvent, CommandStartedEvent, CommandSucceededEvent

import call_ingest.store
import call_ingest.worker
import customer.store
import customer.worker
import ringback.worker.consumer
from ringback.bus.connection import Bus
from ringback.bus.consumer import BatchConsumer
from ringback.bus.embedded import release_leases
from ringback.bus.publisher import ConfirmedPublisher
from ringback.clock import system_clock
from ringback.errors import Transient
from ringback.rpc.server import RpcServer
from ringback.settings import load_settings
from ringback.store.database import OUTBOX, Database, open_database

WRITES = frozenset({"insert", "update", "delete", "findAndModify", "commitTransaction"})
HOLDER = "the one that crashes"
QUIET_SECONDS = 20.0


class Steps(monitoring.CommandListener):
    """Counts steps, and kills this process at the `fatal` one (0: never)."""

    def __init__(self, fatal: int) -> None:
        self.fatal = fatal
        self.taken = 0

    def take(self) -> None:
        self.taken += 1
        if self.taken == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name in WRITES:
            self.take()

    def succeeded(self, event: CommandSucceededEvent) -> None:
        if event.command_name in WRITES:
            self.take()

    def failed(self, event: CommandFailedEvent) -> None:
        """A failed write changed nothing."""

    def around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            self.take()
            result = method(*args, **kwargs)
            self.take()
            return result

        return stepped


def run(mongo_url: str, bus_url: str, event_ids: list[str], fatal: int, report: Any) -> None:
    """Work until the customer service handled `event_ids` and all is quiet; puts the number of steps."""
    steps = Steps(fatal)
    _make_indexes(mongo_url)
    monitoring.register(steps)
    databases = open_database(mongo_url, "call-ingest"), open_database(mongo_url, "customer")
    bus = Bus(bus_url)
    if bus.embedded:
        release_leases(bus_url, system_clock)
    _watch(steps)
    loops = _loops(databases, bus)
    deadline = time.monotonic() + QUIET_SECONDS
    while not _quiet(databases, event_ids):
        for loop in loops:
            _step(loop)
        if time.monotonic() > deadline:
            raise TimeoutError("The worker did not finish.")
    for loop in loops:
        loop.close()
    report.put(steps.taken)


def _step(loop: Any) -> None:
    """As the worker's runtime does: what may pass is tried again (a killed worker's transaction, for one)."""
    try:
        loop.step()
    except Transient:
        loop.reset()
        time.sleep(0.02)


def _make_indexes(mongo_url: str) -> None:
    for name, indexes in (("call-ingest", call_ingest.store.INDEXES), ("customer", customer.store.INDEXES)):
        database = open_database(mongo_url, name)
        database.ensure_indexes(indexes)
        database.close()


def _watch(steps: Steps) -> None:
    for owner, name in (
        (ConfirmedPublisher, "publish"),
        (BatchConsumer, "ack"),
    ):
        setattr(owner, name, steps.around(getattr(owner, name)))


def _loops(databases: tuple[Database, Database], bus: Bus) -> list[Any]:
    settings = load_settings({"RINGBACK_SECRET_KEY": "s" * 40})
    ringback.worker.consumer.RECEIVE_SECONDS = 0.02
    ingest, customers = databases
    loops = [
        *call_ingest.worker.loops(settings, ingest, bus, system_clock, HOLDER),
        *customer.worker.loops(settings, customers, bus, system_clock, HOLDER),
    ]
    return [loop for loop in loops if not isinstance(loop, RpcServer)]  # it writes nothing


def _quiet(databases: tuple[Database, Database], event_ids: list[str]) -> bool:
    ingest, customers = databases
    waiting = ingest["raw_requests"].count_documents({"pending": True})
    waiting += sum(database[OUTBOX].count_documents({}) for database in databases)
    return waiting == 0 and customers["inbox"].count_documents({"_id": {"$in": event_ids}}) == len(event_ids)
