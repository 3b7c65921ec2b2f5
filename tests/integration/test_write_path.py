"""The one write path on a real bus and a real replica set: effects once, nothing without its event."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from ringback.bus.connection import Bus, discard
from ringback.bus.consumer import BatchConsumer
from ringback.bus.message import Delivery, Message
from ringback.bus.topology import Topology, dead_queue, parked_queue
from ringback.clock import system_clock
from ringback.contracts.catalogue import EVENT_TYPES
from ringback.contracts.envelope import Event, encode, new_event
from ringback.errors import BusUnavailable, ConcurrentUpdate, Permanent, Transient
from ringback.store.database import OUTBOX, Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from ringback.worker.consumer import EventConsumer, Handler
from ringback.worker.relay import Relay
from tests.support.events import NOON, call_event, call_sid, message_of
from tests.support.waiting import eventually

SERVICE = "customer"
COUNTERS = "counters"


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, SERVICE)
    database.ensure_indexes({})
    yield database
    database.close()


@pytest.fixture
def bus(bus_url: str) -> Bus:
    return Bus(bus_url, Topology(retry_seconds=(1, 1)))


@pytest.fixture
def publish(bus: Bus) -> Iterator[Callable[..., set[str]]]:
    connection = bus.connect("test")
    publisher = bus.publisher(connection)
    yield lambda *messages: publisher.publish(messages)
    discard(connection)


def count_calls(work: UnitOfWork, events: Sequence[Event]) -> None:
    """Counts started calls by caller, and tells of each."""
    callers = {event.data["caller"] for event in events}
    work.load(COUNTERS, {"_id": {"$in": list(callers)}})
    for event in events:
        _refuse_odd_callers(event)
        caller = event.data["caller"]
        known = work.get(COUNTERS, caller) or {"_id": caller, "calls": 0}
        work.save(COUNTERS, {**known, "calls": known["calls"] + 1})
        work.emit(told(event))


def _refuse_odd_callers(event: Event) -> None:
    name = event.data["caller_name"]
    if name == "transient":
        raise Transient("Not now.")
    if name == "permanent":
        raise Permanent("Never.", code="never")
    if name == "bug":
        raise KeyError("a caller's secret")


def told(cause: Event) -> Event:
    data = {"customer_id": cause.subject, "source": "call"}
    return new_event(
        "customer.created", business="demo", subject=cause.subject, time=NOON, data=data, cause=(cause.id,)
    )


def consumer_of(database: Database, bus: Bus, handler: Handler = count_calls) -> EventConsumer:
    return EventConsumer(SERVICE, {"call.started": handler}, database, bus, system_clock)


def run_until(consumer: EventConsumer, condition: Callable[[], Any], seconds: float = 20.0) -> None:
    def step() -> Any:
        consumer.step()
        return condition()

    eventually(step, seconds)


def counts(database: Database) -> dict[str, int]:
    return {row["_id"]: row["calls"] for row in database[COUNTERS].find()}


def handled(database: Database) -> int:
    return database["inbox"].count_documents({})


def outbox_causes(database: Database) -> list[str]:
    return sorted(json.loads(row["body"])["subject"] for row in database[OUTBOX].find())


def take(bus: Bus, queue: str, count: int = 1) -> list[Delivery]:
    connection = bus.connect("test")
    consumer = BatchConsumer(connection, queue)
    taken: list[Delivery] = []
    try:
        while len(taken) < count:
            taken += eventually(lambda: consumer.receive(0.2))
        consumer.ack(taken)
    finally:
        discard(connection)
    return taken


def started(number: int, caller: str = "+14155550101", **data: Any) -> Message:
    return message_of(call_event("call.started", call_sid(number), caller, **data))


def test_an_event_has_its_effect_once_however_often_it_comes(
    database: Database, bus: Bus, publish: Callable[..., set[str]]
) -> None:
    messages = [started(number) for number in range(20)]
    publish(*messages, *messages)
    publish(*reversed(messages))
    consumer = consumer_of(database, bus)
    run_until(consumer, lambda: handled(database) == 20)
    for _ in range(3):
        consumer.step()
    assert counts(database) == {"+14155550101": 20}
    assert outbox_causes(database) == sorted(call_sid(number) for number in range(20))
    consumer.close()


def test_a_batch_leaves_all_of_its_effects_or_none(database: Database) -> None:
    work = UnitOfWork(database, system_clock)
    event = call_event("call.started", call_sid(1))
    count_calls(work, [event])
    work.mark_handled(event)
    database["inbox"].insert_one({"_id": event.id})
    with pytest.raises(ConcurrentUpdate):
        work.commit()
    assert counts(database) == {}
    assert database[OUTBOX].count_documents({}) == 0


def test_of_two_who_changed_the_same_document_one_has_to_load_again(database: Database) -> None:
    first, second = UnitOfWork(database, system_clock), UnitOfWork(database, system_clock)
    database[COUNTERS].insert_one({"_id": "x", "calls": 1, "version": 1})
    for work in (first, second):
        [document] = work.load(COUNTERS, {"_id": "x"})
        work.save(COUNTERS, {**document, "calls": document["calls"] + 1})
    first.commit()
    with pytest.raises(ConcurrentUpdate):
        second.commit()
    assert counts(database) == {"x": 2}


def test_workers_side_by_side_lose_and_double_nothing(
    database: Database, bus: Bus, publish: Callable[..., set[str]]
) -> None:
    messages = [started(number) for number in range(300)]
    publish(*messages)
    done = threading.Event()

    def work() -> None:
        consumer = consumer_of(database, bus)
        while not done.is_set():
            consumer.step()
        consumer.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: handled(database) == 300, seconds=30)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert counts(database) == {"+14155550101": 300}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff not json", "malformed_event"),
        (b'{"specversion": "1.0"}', "malformed_event"),
        (b"[" * 10_000, "malformed_event"),
        (b'{"n": NaN}', "malformed_event"),
    ],
)
def test_a_malformed_event_ends_in_the_dead_letters_with_its_reason_and_delays_nobody(
    database: Database, bus: Bus, publish: Callable[..., set[str]], body: bytes, reason: str
) -> None:
    publish(Message("bad", body, "call.started"), started(1))
    consumer = consumer_of(database, bus)
    run_until(consumer, lambda: counts(database) == {"+14155550101": 1})
    [dead] = take(bus, dead_queue(SERVICE))
    assert (dead.body, dead.headers["ringback-reason"]) == (body, reason)
    consumer.close()


def test_a_batch_whose_bad_event_cannot_be_forwarded_is_held_and_not_redelivered(
    database: Database, bus: Bus, publish: Callable[..., set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(started(1), started(2, caller_name="permanent"), started(3))
    consumer = consumer_of(database, bus)
    forward, refusals = consumer._outlet.publish, iter([BusUnavailable("blocked")] * 5)

    def blocked_for_a_while(messages: Sequence[Message]) -> set[str]:
        for error in refusals:
            raise error
        return forward(messages)

    monkeypatch.setattr(consumer._outlet, "publish", blocked_for_a_while)
    pauses = [consumer.step() for _ in range(5)]
    assert pauses == [1.0] * 5
    assert counts(database) == {"+14155550101": 2}
    eventually(lambda: consumer.step() == 0.0)
    [dead] = take(bus, dead_queue(SERVICE))
    assert dead.headers["ringback-attempt"] == "1"
    assert consumer._connected().receive(0.3) == []
    consumer.close()


def test_an_event_of_a_newer_major_version_is_parked(
    database: Database, bus: Bus, publish: Callable[..., set[str]]
) -> None:
    newer = json.loads(started(1).body) | {"dataversion": "2.0"}
    publish(Message("newer", json.dumps(newer), "call.started"), started(2))
    consumer = consumer_of(database, bus)
    run_until(consumer, lambda: handled(database) == 1)
    [parked] = take(bus, parked_queue(SERVICE))
    assert parked.headers["ringback-reason"] == "unknown_version"
    consumer.close()


def test_a_hopeless_event_is_dead_at_once_and_its_neighbours_are_handled(
    database: Database, bus: Bus, publish: Callable[..., set[str]]
) -> None:
    publish(started(1), started(2, caller_name="permanent"), started(3))
    consumer = consumer_of(database, bus)
    run_until(consumer, lambda: counts(database) == {"+14155550101": 2})
    [dead] = take(bus, dead_queue(SERVICE))
    assert (dead.headers["ringback-reason"], dead.headers["ringback-attempt"]) == ("never", "1")
    consumer.close()


@pytest.mark.parametrize("name", ["transient", "bug"])
def test_what_may_pass_walks_the_schedule_and_then_is_dead_with_its_reason(
    database: Database, bus: Bus, publish: Callable[..., set[str]], name: str
) -> None:
    poison = started(1, caller_name=name)
    publish(poison, started(2))
    consumer = consumer_of(database, bus)
    run_until(consumer, lambda: handled(database) == 1)
    attempts = []
    judge = consumer._judge

    def judged(delivery: Delivery, error: Exception) -> Message:
        message = judge(delivery, error)
        attempts.append(message.headers["ringback-attempt"])
        return message

    consumer._judge = judged  # type: ignore[method-assign]
    run_until(consumer, lambda: attempts == ["2", "3"])
    [dead] = take(bus, dead_queue(SERVICE))
    assert dead.message_id == poison.id
    assert "secret" not in json.dumps(dict(dead.headers))
    consumer.close()


def test_a_dead_event_that_is_replayed_has_the_effect_it_would_have_had(
    database: Database, bus: Bus, publish: Callable[..., set[str]]
) -> None:
    publish(started(1, caller_name="permanent"))
    broken = consumer_of(database, bus)
    eventually(lambda: broken.step() or _waits(bus, dead_queue(SERVICE)))
    broken.close()
    [dead] = take(bus, dead_queue(SERVICE))

    def mended(work: UnitOfWork, events: Sequence[Event]) -> None:
        for event in events:
            work.save(COUNTERS, {"_id": event.data["caller"], "calls": 1})

    publish(Message(dead.message_id, dead.body, SERVICE, ""))
    consumer = consumer_of(database, bus, mended)
    run_until(consumer, lambda: counts(database) == {"+14155550101": 1})
    consumer.close()


def _waits(bus: Bus, queue: str) -> bool:
    connection = bus.connect("test")
    try:
        with connection.channel() as channel:
            return bool(channel.queue_declare(queue, passive=True).message_count)
    finally:
        discard(connection)


def test_the_relay_publishes_what_was_committed_and_then_forgets_it(database: Database, bus: Bus) -> None:
    work = UnitOfWork(database, system_clock)
    events = [call_event("call.started", call_sid(number)) for number in range(30)]
    for event in events:
        work.emit(event)
    work.commit()
    relay = Relay("call-ingest", database, bus, system_clock, "test")
    eventually(lambda: relay.step() is not None and database[OUTBOX].count_documents({}) == 0)
    assert sorted(d.message_id for d in take(bus, SERVICE, 30)) == sorted(event.id for event in events)
    relay.close()


def of_no_interest(cause: Event) -> Event:
    """One that the catalogue has no consumers for."""
    data = {"missed_call_id": "m1", "phone": "+12125550101", "attempts": 1, "resolution": "handled", "at": cause.time}
    return new_event(
        "missed_call.closed", business="demo", subject="m1", time=cause.time, data=data, cause=(cause.id,)
    )


def test_an_event_that_no_queue_takes_stays_in_the_outbox_and_holds_nobody_up(database: Database, bus: Bus) -> None:
    connection = bus.connect("test")
    with connection.channel() as channel:
        for service in EVENT_TYPES["call.started"].consumers:
            channel.queue_unbind(service, "ringback", "call.started")
    nowhere = Bus(bus.url, Topology(services=()))
    work = UnitOfWork(database, system_clock)
    lost = call_event("call.started", call_sid(1))
    work.emit(lost)
    work.emit(of_no_interest(lost))
    work.commit()
    relay = Relay("call-ingest", database, nowhere, system_clock, "test")
    eventually(lambda: relay.step() is not None and database[OUTBOX].count_documents({}) == 1)
    [row] = database[OUTBOX].find()
    assert (row["_id"], row["attempts"], row["due"] > row["at"]) == (lost.id, 1, True)
    assert row["body"] == encode(lost)
    relay.close()
    discard(connection)


def test_of_two_relays_one_works_and_the_other_stands_by(database: Database, bus: Bus) -> None:
    first = Relay("call-ingest", database, bus, system_clock, "first")
    second = Relay("call-ingest", database, bus, system_clock, "second")
    first.step()
    assert second.step() == 1.0
    first.close()
    assert second.step() < 1.0
    second.close()
