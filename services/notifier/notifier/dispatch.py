"""The loop that sends: reserve, hand to Twilio in threads, record. Any number of workers may run one."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from notifier import store
from notifier.orders import NOT_COMMITTED, STOPPED, Order, Result
from notifier.outcomes import Ambiguous, NotReached
from notifier.recording import Recording
from notifier.reserving import AHEAD, Reserving
from notifier.twilio_api import Send
from ringback.clock import Clock
from ringback.errors import StoreUnavailable, Transient, describe, error_name
from ringback.store.database import Database
from ringback.worker.batch import commit_batch

# With a fifth of a second for an answer of Twilio's that is about eighty texts a second.
THREADS = 32
MOST_BUSINESSES = 20
# What was answered within it is recorded together, what may be sent within it is reserved together.
TICK_SECONDS = 0.1

log = structlog.get_logger(__name__)


class SendingLoop:
    """What is in hand when the process ends in order is finished and recorded; after a kill settling.py finds out."""

    name = "notifier.send"

    def __init__(
        self,
        reserving: Reserving,
        send: Send,
        recording: Recording,
        database: Database,
        clock: Clock,
        idle: float,
    ) -> None:
        self.wakeup = threading.Event()
        self._reserving = reserving
        self._send = send
        self._recording = recording
        self._database = database
        self._clock = clock
        self._idle = idle
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix=self.name)
        self._in_flight: dict[Future[Result], Order] = {}
        self._unrecorded: list[Result] = []
        self._served_last = ""
        self._stopping = threading.Event()

    def step(self) -> float:
        self._record()
        if len(self._in_flight) < THREADS and not self._reserving.is_paused():
            self._reserve()
        return TICK_SECONDS if self._in_flight else self._idle

    def reset(self) -> None:
        """What came of texts that were sent is kept until it is recorded."""

    def close(self) -> None:
        self._stopping.set()
        self._pool.shutdown()
        self._record()

    # Reserving.

    def _reserve(self) -> None:
        businesses = self._due_businesses()
        if businesses:
            commit_batch(businesses, self._reserve_of, self._put_off)
            self._served_last = businesses[-1]

    def _due_businesses(self) -> list[str]:
        due = store.due_businesses(self._database, self._clock(), self._served_last, MOST_BUSINESSES)
        return [business for business in due if business in self._reserving.businesses]

    def _reserve_of(self, businesses: Sequence[str]) -> None:
        reservation = self._reserving.prepare(businesses, THREADS - len(self._in_flight))
        try:
            reservation.work.commit()
        except StoreUnavailable:
            # It may have been committed, but nothing of it was sent: that much is certain.
            now = self._clock()
            self._unrecorded += [Result(order, NotReached(NOT_COMMITTED), now) for order in reservation.orders]
            raise
        for order in reservation.orders:
            self._in_flight[self._pool.submit(self._deliver, order)] = order

    def _put_off(self, business: str, error: Exception) -> None:
        log.error("send.put_off", business=business, code=error_name(error), reason=describe(error))
        # A worker that was killed blocks what it was writing for a while: that is no text's fault.
        if not isinstance(error, Transient):
            self._reserving.put_off(business)

    # Sending, in a thread of the pool.

    def _deliver(self, order: Order) -> Result:
        delay = min(order.slot - self._clock(), AHEAD).total_seconds()
        if self._stopping.wait(max(delay, 0.0)):
            return Result(order, NotReached(STOPPED), self._clock())
        return Result(order, self._send(order), self._clock())

    # Recording.

    def _record(self) -> None:
        for future in [one for one in self._in_flight if one.done()]:
            self._unrecorded.append(self._result_of(future, self._in_flight.pop(future)))
        if self._unrecorded:
            still: list[Result] = []

            def refuse(result: Result, error: Exception) -> None:
                _report_unrecorded(result, error)
                still.extend([result] if isinstance(error, Transient) else [])

            commit_batch(self._unrecorded, self._recording.record, refuse)
            self._unrecorded = still

    def _result_of(self, future: Future[Result], order: Order) -> Result:
        error = future.exception()
        if error is None:
            return future.result()
        log.error("send.failed", message_id=order.message_id, code=type(error).__name__)
        return Result(order, Ambiguous(type(error).__name__), self._clock())


def _report_unrecorded(result: Result, error: Exception) -> None:
    """What cannot be recorded at all is settled as if this worker had died."""
    log.error(
        "send.not_recorded",
        message_id=result.order.message_id,
        code=error_name(error),
        reason=describe(error),
    )
