"""What call-ingest reacts to."""

from call_ingest.erasures import RecordErasures
from ringback.clock import Clock
from ringback.seals import Seal
from ringback.worker.consumer import Handler


def subscriptions(clock: Clock, seal: Seal) -> dict[str, Handler]:
    return {"customer.deleted": RecordErasures(seal, clock)}
