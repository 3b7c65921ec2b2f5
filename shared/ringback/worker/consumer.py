"""The consumer loop: messages → batch → handlers → one transaction → ack."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from ringback.bus.connection import Bus, discard, keep_alive
from ringback.bus.consumer import BatchConsumer
from ringback.bus.message import Delivery, Message
from ringback.bus.outlet import Outlet
from ringback.bus.verdict import Fate, judge
from ringback.clock import Clock
from ringback.contracts.envelope import Event, decode
from ringback.errors import (
    BusUnavailable,
    Permanent,
    StoreUnavailable,
    describe,
    error_name,
)
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork
from ringback.worker.batch import commit_batch

RECEIVE_SECONDS = 1.0
OUTAGE_PAUSE_SECONDS = 1.0

log = structlog.get_logger(__name__)

Handler = Callable[[UnitOfWork, Sequence[Event]], None]
"""Takes all its events of a batch: loads the documents that they concern, changes them, saves. No other I/O."""


class EventConsumer:
    """Handles a service's events with the effect of each exactly once.

    A batch is one transaction; how a bad event is kept from hurting the others says `commit_batch`. It is retried,
    parked or dead by `judge`, and acknowledged once that was confirmed. While MongoDB or the way to the retry and
    dead queues is away, the batch is held: nothing is judged, nothing is redelivered, and heartbeats go on.
    """

    def __init__(
        self,
        service: str,
        subscriptions: Mapping[str, Handler],
        database: Database,
        bus: Bus,
        clock: Clock,
    ) -> None:
        self.name = f"{service}.consumer"
        self.wakeup = threading.Event()
        self._service = service
        self._subscriptions = subscriptions
        self._database = database
        self._bus = bus
        self._clock = clock
        self._connection: Any = None
        self._consumer: BatchConsumer | None = None
        self._outlet = Outlet(bus, f"{service}.forwarder")
        self._batch: list[Delivery] = []
        self._failed: list[Message] | None = None

    def step(self) -> float:
        consumer = self._connected()
        keep_alive(self._connection)
        self._outlet.keep_alive()
        self._batch = self._batch or consumer.receive(RECEIVE_SECONDS)
        if not self._batch:
            return 0.0
        try:
            self._settle()
        except (StoreUnavailable, BusUnavailable) as error:
            log.warning("consumer.held", service=self._service, size=len(self._batch), reason=error.message)
            return OUTAGE_PAUSE_SECONDS
        consumer.ack(self._batch)
        self._batch, self._failed = [], None
        return 0.0

    def reset(self) -> None:
        if self._connection is not None:
            discard(self._connection)
        self._outlet.close()
        self._connection = self._consumer = None
        self._batch, self._failed = [], None

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
        self.reset()

    def handle(self, batch: Sequence[Delivery]) -> list[Message]:
        """Make the batch's effects durable; the messages that its failed events have to be published as.

        Raises StoreUnavailable: the whole batch is to be handled again.
        """
        failed: list[Message] = []

        def refuse(item: tuple[Delivery, Event], error: Exception) -> None:
            failed.append(self._judge(item[0], error))

        events = self._decode(batch, failed)
        commit_batch(events, lambda items: self._commit([event for _, event in items]), refuse)
        return failed

    def _connected(self) -> BatchConsumer:
        if self._consumer is None:
            self._connection = self._bus.connect(self.name)
            self._consumer = BatchConsumer(self._connection, self._service)
        return self._consumer

    def _settle(self) -> None:
        """Handle the batch and forward what failed; what was done before an outage is not done again after it."""
        if self._failed is None:
            self._failed = self.handle(self._batch)
        if self._failed and self._outlet.publish(self._failed):
            raise BusUnavailable("A queue for retries or dead letters is missing.")

    def _decode(self, batch: Sequence[Delivery], failed: list[Message]) -> list[tuple[Delivery, Event]]:
        events = []
        for delivery in batch:
            try:
                events.append((delivery, self._understood(delivery)))
            except Exception as error:
                failed.append(self._judge(delivery, error))
        return events

    def _understood(self, delivery: Delivery) -> Event:
        event = decode(delivery.body)
        if event.type not in self._subscriptions:
            raise Permanent("Nothing here handles this type.", code="not_subscribed")
        return event

    def _commit(self, events: Sequence[Event]) -> None:
        work = UnitOfWork(self._database, self._clock)
        by_handler: dict[Handler, list[Event]] = {}
        for event in work.unseen(events):
            by_handler.setdefault(self._subscriptions[event.type], []).append(event)
            work.mark_handled(event)
        for handler, group in by_handler.items():
            handler(work, group)
        work.commit()

    def _judge(self, delivery: Delivery, error: Exception) -> Message:
        verdict = judge(self._service, delivery, error, self._bus.topology.retry_seconds)
        report = log.warning if verdict.fate is Fate.RETRY else log.error
        report(
            f"consumer.{verdict.fate.value}",
            service=self._service,
            event_id=delivery.message_id,
            attempt=verdict.attempt,
            code=error_name(error),
            reason=describe(error),
        )
        return verdict.message
