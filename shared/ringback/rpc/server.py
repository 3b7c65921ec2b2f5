"""The answering side: a loop of a worker. Several workers share a queue.

The queue is classic and durable, and goes away QUEUE_EXPIRES_MS after its last server: a question is worth nothing
after its deadline, so nothing of it needs to be replicated or written to disk, and with nobody to answer the broker
returns it to the caller at once. Not transient, though that would fit: RabbitMQ refuses transient queues that are
not exclusive from 4.3 on (its release notes).
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pika
import structlog

from ringback.errors import RingbackError, error_name
from ringback.rpc.codec import encode_error
from ringback.rpc.link import Link

STEP_SECONDS = 0.5
PREFETCH = 50
QUEUE_EXPIRES_MS = 10_000
# Of questions without a deadline of their own.
LONGEST_WAIT_MS = 60_000
QUEUE_ARGUMENTS = {"x-queue-type": "classic", "x-expires": QUEUE_EXPIRES_MS, "x-message-ttl": LONGEST_WAIT_MS}
# Anything else would be a way to put messages of one's choice into any queue.
REPLY_PREFIX = "amq.rabbitmq.reply-to."
INTERNAL = encode_error("internal", "The lookup failed.")

Answer = Callable[[Sequence[bytes]], Sequence[bytes]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A delivery; `ends_at` by this process's monotonic clock: hosts need not agree on the time."""

    tag: int
    body: bytes
    reply_to: str
    correlation_id: str | None
    ends_at: float


class RpcServer:
    """Answers what waits together in one call of `answer`: bodies in, as many bodies out, in order.

    When `answer` raises a RingbackError all of them get it as their answer; after any other error each is tried by
    itself, and the one that fails is answered with `internal`. A request is acknowledged after its reply was
    sent: what a killed server held another one answers, if there is time left.
    """

    def __init__(self, name: str, url: str, queue: str, answer: Answer) -> None:
        self.name = name
        self.wakeup = threading.Event()
        self._url = url
        self._queue = queue
        self._answer = answer
        self._received: list[Request] = []
        self._channel: Any = None
        self._link: Any = None  # a Link, from the first step on

    def step(self) -> float:
        if self._link is None:
            self._link = Link(self._url, self.name, self._on_channel)
        self._link.run(STEP_SECONDS)
        return 0.0

    def reset(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None
        self._received = []

    def close(self) -> None:
        """Questions that were not answered go back to the queue, for another server."""
        self.reset()

    def _on_channel(self, channel: Any) -> None:
        self._channel = channel
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.queue_declare(self._queue, durable=True, arguments=QUEUE_ARGUMENTS, callback=self._on_queue)

    def _on_queue(self, _frame: Any) -> None:
        self._channel.basic_consume(self._queue, self._on_message)

    def _on_message(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        self._received.append(request_of(method.delivery_tag, properties, body, time.monotonic()))
        if len(self._received) == 1:
            self._link.next(self._answer_received)

    def _answer_received(self) -> None:
        batch, self._received = self._received, []
        live = self._live(batch)
        answers = self._answers([request.body for request in live])
        with self._link.together():
            for request, body in zip(live, answers, strict=True):
                self._reply(request, body)
            self._channel.basic_ack(batch[-1].tag, multiple=True)

    def _live(self, batch: Sequence[Request]) -> list[Request]:
        """Those that somebody still waits for, and that say where."""
        now = time.monotonic()
        live = [request for request in batch if request.ends_at > now and request.reply_to.startswith(REPLY_PREFIX)]
        if len(live) < len(batch):
            log.warning("rpc_server.dropped", queue=self._queue, count=len(batch) - len(live))
        return live

    def _reply(self, request: Request, body: bytes) -> None:
        properties = pika.BasicProperties(content_type="application/json", correlation_id=request.correlation_id)
        self._channel.basic_publish("", request.reply_to, body, properties)

    def _answers(self, bodies: Sequence[bytes]) -> Sequence[bytes]:
        if not bodies:
            return []
        try:
            return self._answer(bodies)
        except RingbackError as error:
            return [encode_error(error.code, error.message)] * len(bodies)
        except Exception as error:
            if len(bodies) > 1:
                return [answer for body in bodies for answer in self._answers([body])]
            log.error("rpc_server.failed", queue=self._queue, error=error_name(error), exc_info=error)
            return [INTERNAL]


def request_of(tag: int, properties: Any, body: bytes, now: float) -> Request:
    """A delivery as a request. One without a deadline has LONGEST_WAIT_MS."""
    expiration = properties.expiration or ""
    milliseconds = int(expiration) if expiration.isascii() and expiration.isdigit() else LONGEST_WAIT_MS
    return Request(tag, body, properties.reply_to or "", properties.correlation_id, now + milliseconds / 1000)
