"""What the steps of sending hand to each other. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from notifier.outcomes import Answer

Document = dict[str, Any]

# Why somebody who reserved a text did not try to send it.
TOO_LATE, STOPPED, NOT_COMMITTED = "too_late", "stopped", "not_committed"
NOT_TRIED = frozenset({TOO_LATE, STOPPED, NOT_COMMITTED})


@dataclass(frozen=True, slots=True)
class Order:
    """A reserved text, to be handed to Twilio at `slot`, once, by whoever reserved it."""

    message_id: str
    request_id: str
    business: str
    to: str = field(repr=False)
    body: str = field(repr=False)
    sender: str
    attempt_id: str
    slot: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an order, and when."""

    order: Order
    answer: Answer
    at: datetime


def order_of(message: Document) -> Order:
    return Order(
        message_id=message["_id"],
        request_id=message["request_id"],
        business=message["business"],
        to=message["to"],
        body=message["body"],
        sender=message["sender"],
        attempt_id=message["attempt_id"],
        slot=message["attempted_at"],
        expires_at=message["expires_at"],
    )
