"""Publishing with confirms: what `publish` returned from is the broker's.

py-amqp's own `basic_publish_confirm` takes any ack for the one it waits for, so that after a time-out a late ack
confirms the wrong message, and it waits for each message in turn. Here a whole batch is sent and every delivery
tag is awaited by itself.
"""

import time
from collections.abc import Sequence
from itertools import count
from typing import Any, Protocol

from ringback.bus.message import Message
from ringback.errors import BusUnavailable

PERSISTENT = 2
CONFIRM_SECONDS = 5.0


class Publisher(Protocol):
    def publish(self, messages: Sequence[Message]) -> set[str]:
        """Publish durably; the ids of mandatory messages that no queue took.

        Raises when any of the others was not confirmed: the outcome is unknown, and the connection must be
        thrown away.
        """


class ConfirmedPublisher:
    """Publisher confirms of RabbitMQ on a channel of its own."""

    def __init__(self, connection: Any, confirm_seconds: float = CONFIRM_SECONDS) -> None:
        self._connection = connection
        self._channel = connection.channel()
        self._confirm_seconds = confirm_seconds
        self._tags = count(1)
        self._pending: dict[int, str] = {}
        self._unroutable: set[str] = set()
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)

    def publish(self, messages: Sequence[Message]) -> set[str]:
        self._unroutable = set()
        for message in messages:
            self._pending[next(self._tags)] = message.id
            self._channel.basic_publish(
                prepare(self._channel, message),
                exchange=message.exchange,
                routing_key=message.routing_key,
                mandatory=message.mandatory,
                timeout=self._confirm_seconds,
            )
        self._await_confirms()
        return self._unroutable

    def _await_confirms(self) -> None:
        deadline = time.monotonic() + self._confirm_seconds
        while self._pending:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise BusUnavailable(f"{len(self._pending)} messages were not confirmed in time.")
            try:
                self._connection.drain_events(timeout=remaining)
            except TimeoutError:
                continue

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:
        if not multiple:
            self._pending.pop(delivery_tag, None)
            return
        for tag in [tag for tag in self._pending if tag <= delivery_tag]:
            del self._pending[tag]

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:
        raise BusUnavailable("The broker refused a message; a queue is full or failing.")

    def _on_return(self, _error: Exception, _exchange: str, _routing_key: str, message: Any) -> None:
        self._unroutable.add(message.properties["message_id"])


class EmbeddedPublisher:
    """The embedded transport takes a batch in one journaled insert."""

    def __init__(self, connection: Any) -> None:
        self._channel = connection.channel()

    def publish(self, messages: Sequence[Message]) -> set[str]:
        with self._channel.one_insert():
            routed = {
                message.id: self._channel.basic_publish(
                    prepare(self._channel, message),
                    exchange=message.exchange,
                    routing_key=message.routing_key,
                )
                for message in messages
            }
        return {message.id for message in messages if message.mandatory and not routed[message.id]}


def prepare(channel: Any, message: Message) -> Any:
    properties: dict[str, Any] = {"message_id": message.id, "delivery_mode": PERSISTENT}
    if message.expires_ms is not None:
        properties["expiration"] = str(message.expires_ms)
    body = message.body if isinstance(message.body, bytes) else message.body.encode()
    return channel.prepare_message(
        body,
        content_type=message.content_type,
        content_encoding="binary",
        headers=dict(message.headers),
        properties=properties,
    )
