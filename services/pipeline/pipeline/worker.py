"""The pipeline service's worker."""

from pipeline.app import NAME, REQUIRED
from pipeline.automation.loops import automation_loops
from pipeline.events import subscriptions
from pipeline.indexes import INDEXES
from pipeline.outbound.delivering import delivery_loop
from ringback.bus.connection import Bus
from ringback.clock import Clock
from ringback.seals import seal_with
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.worker.consumer import EventConsumer
from ringback.worker.main import run_service
from ringback.worker.relay import IDLE_SECONDS, Relay
from ringback.worker.runtime import Loop


def loops(
    settings: Settings, database: Database, bus: Bus, clock: Clock, holder: str, idle: float = IDLE_SECONDS
) -> list[Loop]:
    """What the worker runs, as `ringback.worker.main.MakeLoops` has it."""
    assert settings.secret_key is not None
    seal = seal_with(settings.secret_key)
    return [
        EventConsumer(NAME, subscriptions(settings.businesses, clock, seal), database, bus, clock),
        *automation_loops(database, settings.businesses, clock, holder),
        delivery_loop(settings, database, clock),
        Relay(NAME, database, bus, clock, holder, idle),
    ]


def main() -> None:
    run_service(NAME, REQUIRED, INDEXES, loops)


if __name__ == "__main__":
    main()
