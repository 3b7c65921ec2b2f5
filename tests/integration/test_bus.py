"""The bus's promises, on every transport."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from ringback.bus.connection import Bus, discard
from ringback.bus.consumer import BatchConsumer
from ringback.bus.message import Delivery, Message
from ringback.bus.outlet import Outlet
from ringback.bus.topology import Topology, dead_queue, retry_queue
from ringback.clock import system_clock
from tests.support.events import call_event, call_sid, message_of
from tests.support.waiting import eventually

QUEUE = "customer"


class Harness:
    """Connections to one bus, closed at the end; time can be moved on for the embedded transport."""

    def __init__(self, url: str) -> None:
        self.ahead = timedelta()
        self.bus = Bus(url, Topology(retry_seconds=(1,)), clock=lambda: system_clock() + self.ahead)
        self._stack = ExitStack()

    def connect(self) -> Any:
        connection = self.bus.connect("test")
        self._stack.callback(discard, connection)
        return connection

    def consumer(self, queue: str = QUEUE, limit: int = 200) -> BatchConsumer:
        return BatchConsumer(self.connect(), queue, limit)

    def publish(self, *messages: Message) -> set[str]:
        return self.bus.publisher(self.connect()).publish(messages)

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def harness(bus_url: str) -> Iterator[Harness]:
    harness = Harness(bus_url)
    yield harness
    harness.close()


def started(number: int) -> Message:
    return message_of(call_event("call.started", call_sid(number)))


def receive_all(consumer: BatchConsumer, count: int) -> list[Delivery]:
    received: list[Delivery] = []

    def more() -> bool:
        batch = consumer.receive(0.2)
        received.extend(batch)
        consumer.ack(batch)
        return len(received) >= count

    eventually(more)
    return received


def nothing_waits(consumer: BatchConsumer) -> bool:
    return consumer.receive(0.3) == []


def test_a_published_event_reaches_the_queue_of_its_consumer_as_it_was(harness: Harness) -> None:
    message = started(1)
    assert harness.publish(message) == set()
    [delivery] = receive_all(harness.consumer(), 1)
    assert delivery.message_id == message.id
    assert delivery.body.decode() == message.body


def test_a_batch_keeps_the_order_of_publishing_and_is_taken_in_one_go(harness: Harness) -> None:
    messages = [started(number) for number in range(150)]
    harness.publish(*messages)
    received = receive_all(harness.consumer(), 150)
    assert [delivery.message_id for delivery in received] == [message.id for message in messages]


def test_what_was_acknowledged_does_not_come_back(harness: Harness) -> None:
    harness.publish(started(1), started(2))
    connection = harness.connect()
    receive_all(BatchConsumer(connection, QUEUE), 2)
    discard(connection)
    harness.ahead = timedelta(minutes=1)
    assert nothing_waits(harness.consumer())


def test_what_a_consumer_that_died_had_not_acknowledged_comes_back(harness: Harness) -> None:
    harness.publish(started(1), started(2))
    connection = harness.connect()
    consumer = BatchConsumer(connection, QUEUE)
    eventually(lambda: consumer.receive(0.2))
    connection.transport.close_connection = lambda *_: None  # kill -9 says no goodbye
    discard(connection)
    harness.ahead = timedelta(minutes=1)
    assert len(receive_all(harness.consumer(), 2)) == 2


def test_closing_a_consumer_gives_back_what_it_held(harness: Harness) -> None:
    harness.publish(started(1))
    consumer = harness.consumer()
    eventually(lambda: consumer.receive(0.2))
    consumer.close()
    assert len(receive_all(harness.consumer(), 1)) == 1


def test_competing_consumers_share_a_queue_without_overlap(harness: Harness) -> None:
    messages = [started(number) for number in range(60)]
    consumers = [harness.consumer(limit=10), harness.consumer(limit=10)]
    harness.publish(*messages)
    received: list[str] = []

    def take() -> bool:
        for consumer in consumers:
            batch = consumer.receive(0.1)
            received.extend(delivery.message_id for delivery in batch)
            consumer.ack(batch)
        return len(received) >= len(messages)

    eventually(take)
    assert sorted(received) == sorted(message.id for message in messages)


def test_a_message_that_the_client_library_cannot_read_arrives_as_it_is_and_holds_nobody_up(
    harness: Harness,
) -> None:
    odd = Message("odd", b"not compressed", "call.started", headers={"compression": "nope"})
    harness.publish(started(1), odd, started(2))
    received = receive_all(harness.consumer(), 3)
    assert [delivery.message_id for delivery in received] == [started(1).id, "odd", started(2).id]
    assert received[1].body == b"not compressed"


def test_a_mandatory_message_that_no_queue_takes_is_reported_and_its_neighbours_arrive(
    harness: Harness,
) -> None:
    lost = Message("lost", "{}", "nobody.listens")
    kept = started(1)
    assert harness.publish(lost, kept) == {"lost"}
    assert [delivery.message_id for delivery in receive_all(harness.consumer(), 1)] == [kept.id]


def test_a_message_that_nobody_has_to_get_may_be_unroutable(harness: Harness) -> None:
    assert harness.publish(Message("told", "{}", "nobody.listens", mandatory=False)) == set()


def test_a_retry_comes_back_to_the_service_after_its_delay_and_not_before(harness: Harness) -> None:
    consumer = harness.consumer()
    retry = Message("again", "{}", retry_queue(QUEUE, 1), "", {"ringback-attempt": "1"}, expires_ms=900)
    harness.publish(retry)
    assert nothing_waits(consumer)
    [delivery] = receive_all(consumer, 1)
    assert (delivery.message_id, delivery.headers["ringback-attempt"]) == ("again", "1")


def test_dead_letters_wait_until_somebody_takes_them(harness: Harness) -> None:
    harness.publish(Message("dead", "{}", dead_queue(QUEUE), "", {"ringback-reason": "malformed_event"}))
    [delivery] = receive_all(harness.consumer(dead_queue(QUEUE)), 1)
    assert delivery.headers["ringback-reason"] == "malformed_event"


def test_a_message_that_keeps_killing_its_consumer_ends_in_the_dead_letters(harness: Harness) -> None:
    harness.publish(started(1))

    def dies_with_it() -> bool:
        connection = harness.connect()
        taken = BatchConsumer(connection, QUEUE).receive(0.5)
        discard(connection)
        harness.ahead += timedelta(minutes=1)
        return not taken

    eventually(dies_with_it, seconds=60)
    assert len(receive_all(harness.consumer(dead_queue(QUEUE)), 1)) == 1


def test_declaring_the_topology_again_changes_nothing(harness: Harness) -> None:
    harness.publish(started(1))
    harness.connect()
    assert len(receive_all(harness.consumer(), 1)) == 1


def test_a_connection_that_has_nothing_to_do_outlives_many_heartbeats(
    rabbit_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringback.bus.connection.HEARTBEAT_SECONDS", 1)
    outlet = Outlet(Bus(rabbit_url), "idle")
    outlet.publish([started(1)])
    connection, end = outlet._connection, time.monotonic() + 4
    while time.monotonic() < end:
        outlet.keep_alive()
    assert outlet._connection is connection
    assert outlet.publish([started(2)]) == set()
    outlet.close()
