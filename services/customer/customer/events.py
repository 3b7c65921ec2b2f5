"""What the customer service reacts to."""

from collections.abc import Mapping

from customer.consents import RecordConsents
from customer.handlers import KINDS, RecordEvents
from ringback import consents
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.seals import Seal
from ringback.worker.consumer import Handler


def subscriptions(businesses: Mapping[str, Business], clock: Clock, seal: Seal) -> dict[str, Handler]:
    """One handler takes a whole batch, so that what it concerns is loaded once."""
    handlers: dict[str, Handler] = dict.fromkeys(KINDS, RecordEvents(businesses, clock, seal))
    return handlers | dict.fromkeys(consents.TYPES, RecordConsents(seal))
