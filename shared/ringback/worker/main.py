"""How a service's worker process runs."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from types import FrameType
from typing import Protocol

from ringback.bus.connection import Bus
from ringback.bus.topology import Topology, own_topology
from ringback.clock import Clock, system_clock
from ringback.errors import InvalidSettings
from ringback.process import database_of, process_name, settings_of
from ringback.settings import OWN, Settings
from ringback.store.database import Database, Indexes
from ringback.worker.health import Health, served
from ringback.worker.runtime import Loop, Worker, run_until_signal


class MakeLoops(Protocol):
    def __call__(
        self, settings: Settings, database: Database, bus: Bus, clock: Clock, holder: str, idle: float = ...
    ) -> list[Loop]:
        """What a worker runs; `holder` names the process, `idle` is how often an idle loop looks (seconds)."""


def run_service(name: str, required: tuple[str, ...], indexes: Indexes, make_loops: MakeLoops) -> None:
    """Run a service's worker until SIGTERM or SIGINT; with a health port, health is answered from the beginning."""
    signal.signal(signal.SIGTERM, _end)
    settings = settings_of(("RINGBACK_BUS_URL", *required))
    health = Health()
    with ExitStack() as stack:
        stack.enter_context(_answering(health, settings.health_port))
        database = stack.enter_context(closing(database_of(settings, name, indexes)))
        worker = Worker(make_loops(settings, database, _bus(settings, name), system_clock, process_name()))
        health.watch(worker.alive, {"mongo": database.ping, "loops": worker.check})
        run_until_signal(worker)


def _bus(settings: Settings, name: str) -> Bus:
    assert settings.bus_url is not None
    return Bus(settings.bus_url, own_topology(name) if settings.declares == OWN else Topology())


@contextmanager
def _answering(health: Health, port: int | None) -> Iterator[None]:
    try:
        with nullcontext() if port is None else served(health, port):
            yield
    except InvalidSettings as error:
        raise SystemExit(error.message) from error


def _end(_number: int, _frame: FrameType | None) -> None:
    """A process that is the first of its container ignores SIGTERM unless it says otherwise."""
    raise SystemExit(0)
