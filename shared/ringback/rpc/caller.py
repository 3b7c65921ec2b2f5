"""The asking side: calls from any thread; one connection in a thread of its own, made again when it is lost."""

import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any

import pika
import structlog

from ringback.errors import error_name
from ringback.rpc.errors import LookupTimedOut, LookupUnavailable
from ringback.rpc.link import Link, parameters

REPLIES = "amq.rabbitmq.reply-to"
SLICE_SECONDS = 1.0
PAUSE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)
LONGEST_DEADLINE = 3600.0

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Call:
    """One question under way; `outcome` gets the answer, or the error to raise."""

    id: str
    body: bytes
    ends_at: float
    outcome: SimpleQueue[bytes | Exception] = field(default_factory=SimpleQueue)
    line: "Line | None" = None


class Caller:
    """Thread-safe. Connects with the first call, and so after any fork. `name` shows at the broker."""

    def __init__(self, url: str, queue: str, name: str) -> None:
        parameters(url, name)  # a malformed URL is told here, not in the thread
        self._url, self._queue, self._name = url, queue, name
        self._ids = count(1)
        self._unsent: deque[Call] = deque()
        # Written by callers and read by the connection's thread; each single step on it is atomic.
        self._waiting: dict[str, Call] = {}
        self._line: Line | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = threading.Event()

    def call(self, body: bytes, deadline: float) -> bytes:
        """The answer, within `deadline` seconds. Raises LookupUnavailable or LookupTimedOut."""
        if not 0 < deadline <= LONGEST_DEADLINE:
            raise ValueError(f"A deadline is more than 0 and at most {LONGEST_DEADLINE:.0f} seconds.")
        call = Call(str(next(self._ids)), body, time.monotonic() + deadline)
        self._waiting[call.id] = call
        try:
            self._hand_over(call)
            outcome = call.outcome.get(timeout=deadline)
        except Empty:
            raise _overdue(call) from None
        finally:
            del self._waiting[call.id]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        """End the connection; calls under way raise LookupUnavailable."""
        with self._starting:
            self._closed.set()
        if self._line is not None:
            self._line.interrupt()
        if self._thread is not None:
            self._thread.join()
        self._refuse(list(self._waiting.values()), "The client is closed.")

    def _hand_over(self, call: Call) -> None:
        # First the call, then the line: a line that is replaced meanwhile leaves it to the next one.
        self._unsent.append(call)
        if self._thread is None or self._closed.is_set():
            self._start()
        line = self._line
        if line is not None:
            line.wake()

    def _start(self) -> None:
        with self._starting:
            if self._closed.is_set():
                raise LookupUnavailable("The client is closed.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        failures = 0
        while not self._closed.is_set():
            try:
                self._serve()
            except Exception as error:
                failures = 0 if self._line is not None and self._line.ready else failures + 1
                log.warning("lookup_client.disconnected", reason=error_name(error), failures=failures)
            self._closed.wait(_pause(failures))

    def _serve(self) -> None:
        """Over one connection, until it is lost or the client is closed."""
        line = Line(self._url, self._queue, self._name, self._unsent, self._waiting)
        self._line = line
        try:
            line.run(self._closed)
        finally:
            line.close()
            self._refuse([call for call in list(self._waiting.values()) if call.line is line], "The broker is gone.")

    def _refuse(self, calls: list[Call], message: str) -> None:
        for call in calls:
            call.outcome.put(LookupUnavailable(message))


class Line:
    """The calls' way over one connection. Sends what is unsent as soon as it can."""

    def __init__(self, url: str, queue: str, name: str, unsent: deque[Call], waiting: dict[str, Call]) -> None:
        self.ready = False
        self._queue = queue
        self._unsent = unsent
        self._waiting = waiting
        self._woken = False
        self._channel: Any = None
        self._link = Link(url, name, self._on_channel)
        self.close, self.interrupt = self._link.close, self._link.interrupt

    def run(self, closed: threading.Event) -> None:
        """Until `closed` is set. Raises BusUnavailable."""
        while not closed.is_set():
            self._link.run(SLICE_SECONDS)

    def wake(self) -> None:
        """Something is unsent; from any thread. Many calls at once wake the connection's thread once."""
        if not self._woken:
            self._woken = True
            self._link.soon(self._send)

    def _on_channel(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_return_callback(self._on_return)
        channel.basic_consume(REPLIES, self._on_answer, auto_ack=True, callback=self._on_ready)

    def _on_ready(self, _frame: Any) -> None:
        self.ready = True
        self._send()

    def _send(self) -> None:
        self._woken = False
        with self._link.together():
            while self.ready and self._unsent:
                self._publish(self._unsent.popleft())

    def _publish(self, call: Call) -> None:
        seconds = call.ends_at - time.monotonic()
        if seconds <= 0:
            return
        call.line = self
        properties = pika.BasicProperties(
            content_type="application/json",
            correlation_id=call.id,
            reply_to=REPLIES,
            expiration=str(max(1, int(seconds * 1000))),
        )
        self._channel.basic_publish("", self._queue, call.body, properties, mandatory=True)

    def _on_answer(self, _channel: Any, _method: Any, properties: Any, body: bytes) -> None:
        self._settle(properties, body)

    def _on_return(self, _channel: Any, _method: Any, properties: Any, _body: bytes) -> None:
        self._settle(properties, LookupUnavailable("Nobody serves lookups."))

    def _settle(self, properties: Any, outcome: bytes | Exception) -> None:
        """Whoever asked may have given up: then nobody is told."""
        call = self._waiting.get(properties.correlation_id)
        if call is not None:
            call.outcome.put(outcome)


def _overdue(call: Call) -> LookupTimedOut | LookupUnavailable:
    if call.line is None:
        return LookupUnavailable("The broker was out of reach until the deadline.")
    return LookupTimedOut("No answer came before the deadline.")


def _pause(failures: int) -> float:
    longest = PAUSE_SECONDS[min(failures, len(PAUSE_SECONDS) - 1)]
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads load, no secret
