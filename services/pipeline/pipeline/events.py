"""What the pipeline service reacts to."""

from collections.abc import Mapping

from ringback.businesses import Business
from ringback.clock import Clock
from ringback.seals import Seal
from ringback.worker.consumer import Handler


def subscriptions(businesses: Mapping[str, Business], clock: Clock, seal: Seal) -> dict[str, Handler]:
    return {}
