"""Exchange, queues and bindings, as data: DESIGN section 5.

    ringback ──type──▶ <service> ──failed──▶ <service>.retry.<n>s ──n seconds──▶ <service>
                                 ──hopeless─▶ <service>.dead     ──newer version──▶ <service>.parked

Queues are quorum queues with at-least-once dead lettering, which needs `reject-publish`
(rabbitmq.com/docs/quorum-queues#dead-lettering). Declaring is idempotent.
"""

from dataclasses import dataclass, field
from typing import Any

from kombu import Exchange, Queue

from ringback.contracts.catalogue import consuming_services, subscriptions_of

EXCHANGE = "ringback"
RETRY_SECONDS = (5, 30, 120, 600, 3600)
# How often a message may kill its consumer before the broker gives it up; a batch's neighbours count along.
DELIVERY_LIMIT = 20
QUORUM = {"x-queue-type": "quorum"}


def retry_queue(service: str, seconds: int) -> str:
    return f"{service}.retry.{seconds}s"


def dead_queue(service: str) -> str:
    return f"{service}.dead"


def parked_queue(service: str) -> str:
    return f"{service}.parked"


@dataclass(frozen=True)
class Topology:
    """What has to exist for `services` to exchange events; by default the whole catalogue.

    With `exchange_exists` the exchange is only looked for: who may not make it can still make its own queues.
    """

    services: tuple[str, ...] = field(default_factory=consuming_services)
    retry_seconds: tuple[int, ...] = RETRY_SECONDS
    exchange_exists: bool = False

    def declare(self, channel: Any) -> None:
        exchange = Exchange(EXCHANGE, "topic", durable=True, passive=self.exchange_exists)
        exchange(channel).declare()
        for service in self.services:
            for queue in self._queues(service, exchange):
                queue(channel).declare()

    def _queues(self, service: str, exchange: Exchange) -> list[Queue]:
        dead = dead_queue(service)
        return [
            Queue(dead, durable=True, queue_arguments=QUORUM),
            Queue(parked_queue(service), durable=True, queue_arguments=QUORUM),
            *(self._retry_queue(service, seconds) for seconds in self.retry_seconds),
            *self._work_queue(service, exchange, _dead_lettered(dead) | {"x-delivery-limit": DELIVERY_LIMIT}),
        ]

    def _retry_queue(self, service: str, seconds: int) -> Queue:
        arguments = _dead_lettered(service) | {"x-message-ttl": seconds * 1000}
        return Queue(retry_queue(service, seconds), durable=True, queue_arguments=arguments)

    def _work_queue(self, service: str, exchange: Exchange, arguments: dict[str, Any]) -> list[Queue]:
        return [
            Queue(service, exchange, routing_key=event_type, durable=True, queue_arguments=arguments)
            for event_type in subscriptions_of(service)
        ]


def own_topology(service: str) -> Topology:
    """What a service may declare that has a broker user of its own; somebody has declared all of it before."""
    return Topology(tuple(name for name in consuming_services() if name == service), exchange_exists=True)


def _dead_lettered(queue: str) -> dict[str, Any]:
    return QUORUM | {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
