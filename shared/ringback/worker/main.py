"""How a service's worker process runs."""

from typing import Protocol

from ringback.bus.connection import Bus
from ringback.clock import Clock, system_clock
from ringback.process import process_name, start
from ringback.settings import Settings
from ringback.store.database import Database, Indexes
from ringback.worker.runtime import Loop, Worker, run_until_signal


class MakeLoops(Protocol):
    def __call__(
        self, settings: Settings, database: Database, bus: Bus, clock: Clock, holder: str, idle: float = ...
    ) -> list[Loop]:
        """What a worker runs; `holder` names the process, `idle` is how often an idle loop looks (seconds)."""


def run_service(name: str, required: tuple[str, ...], indexes: Indexes, make_loops: MakeLoops) -> None:
    """Run a service's worker until SIGTERM or SIGINT."""
    settings, database = start(name, ("RINGBACK_BUS_URL", *required), indexes)
    assert settings.bus_url is not None
    bus = Bus(settings.bus_url)
    run_until_signal(Worker(make_loops(settings, database, bus, system_clock, process_name())))
    database.close()
