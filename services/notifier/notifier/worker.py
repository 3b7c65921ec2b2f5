"""The notifier service's worker: takes requests, sends them, settles what is in doubt, and relays its own events."""

from notifier.app import NAME, REQUIRED, new_id
from notifier.dispatch import SendingLoop
from notifier.events import subscriptions
from notifier.recording import Recording
from notifier.reserving import Reserving
from notifier.settle_loop import SettlingLoop
from notifier.settling import Settling
from notifier.store import INDEXES
from notifier.twilio_api import TwilioMessages, dry_run
from ringback.bus.connection import Bus
from ringback.clock import Clock
from ringback.seals import seal_with
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.worker.consumer import EventConsumer
from ringback.worker.main import run_service
from ringback.worker.relay import IDLE_SECONDS, Relay
from ringback.worker.runtime import Loop

STATUS_CALLBACK = "/twilio/sms/status"


def loops(
    settings: Settings, database: Database, bus: Bus, clock: Clock, holder: str, idle: float = IDLE_SECONDS
) -> list[Loop]:
    """What the worker runs, as `ringback.worker.main.MakeLoops` has it."""
    assert settings.secret_key is not None
    seal = seal_with(settings.secret_key)
    return [
        EventConsumer(NAME, subscriptions(settings.businesses, clock, seal), database, bus, clock),
        *sending_loops(settings, database, clock, holder, idle),
        Relay(NAME, database, bus, clock, holder, idle),
    ]


def sending_loops(settings: Settings, database: Database, clock: Clock, holder: str, idle: float) -> list[Loop]:
    assert settings.secret_key is not None
    twilio = twilio_of(settings, clock)
    seal = seal_with(settings.secret_key)
    reserving = Reserving(database, settings.businesses, clock, seal, new_id, dry_run=twilio is None)
    recording = Recording(database, clock, seal)
    settling = Settling(database, clock, twilio.listed if twilio else None)
    return [
        SendingLoop(reserving, twilio.send if twilio else dry_run, recording, database, clock, idle),
        SettlingLoop(settling, database, holder),
    ]


def twilio_of(settings: Settings, clock: Clock) -> TwilioMessages | None:
    """The account that texts are sent by, None when there is none: then they are only recorded."""
    if not settings.twilio_account_known or not settings.twilio_account_sid or not settings.twilio_auth_tokens:
        return None
    return TwilioMessages(
        account_sid=settings.twilio_account_sid,
        tokens=settings.twilio_auth_tokens,
        callback_url=settings.public_url + STATUS_CALLBACK,
        clock=clock,
        base_url=settings.twilio_api_base_url,
    )


def main() -> None:
    run_service(NAME, REQUIRED, INDEXES, loops)


if __name__ == "__main__":
    main()
