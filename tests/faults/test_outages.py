"""Servers that freeze, die and come back under traffic: nothing is lost, nothing counts twice, nobody has to help."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from ringback.bus.connection import Bus
from ringback.clock import system_clock
from ringback.contracts.envelope import Event
from ringback.errors import Transient
from ringback.store.database import OUTBOX, Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from ringback.worker.consumer import EventConsumer
from ringback.worker.relay import Relay
from ringback.worker.runtime import Worker
from tests.integration.test_write_path import COUNTERS, count_calls, counts
from tests.support.events import call_event, call_sid
from tests.support.mongo import MongoServer
from tests.support.rabbit import RabbitServer
from tests.support.waiting import eventually

# A broker that dies within a handshake now and then leaves py-amqp's socket to the garbage collector (seen).
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)

CALLER = "+14155550101"
EVENTS_EACH = 100


class Traffic:
    """A producer's outbox, its relay and a consumer, working all the time."""

    def __init__(self, mongo_url: str, bus_url: str) -> None:
        self.producer, self.consumer = _database(mongo_url, "call-ingest"), _database(mongo_url, "customer")
        self.failures: Counter[str] = Counter()
        self.before_commit: Callable[[], None] = lambda: None
        bus = Bus(bus_url)
        relay = Relay("call-ingest", self.producer, bus, system_clock, "relay")
        handlers = {"call.started": self._count_calls}
        consumer = EventConsumer("customer", handlers, self.consumer, bus, system_clock)
        relay.step = self._counting("relay", relay.step)  # type: ignore[method-assign]
        consumer.handle = self._counting("consumer", consumer.handle)  # type: ignore[method-assign]
        self.worker = Worker([relay, consumer])
        self._emitted = 0

    def _counting(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, with its passing failures counted: what a test waits for before it heals."""

        def counted(*args: Any) -> Any:
            try:
                return method(*args)
            except Transient:
                self.failures[name] += 1
                raise

        return counted

    def _count_calls(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        count_calls(work, events)
        self.before_commit()

    def emit(self, count: int = EVENTS_EACH) -> None:
        for _ in range(count):
            work = UnitOfWork(self.producer, system_clock)
            work.emit(call_event("call.started", call_sid(self._emitted), CALLER))
            work.commit()
            self._emitted += 1

    def emit_into(self, work: UnitOfWork, count: int = EVENTS_EACH) -> None:
        for _ in range(count):
            work.emit(call_event("call.started", call_sid(self._emitted), CALLER))
            self._emitted += 1

    def all_counted(self) -> bool:
        handled = self.consumer["inbox"].count_documents({}) == self._emitted
        return handled and self.producer[OUTBOX].count_documents({}) == 0

    def assert_counted_once(self) -> None:
        assert counts(self.consumer) == {CALLER: self._emitted}
        assert self.consumer[OUTBOX].count_documents({}) == self._emitted
        assert self.worker.alive()


def _database(mongo_url: str, service: str) -> Database:
    database = open_database(mongo_url, service)
    database.ensure_indexes({})
    return database


@pytest.fixture
def traffic(mongo_url: str, rabbit_url: str) -> Iterator[Traffic]:
    traffic = Traffic(mongo_url, rabbit_url)
    traffic.worker.start()
    yield traffic
    assert traffic.worker.stop()
    traffic.producer.close()
    traffic.consumer.close()


RABBIT_FAULTS: dict[str, tuple[Callable[[RabbitServer], None], Callable[[RabbitServer], None]]] = {
    "killed": (lambda server: server.kill(), lambda server: server.start()),
    "frozen": (lambda server: server.pause(), lambda server: server.resume()),
}


@pytest.mark.fault
@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", RABBIT_FAULTS)
def test_a_broker_that_is_away_for_a_while_costs_no_event(
    traffic: Traffic, rabbit_server: RabbitServer, fault: str
) -> None:
    breaks, heals = RABBIT_FAULTS[fault]
    traffic.emit()
    breaks(rabbit_server)
    traffic.emit()
    eventually(lambda: traffic.failures["relay"] >= 1, seconds=30)
    heals(rabbit_server)
    traffic.emit()
    eventually(traffic.all_counted, seconds=60)
    traffic.assert_counted_once()


@pytest.mark.fault
@pytest.mark.timeout(240)
def test_a_broker_that_dies_with_unconfirmed_events_in_its_memory_costs_none(
    traffic: Traffic, rabbit_server: RabbitServer
) -> None:
    traffic.emit()
    eventually(traffic.all_counted, seconds=30)
    rabbit_server.pause()
    traffic.emit()
    eventually(lambda: traffic.failures["relay"] >= 2, seconds=60)
    rabbit_server.kill()
    rabbit_server.start()
    eventually(traffic.all_counted, seconds=60)
    traffic.assert_counted_once()


@pytest.mark.fault
@pytest.mark.timeout(240)
def test_a_database_that_freezes_under_the_consumer_holds_its_batch_and_dead_letters_nothing(
    traffic: Traffic, mongo_server: MongoServer
) -> None:
    frozen = threading.Event()

    def freeze_once() -> None:
        if not frozen.is_set():
            mongo_server.pause()
            frozen.set()

    traffic.before_commit = freeze_once
    work = UnitOfWork(traffic.producer, system_clock)
    traffic.emit_into(work)
    work.commit()
    eventually(lambda: traffic.failures["consumer"] >= 2, seconds=60)
    mongo_server.resume()
    eventually(traffic.all_counted, seconds=60)
    traffic.assert_counted_once()


@pytest.mark.fault
@pytest.mark.timeout(240)
def test_a_database_that_is_killed_under_traffic_has_everything_that_was_committed(
    traffic: Traffic, mongo_server: MongoServer
) -> None:
    committed = 0

    def produce() -> None:
        nonlocal committed
        while not done.is_set():
            try:
                traffic.emit(1)
                committed += 1
            except Transient:
                done.wait(0.05)

    done = threading.Event()
    producer = threading.Thread(target=produce)
    producer.start()
    eventually(lambda: committed > 50, seconds=30)
    mongo_server.kill()
    mongo_server.start()
    before = committed
    eventually(lambda: committed > before + 50, seconds=60)
    done.set()
    producer.join()
    eventually(lambda: traffic.producer[OUTBOX].count_documents({}) == 0, seconds=60)
    eventually(lambda: traffic.consumer[COUNTERS].find_one({"calls": {"$gte": committed}}), seconds=60)
    [total] = counts(traffic.consumer).values()
    # A commit whose answer was lost may have happened: it is emitted again under the same id, and counts once.
    assert committed <= total <= committed + 1
