"""The consumer loop: messages → batch → handlers → one transaction → ack."""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from ringback.bus.connection import Bus, discard, keep_alive
from ringback.bus.consumer import BatchConsumer
from ringback.bus.message import Delivery, Message
from ringback.bus.publisher import Publisher
from ringback.bus.verdict import Fate, judge
from ringback.clock import Clock
from ringback.contracts.envelope import Event, decode
from ringback.errors import (
    BusUnavailable,
    ConcurrentUpdate,
    Permanent,
    StoreUnavailable,
    describe,
    error_name,
)
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork

RECEIVE_SECONDS = 1.0
CONFLICT_ATTEMPTS = 8
OUTAGE_PAUSE_SECONDS = 1.0

log = structlog.get_logger(__name__)

Handler = Callable[[UnitOfWork, Sequence[Event]], None]
"""Takes all its events of a batch: loads the documents that they concern, changes them, saves. No other I/O."""


class EventConsumer:
    """Handles a service's events with the effect of each exactly once.

    A batch is one transaction. When it fails for another reason than a race or an outage, its events are handled
    one by one, so that a bad one hurts nobody; the bad one is retried, parked or dead by `judge`. While MongoDB
    is away nothing is judged: the batch is held, and heartbeats go on.
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
        self._publisher: Publisher | None = None
        self._held: list[Delivery] = []

    def step(self) -> float:
        consumer = self._connected()
        keep_alive(self._connection)
        batch = self._held or consumer.receive(RECEIVE_SECONDS)
        if not batch:
            return 0.0
        try:
            failed = self.handle(batch)
        except StoreUnavailable as error:
            log.warning("consumer.held", service=self._service, size=len(batch), reason=error.message)
            self._held = batch
            return OUTAGE_PAUSE_SECONDS
        self._held = []
        if failed:
            self._forward(failed)
        consumer.ack(batch)
        return 0.0

    def reset(self) -> None:
        if self._connection is not None:
            discard(self._connection)
        self._connection = self._consumer = self._publisher = None
        self._held = []

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
        self.reset()

    def handle(self, batch: Sequence[Delivery]) -> list[Message]:
        """Make the batch's effects durable; the messages that its failed events have to be published as.

        Raises StoreUnavailable: the whole batch is to be handled again.
        """
        events, failed = self._decode(batch)
        try:
            self._commit([event for _, event in events])
        except StoreUnavailable:
            raise
        except Exception as error:
            log.warning("consumer.batch_split", service=self._service, size=len(events), error=describe(error))
            failed += self._one_by_one(events)
        return failed

    def _connected(self) -> BatchConsumer:
        if self._consumer is None:
            self._connection = self._bus.connect(self.name)
            self._publisher = self._bus.publisher(self._connection)
            self._consumer = BatchConsumer(self._connection, self._service)
        return self._consumer

    def _forward(self, messages: Sequence[Message]) -> None:
        assert self._publisher is not None
        unroutable = self._publisher.publish(messages)
        if unroutable:
            raise BusUnavailable("A queue for retries or dead letters is missing.")

    def _decode(self, batch: Sequence[Delivery]) -> tuple[list[tuple[Delivery, Event]], list[Message]]:
        events, failed = [], []
        for delivery in batch:
            try:
                events.append((delivery, self._understood(delivery)))
            except Exception as error:
                failed.append(self._judge(delivery, error))
        return events, failed

    def _understood(self, delivery: Delivery) -> Event:
        event = decode(delivery.body)
        if event.type not in self._subscriptions:
            raise Permanent("Nothing here handles this type.", code="not_subscribed")
        return event

    def _one_by_one(self, events: Sequence[tuple[Delivery, Event]]) -> list[Message]:
        failed = []
        for delivery, event in events:
            try:
                self._commit([event])
            except StoreUnavailable:
                raise
            except Exception as error:
                failed.append(self._judge(delivery, error))
        return failed

    def _commit(self, events: Sequence[Event]) -> None:
        """Handle events as one unit of work, again and again while others are faster."""
        for attempt in range(1, CONFLICT_ATTEMPTS + 1):
            try:
                self._commit_once(events)
            except ConcurrentUpdate:
                if attempt == CONFLICT_ATTEMPTS:
                    raise
            else:
                return
            time.sleep(random.uniform(0, 0.005 * 2**attempt))  # noqa: S311 - spreads load, no secret

    def _commit_once(self, events: Sequence[Event]) -> None:
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
