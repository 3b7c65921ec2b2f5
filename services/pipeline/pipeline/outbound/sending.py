"""Inside another's unit of work: what happened becomes deliveries to endpoints."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.outbound import store
from pipeline.outbound.deliveries import new_delivery
from pipeline.outbound.payloads import body_of, message_id
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class Message:
    """What is to be sent. `cause` names what led to it, so that it is sent once to an endpoint.

    `phone` names who it is about where no customer is known.
    """

    kind: str
    at: datetime
    data: Mapping[str, Any]
    cause: tuple[str, ...]
    customer_id: str | None = None
    phone: str | None = None


def send(work: UnitOfWork, endpoint: Document, message: Message, now: datetime) -> str:
    """Put the message in the endpoint's queue, unless it was there before: its id."""
    delivery_id = message_id(endpoint["_id"], *message.cause)
    if work.get(store.DELIVERIES, delivery_id) or store.load_deliveries(work, [delivery_id]):
        return delivery_id
    body = body_of(message.kind, message.at, message.data)
    who = {"customer_id": message.customer_id, "phone": message.phone}
    work.save(store.DELIVERIES, new_delivery(delivery_id, endpoint, message.kind, body, now, store.KEPT, **who))
    return delivery_id


def subscribed(endpoints: Iterable[Document], business: str, kind: str) -> list[Document]:
    """Those of the endpoints that want to be told."""
    return [one for one in endpoints if one["business"] == business and one["active"] and kind in one["events"]]
