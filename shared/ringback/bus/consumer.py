"""Consuming in batches, with every delivery acknowledged only when its effect is durable."""

import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from kombu import Consumer, Queue

from ringback.bus.message import Delivery

BATCH = 200
LINGER_SECONDS = 0.005


class BatchConsumer:
    """Takes what waits in one queue: up to `limit` messages, or what came within LINGER_SECONDS."""

    def __init__(self, connection: Any, queue: str, limit: int = BATCH) -> None:
        self._connection = connection
        self._channel = connection.channel()
        self._limit = limit
        self._received: deque[Delivery] = deque()
        self._consumer = Consumer(
            self._channel,
            [Queue(queue, no_declare=True)],
            on_message=self._on_message,
            on_decode_error=self._on_undecodable,
            prefetch_count=limit,
            auto_declare=False,
        )
        self._consumer.consume()

    def receive(self, timeout: float) -> list[Delivery]:
        """The next batch, in order of arrival; empty when nothing came within `timeout` seconds."""
        if not self._received:
            self._drain(timeout)
        linger_until = time.monotonic() + LINGER_SECONDS
        while self._received and len(self._received) < self._limit:
            remaining = linger_until - time.monotonic()
            if remaining <= 0 or not self._drain(remaining):
                break
        return [self._received.popleft() for _ in range(min(self._limit, len(self._received)))]

    def ack(self, batch: Sequence[Delivery]) -> None:
        """Acknowledge the batch that `receive` gave last, and with it everything before."""
        if batch:
            self._channel.basic_ack(batch[-1].tag, multiple=True)

    def close(self) -> None:
        """Stop taking messages; what is not acknowledged goes back to the queue."""
        self._consumer.cancel()
        self._channel.close()

    def _drain(self, timeout: float) -> bool:
        try:
            self._connection.drain_events(timeout=timeout)
        except TimeoutError:
            return False
        return True

    def _on_undecodable(self, message: Any, _error: Exception) -> None:
        """Whatever kombu makes of it: an error raised here would bring the whole batch back, again and again."""
        self._on_message(message)

    def _on_message(self, message: Any) -> None:
        body = message.body
        self._received.append(
            Delivery(
                body=body if isinstance(body, bytes) else str(body).encode(),
                headers=message.headers or {},
                message_id=message.properties.get("message_id") or "",
                tag=message.delivery_tag,
            )
        )
