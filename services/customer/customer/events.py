"""What the customer service reacts to."""

from collections.abc import Mapping

from customer.handlers import RecordCalls
from ringback.businesses import Business
from ringback.worker.consumer import Handler


def subscriptions(businesses: Mapping[str, Business]) -> dict[str, Handler]:
    record_calls = RecordCalls(businesses)
    return {
        "call.started": record_calls,
        "call.completed": record_calls,
        "call.missed": record_calls,
    }
