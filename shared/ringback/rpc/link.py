"""One connection to RabbitMQ with an I/O loop of its own, driven by the thread that calls `run`.

Pika's asynchronous connection: nothing that the broker does or leaves undone can block the thread, and what is
published in one turn of the loop goes out together. After any error a link is thrown away, never mended.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pika
from pika.exceptions import AMQPError

from ringback.errors import BusUnavailable, InvalidSettings, error_name

SCHEMES = ("amqp", "amqps")
HEARTBEAT_SECONDS = 10
CONNECT_SECONDS = 3
BLOCKED_SECONDS = 10
GOODBYE_SECONDS = 0.5

# Pika logs every refused connection several times, with tracebacks; whoever owns a link tells once, by code.
logging.getLogger("pika").setLevel(logging.CRITICAL)


def is_rabbitmq(url: str) -> bool:
    return urlsplit(url).scheme in SCHEMES


def parameters(url: str, name: str) -> Any:
    """How to connect; `name` shows at the broker. Raises InvalidSettings without quoting the URL."""
    try:
        known = pika.URLParameters(url)
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidSettings(f"The URL of RabbitMQ is malformed ({type(error).__name__}).") from None
    known.virtual_host = known.virtual_host or "/"  # kombu writes the default one as an empty last part
    known.heartbeat = HEARTBEAT_SECONDS
    known.blocked_connection_timeout = BLOCKED_SECONDS
    known.socket_timeout = known.stack_timeout = CONNECT_SECONDS
    known.connection_attempts = 1
    known.client_properties = {"connection_name": name}
    return known


class _Connection(pika.SelectConnection):
    """Pika writes each frame to the socket by itself, and a message is three: here they can go in one piece."""

    _held: list[bytes] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        held: list[bytes] = []
        self._held = held
        try:
            yield
        finally:
            self._held = None
            if held:
                self._adapter_emit_data(b"".join(held))

    def _adapter_emit_data(self, data: bytes) -> None:
        """What pika has its adapters override to say how bytes go out."""
        if self._held is None:
            super()._adapter_emit_data(data)
        else:
            self._held.append(data)


class Link:
    """`on_channel` gets the open channel, in `run`. For one thread, `soon` excepted."""

    def __init__(self, url: str, name: str, on_channel: Callable[[Any], None]) -> None:
        self._on_channel = on_channel
        self._failure: str | None = None
        self._connection = _Connection(
            parameters(url, name),
            on_open_callback=self._on_open,
            on_open_error_callback=self._on_end,
            on_close_callback=self._on_end,
        )
        self._loop = self._connection.ioloop

    def run(self, seconds: float) -> None:
        """Send, receive and call back for so long. Raises BusUnavailable as soon as the connection is of no use."""
        timer = self._loop.call_later(seconds, self._loop.stop)
        try:
            self._loop.start()
        except AMQPError as error:
            raise BusUnavailable(f"The broker is out of reach ({error_name(error)}).") from error
        finally:
            self._loop.remove_timeout(timer)
        if self._failure is not None:
            raise BusUnavailable(f"The broker is out of reach ({self._failure}).")

    def together(self) -> AbstractContextManager[None]:
        """What is published and acknowledged inside goes out in one piece."""
        return self._connection.together()

    def next(self, callback: Callable[[], None]) -> None:
        """Call back in `run`, when all that has arrived was taken in."""
        self._loop.call_later(0, callback)

    def soon(self, callback: Callable[[], None]) -> None:
        """Call back in `run`; may be asked from any thread, and is forgotten once the link is closed."""
        self._loop.add_callback_threadsafe(callback)

    def interrupt(self) -> None:
        """End the present or the next `run`; from any thread."""
        self.soon(self._loop.stop)

    def close(self) -> None:
        """Say goodbye, and leave without an answer when none comes. Raises nothing."""
        with suppress(Exception):
            self._say_goodbye()
        with suppress(Exception):
            self._abort()
        with suppress(Exception):
            self._loop.close()

    def _say_goodbye(self) -> None:
        if self._connection.is_open:
            self._connection.close()
            self.run(GOODBYE_SECONDS)

    def _abort(self) -> None:
        if not self._connection.is_closed:
            reason = BusUnavailable("Given up.")
            self._connection._terminate_stream(reason)  # noqa: SLF001 - close() would wait for the broker for ever
            self.run(GOODBYE_SECONDS)

    def _on_open(self, connection: Any) -> None:
        connection.channel(on_open_callback=self._on_channel_open)

    def _on_channel_open(self, channel: Any) -> None:
        channel.add_on_close_callback(self._on_end)
        channel.add_on_cancel_callback(self._on_cancel)
        self._on_channel(channel)

    def _on_cancel(self, _frame: Any) -> None:
        self._fail("the queue was deleted")

    def _on_end(self, _connection_or_channel: Any, reason: BaseException) -> None:
        self._fail(type(reason).__name__)

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason
        self._loop.stop()
