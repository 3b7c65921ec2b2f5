"""What the notifier service reacts to."""

from collections.abc import Mapping

from notifier.handlers import RECORD, RecordEvents
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.seals import Seal
from ringback.worker.consumer import Handler


def subscriptions(businesses: Mapping[str, Business], clock: Clock, seal: Seal) -> dict[str, Handler]:
    """One handler takes a whole batch."""
    return dict.fromkeys(RECORD, RecordEvents(businesses, clock, seal))
