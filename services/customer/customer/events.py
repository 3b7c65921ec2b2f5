"""What the customer service reacts to."""

from collections.abc import Mapping

from customer.handlers import KINDS, RecordEvents
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.worker.consumer import Handler


def subscriptions(businesses: Mapping[str, Business], clock: Clock) -> dict[str, Handler]:
    """One handler takes a whole batch, so that what it concerns is loaded once."""
    record_events = RecordEvents(businesses, clock)
    return dict.fromkeys(KINDS, record_events)
