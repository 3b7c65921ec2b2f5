"""Batches: an effect once, and a bad event hurts nobody. The write path runs on a database in memory."""

from collections.abc import Sequence

import pytest

from ringback.bus.connection import Bus
from ringback.bus.message import Delivery, Message
from ringback.bus.verdict import REASON_HEADER
from ringback.contracts.envelope import Event, encode, new_event
from ringback.errors import ConcurrentUpdate, Permanent, StoreUnavailable, Transient
from ringback.store.database import INBOX
from ringback.store.unit_of_work import UnitOfWork
from ringback.worker.batch import CONFLICT_ATTEMPTS
from ringback.worker.consumer import EventConsumer
from tests.unit.fakes import MemoryDatabase, at

EFFECTS = "effects"


def event(cause: str, event_type: str = "customer.deleted") -> Event:
    return new_event(
        event_type,
        business="demo",
        subject=cause,
        time=at(0),
        data={"customer_id": cause},
        cause=(cause,),
    )


def delivery(event: Event) -> Delivery:
    return Delivery(encode(event).encode(), {}, event.id, tag=event.id)


def record(work: UnitOfWork, events: Sequence[Event]) -> None:
    """One effect an event, counted; what its subject says goes wrong."""
    errors = {
        "permanent": Permanent("x"),
        "transient": Transient("x"),
        "bug": ZeroDivisionError("x"),
        "outage": StoreUnavailable("x"),
    }
    work.load(EFFECTS, {"_id": {"$in": [event.id for event in events]}})
    for event in events:
        if event.subject in errors:
            raise errors[event.subject]
        known = work.get(EFFECTS, event.id) or {"_id": event.id, "count": 0}
        work.save(EFFECTS, {**known, "count": known["count"] + 1})


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase()


@pytest.fixture
def handling(database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch) -> EventConsumer:
    monkeypatch.setattr("ringback.worker.batch.time.sleep", lambda _seconds: None)
    bus = Bus("amqp://nowhere")
    return EventConsumer("customer", {"customer.deleted": record}, database.as_database(), bus, lambda: at(0))


def effects(database: MemoryDatabase) -> dict[str, int]:
    return {key: document["count"] for key, document in database.documents(EFFECTS).items()}


def queues(messages: list[Message]) -> dict[str, str]:
    return {message.id: message.routing_key for message in messages}


def test_a_batch_is_one_transaction(handling: EventConsumer, database: MemoryDatabase) -> None:
    events = [event(str(number)) for number in range(50)]
    assert handling.handle([delivery(one) for one in events]) == []
    assert database.commits == 1
    assert effects(database) == {one.id: 1 for one in events}


def test_a_repeated_event_has_its_effect_once(handling: EventConsumer, database: MemoryDatabase) -> None:
    handling.handle([delivery(event("a")), delivery(event("a"))])
    handling.handle([delivery(event("a")), delivery(event("b"))])
    assert effects(database) == {event("a").id: 1, event("b").id: 1}


@pytest.mark.parametrize(
    ("subject", "queue"),
    [("permanent", "customer.dead"), ("transient", "customer.retry.5s"), ("bug", "customer.retry.5s")],
)
def test_a_bad_event_hurts_nobody(
    handling: EventConsumer, database: MemoryDatabase, subject: str, queue: str
) -> None:
    good = [event(str(number)) for number in range(10)]
    failed = handling.handle([delivery(one) for one in (*good[:5], event(subject), *good[5:])])
    assert queues(failed) == {event(subject).id: queue}
    assert effects(database) == {one.id: 1 for one in good}
    assert event(subject).id not in database.documents(INBOX)


def test_what_is_no_event_goes_to_the_dead_letters_with_its_reason(
    handling: EventConsumer, database: MemoryDatabase
) -> None:
    garbage = Delivery(b"\xffnot json", {}, "garbage", tag=1)
    [dead] = handling.handle([garbage, delivery(event("good"))])
    assert (dead.id, dead.routing_key, dead.body) == ("garbage", "customer.dead", b"\xffnot json")
    assert dead.headers[REASON_HEADER] == "malformed_event"
    assert list(effects(database)) == [event("good").id]


def test_an_unknown_version_is_parked(handling: EventConsumer) -> None:
    newer = encode(event("a")).replace('"dataversion":"1.1"', '"dataversion":"2.0"').encode()
    assert queues(handling.handle([Delivery(newer, {}, "newer", tag=1)])) == {"newer": "customer.parked"}


def test_an_event_that_nothing_handles_is_dead(handling: EventConsumer) -> None:
    other = new_event(
        "customer.merged",
        business="demo",
        subject="x",
        time=at(0),
        data={"customer_id": "a", "other_id": "b", "phones": []},
        cause=(),
    )
    [dead] = handling.handle([delivery(other)])
    assert (dead.routing_key, dead.headers[REASON_HEADER]) == ("customer.dead", "not_subscribed")


@pytest.mark.parametrize("alone", [True, False])
def test_an_outage_is_nobodys_fault(handling: EventConsumer, database: MemoryDatabase, alone: bool) -> None:
    others = [] if alone else [delivery(event("permanent"))]
    with pytest.raises(StoreUnavailable):
        handling.handle([*others, delivery(event("outage"))])
    assert effects(database) == {}


def test_a_lost_race_is_run_again(handling: EventConsumer, database: MemoryDatabase) -> None:
    database.failures = [ConcurrentUpdate("x")] * (CONFLICT_ATTEMPTS - 1)
    assert handling.handle([delivery(event("a"))]) == []
    assert effects(database) == {event("a").id: 1}


def test_who_loses_every_race_is_retried_later(handling: EventConsumer, database: MemoryDatabase) -> None:
    database.failures = [ConcurrentUpdate("x")] * (2 * CONFLICT_ATTEMPTS)
    assert queues(handling.handle([delivery(event("a"))])) == {event("a").id: "customer.retry.5s"}
    assert effects(database) == {}


def test_a_replayed_dead_letter_has_the_effect_it_would_have_had(
    handling: EventConsumer, database: MemoryDatabase
) -> None:
    database.failures = [ZeroDivisionError()]
    [failed] = handling.handle([delivery(event("a"))])
    body = failed.body if isinstance(failed.body, bytes) else failed.body.encode()
    assert handling.handle([Delivery(body, failed.headers, failed.id, tag=2)]) == []
    assert effects(database) == {event("a").id: 1}
