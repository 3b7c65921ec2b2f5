"""Merging, erasing and suggestions on a real replica set: unique numbers, races, nothing left behind, indexes."""

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from customer import store, suggestions
from customer.app import NAME
from customer.domain import Document
from customer.events import subscriptions
from customer.lifecycle import Lifecycle
from customer.people import WAITING
from customer.store import CUSTOMERS, INDEXES, TIMELINE, comparable, find_root
from customer.suggestions import page_of_suggestions
from customer.worker import loops
from ringback.bus.connection import Bus
from ringback.bus.topology import Topology
from ringback.callers import customer_id_of
from ringback.clock import system_clock
from ringback.contracts.envelope import Event, new_event
from ringback.errors import ConcurrentUpdate
from ringback.seals import seal_with
from ringback.settings import load_settings
from ringback.store.database import OUTBOX, Database, open_database
from ringback.store.outbox import due_rows, forget
from ringback.store.unit_of_work import UnitOfWork
from ringback.worker.consumer import EventConsumer
from tests.support.events import NOON, call_event, call_sid

ANNA, BOB, CLEO = "+12125550101", "+12125550102", "+12125550103"
IDS = {number: customer_id_of("demo", number, "") for number in (ANNA, BOB, CLEO)}
BUSINESSES = load_settings({}).businesses
SEAL = seal_with("s" * 40)
FIRST, SECOND, THIRD, FOURTH = (call_sid(number) for number in range(4))


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, NAME)
    database.ensure_indexes(INDEXES)
    yield database
    database.close()


@dataclass
class Service:
    """`meanwhile` happens between loading and the first commit of what is asked next."""

    database: Database
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def lifecycle(self) -> Lifecycle:
        return Lifecycle(self.database, BUSINESSES, lambda: NOON, self._new_id, SEAL)

    def _new_id(self) -> str:
        while self.meanwhile:
            self.meanwhile.pop()()
        return f"id-{next(self._numbers)}"

    def handled(self, event: Event) -> UnitOfWork:
        """What an event changes, not committed yet."""
        work = UnitOfWork(self.database, lambda: NOON)
        subscriptions(BUSINESSES, lambda: NOON, SEAL)[event.type](work, [event])
        return work

    def take(self, *events: Event) -> None:
        for event in events:
            self.handled(event).commit()

    def merge(self, kept: str, other: str) -> Document:
        return self.lifecycle.merge("demo", IDS[kept], IDS[other], "olga")

    def unmerge(self, kept: str, other: str) -> Document:
        return self.lifecycle.unmerge("demo", IDS[kept], IDS[other], "olga")

    def customer(self, number: str) -> Document:
        found = self.database[CUSTOMERS].find_one({"_id": IDS[number]})
        assert found is not None
        return found

    def everything(self) -> str:
        """All that is stored once the relay has published the outbox."""
        while rows := due_rows(self.database, NOON, 1000):
            forget(self.database, rows)
        names = self.database.client[self.database.name].list_collection_names()
        return str([row for name in sorted(names) for row in self.database[name].find()]).casefold()


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


def started(number: str, sid: str, name: str | None = None) -> Event:
    return call_event("call.started", sid, number, caller_name=name)


def transcribed(sid: str, text: str) -> Event:
    data = {
        "call_sid": sid,
        "recording_sid": None,
        "text": text,
        "confidence": 0.5,
        "source": "realtime",
        "at": NOON,
    }
    return new_event("call.transcribed", business="demo", subject=sid, time=NOON, data=data, cause=(sid, text))


def booked(number: str, status: str = "completed", seconds: float = 0, booking: str | None = None) -> Event:
    data = {
        "booking_id": booking or number,
        "phone": number,
        "customer_id": None,
        "name": "Anna Novak",
        "starts_at": NOON,
        "service": "Root canal",
        "price": 12_300,
        "currency": "USD",
        "status": status,
    }
    time, cause = NOON + timedelta(seconds=seconds), (booking or number, status)
    return new_event("booking.recorded", business="demo", subject=number, time=time, data=data, cause=cause)


def lasting(document: Document) -> Document:
    own = {name: value for name, value in document["own"].items() if name != "updated_at"}
    return {name: value for name, value in document.items() if name not in ("version", "updated_at")} | {"own": own}


# Merging.


def test_a_number_goes_to_the_one_customer_and_back(service: Service) -> None:
    service.take(started(ANNA, FIRST), started(BOB, SECOND), booked(BOB))
    before = {number: lasting(service.customer(number)) for number in (ANNA, BOB)}
    merged = service.merge(ANNA, BOB)
    assert (merged["phones"], merged["total_spent"]) == ([ANNA, BOB], 12_300)
    found = store.find_by_phone(service.database, "demo", BOB)
    assert found is not None
    assert found["_id"] == IDS[ANNA]
    service.unmerge(ANNA, BOB)
    assert {number: lasting(service.customer(number)) for number in (ANNA, BOB)} == before
    assert store.find_by_phone(service.database, "demo", BOB) == service.customer(BOB)


def test_an_id_that_was_merged_shows_the_customer_it_stands_for(service: Service) -> None:
    service.take(started(ANNA, FIRST), started(BOB, SECOND))
    root = service.merge(ANNA, BOB)
    assert find_root(service.database, "demo", IDS[BOB]) == find_root(service.database, "demo", IDS[ANNA]) == root
    assert find_root(service.database, "other", IDS[BOB]) is None
    assert find_root(service.database, "demo", IDS[CLEO]) is None


def test_a_list_shows_no_record_that_is_part_of_another(service: Service) -> None:
    service.take(started(ANNA, FIRST), started(BOB, SECOND), started(CLEO, THIRD))
    service.merge(ANNA, BOB)
    assert len(store.list_customers(service.database, "demo", {}, [], None, 50).items) == 2
    listed, cursor = [], None
    while True:
        page = store.list_customers(service.database, "demo", {}, [], cursor, 1)
        listed += [customer["_id"] for customer in page.items]
        assert page.total == 2
        cursor = page.next
        if cursor is None:
            break
    assert sorted(listed) == sorted([IDS[ANNA], IDS[CLEO]])


@pytest.mark.parametrize("number", [ANNA, BOB])
def test_a_merge_takes_in_what_came_while_it_was_made(service: Service, number: str) -> None:
    service.take(started(ANNA, FIRST), started(BOB, SECOND))
    service.meanwhile.append(lambda: service.take(started(number, THIRD)))
    assert service.merge(ANNA, BOB)["total_calls"] == 3
    service.unmerge(ANNA, BOB)
    calls = {one: service.customer(one)["total_calls"] for one in (ANNA, BOB)}
    assert calls == {ANNA: 1, BOB: 1} | {number: 2}


@pytest.mark.parametrize("number", [ANNA, BOB])
def test_an_event_that_a_merge_overtook_is_handled_again(service: Service, number: str) -> None:
    service.take(started(ANNA, FIRST), started(BOB, SECOND))
    late = service.handled(started(number, THIRD))
    service.merge(ANNA, BOB)
    with pytest.raises(ConcurrentUpdate):
        late.commit()
    service.take(started(number, THIRD))
    assert service.customer(ANNA)["total_calls"] == 3
    late = service.handled(started(number, FOURTH))
    service.unmerge(ANNA, BOB)
    with pytest.raises(ConcurrentUpdate):
        late.commit()


def test_two_merges_of_one_customer_at_once_make_one(service: Service) -> None:
    service.take(started(ANNA, FIRST), started(BOB, SECOND), started(CLEO, THIRD))
    other = Service(service.database)
    service.meanwhile.append(lambda: other.merge(CLEO, BOB))
    with pytest.raises(Exception, match="part of another") as refused:
        service.merge(ANNA, BOB)
    assert getattr(refused.value, "code", None) == "already_merged"
    assert service.customer(CLEO)["phones"] == [CLEO, BOB]


def test_a_member_that_stays_cannot_change_unseen_while_another_leaves(service: Service) -> None:
    """What changed of it may show only without the one who leaves, and then the root was not written."""
    service.take(started(ANNA, FIRST), started(BOB, SECOND), started(CLEO, THIRD))
    service.merge(ANNA, BOB)
    service.merge(ANNA, CLEO)
    work = UnitOfWork(service.database, lambda: NOON)
    [member] = work.load(CUSTOMERS, {"_id": IDS[BOB]})
    work.save(CUSTOMERS, {**member, "own": {**member["own"], "review_requested_at": NOON}})
    service.unmerge(ANNA, CLEO)
    with pytest.raises(ConcurrentUpdate):
        work.commit()


@pytest.mark.parametrize("together", [True, False])
def test_two_who_tell_of_other_appointments_at_once_do_not_count_past_each_other(
    service: Service, *, together: bool
) -> None:
    """What is told late of the past changes nothing else that the two have in common."""
    numbers = (ANNA, BOB) if together else (ANNA, ANNA)
    bookings = [(number, f"B{place}") for place, number in enumerate(numbers)]
    for number, booking in bookings:
        service.take(booked(number, "booked", 0, booking), booked(number, "completed", 100, booking))
    if together:
        service.merge(ANNA, BOB)
    one, other = (service.handled(booked(number, "canceled", 50, booking)) for number, booking in bookings)
    one.commit()
    with pytest.raises(ConcurrentUpdate):
        other.commit()


# Erasure.


def person(service: Service) -> None:
    service.take(
        started(ANNA, FIRST, "Anna Novak"),
        transcribed(FIRST, "It is my tooth"),
        booked(ANNA),
        started(BOB, SECOND),
        started(CLEO, THIRD),
    )
    service.merge(ANNA, BOB)


TRACES = ("12125550101", "2125550102", "novak", "tooth", "root canal", FIRST.casefold(), SECOND.casefold())


def test_erasure_leaves_no_trace_in_any_collection(service: Service) -> None:
    person(service)
    everything = service.everything()
    assert [trace for trace in TRACES if trace not in everything] == []
    service.lifecycle.delete("demo", IDS[ANNA])
    everything = service.everything()
    assert [trace for trace in (*TRACES, IDS[ANNA], IDS[BOB]) if trace in everything] == []
    totals = list(service.database[store.ERASED_TOTALS].find())
    assert totals == [{"_id": "demo:2026-03:USD", "total": 12_300, "visits": 1, "customers": 1}]
    assert [customer["_id"] for customer in service.database[CUSTOMERS].find()] == [IDS[CLEO]]


def test_sums_of_several_who_were_erased_add_up(service: Service) -> None:
    service.take(booked(ANNA), booked(BOB), booked(CLEO, "booked"))
    for number in (ANNA, BOB, CLEO):
        service.lifecycle.delete("demo", IDS[number])
    [totals] = service.database[store.ERASED_TOTALS].find()
    assert (totals["total"], totals["visits"], totals["customers"]) == (24_600, 2, 2)


def test_what_comes_late_brings_nobody_back(service: Service) -> None:
    person(service)
    service.lifecycle.delete("demo", IDS[ANNA])
    before = service.everything()
    service.take(transcribed(FIRST, "It is my tooth, a longer one"), started(ANNA, FIRST), booked(ANNA, "canceled"))
    assert service.everything() == before


def test_a_new_call_makes_a_new_customer(service: Service) -> None:
    person(service)
    service.lifecycle.delete("demo", IDS[ANNA])
    service.take(started(ANNA, FOURTH))
    found = store.find_by_phone(service.database, "demo", ANNA)
    assert found is not None
    assert found["_id"] not in IDS.values()
    assert (found["total_calls"], found["total_appointments"], found["name"]) == (1, 0, None)


LATE: dict[str, Callable[[], Event]] = {
    "a call": lambda: started(ANNA, FOURTH),
    "a transcript": lambda: transcribed(SECOND, "Another tooth"),
    "a longer transcript": lambda: transcribed(FIRST, "It is my tooth, a longer one"),
    "a booking": lambda: booked(ANNA, "canceled", 60),
}


@pytest.mark.parametrize("event", LATE.values(), ids=LATE)
def test_an_event_that_an_erasure_overtook_writes_nothing(service: Service, event: Callable[[], Event]) -> None:
    person(service)
    late = service.handled(event())
    service.lifecycle.delete("demo", IDS[ANNA])
    before = service.everything()
    with pytest.raises(ConcurrentUpdate):
        late.commit()
    assert service.everything() == before


@pytest.mark.parametrize("event", LATE.values(), ids=LATE)
def test_what_came_while_it_was_erased_is_erased_too(service: Service, event: Callable[[], Event]) -> None:
    person(service)
    service.meanwhile.append(lambda: service.take(event()))
    service.lifecycle.delete("demo", IDS[ANNA])
    everything = service.everything()
    assert [trace for trace in (*TRACES, FOURTH.casefold()) if trace in everything] == []
    service.take(event())
    assert service.everything() == everything


def test_a_visit_that_came_while_it_was_erased_is_counted(service: Service) -> None:
    service.take(started(ANNA, FIRST))
    service.meanwhile.append(lambda: service.take(booked(ANNA)))
    service.lifecycle.delete("demo", IDS[ANNA])
    [totals] = service.database[store.ERASED_TOTALS].find()
    assert (totals["total"], totals["visits"], totals["customers"]) == (12_300, 1, 1)


def test_a_long_history_is_erased_in_one_go(service: Service) -> None:
    """As many entries as go into one transaction, within the time that MongoDB gives it."""
    person(service)
    entries = [
        {
            "_id": f"demo:sms:SM{number}",
            "business": "demo",
            "customer_id": IDS[BOB],
            "kind": "sms",
            "at": NOON,
            "body": "My tooth " * 20,
            "version": 1,
        }
        for number in range(4_900)
    ]
    service.database[TIMELINE].insert_many(entries)
    service.lifecycle.delete("demo", IDS[ANNA])
    assert service.database[TIMELINE].count_documents({"customer_id": {"$in": [IDS[ANNA], IDS[BOB]]}}) == 0
    assert service.database[store.ERASED].count_documents({}) >= len(entries)


@pytest.mark.parametrize(
    "query",
    [
        {"$or": [{"customer_id": {"$in": ["a", "b"]}}, {"awaits": {"$in": ["c"], "$type": "string"}}]},
        {"other_id": {"$in": ["a"], "$type": "string"}},
    ],
)
def test_erasure_looks_through_nobody_else_s_history(database: Database, query: dict[str, Any]) -> None:
    plan = database[TIMELINE].find(query).explain()["queryPlanner"]["winningPlan"]
    assert "COLLSCAN" not in str(plan)
    assert "IXSCAN" in str(plan)


def test_the_outbox_tells_of_the_erasure_last(service: Service) -> None:
    person(service)
    service.lifecycle.delete("demo", IDS[ANNA])
    types = [row["type"] for row in service.database[OUTBOX].find().sort("$natural", 1)]
    assert types[-2:] == ["customer.deleted"] * 2


# Suggestions.

COMMON = "Cory Common"
LIKE_ALL = {"phone_kind": "mobile", "total_calls": 1, "total_appointments": 0, "last_activity_at": NOON}


def insert(database: Database, *people: tuple[str, str | None, str | None], business: str = "demo") -> None:
    rows = []
    for number, (customer_id, name, email) in enumerate(people):
        phone = f"+1212{555 + (name == COMMON)}{number:04}"
        known = {"_id": customer_id, "business": business, "name": name, "email": email, "phone": phone}
        rows.append(comparable({**known, **LIKE_ALL, "phones": [phone]}))
    database[CUSTOMERS].insert_many(rows)


def walk(database: Database, limit: int) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    cursor = None
    while True:
        page = page_of_suggestions(database, "demo", cursor, limit)
        assert len(page.items) <= limit
        found += [(*item["customer_ids"], item["reason"]) for item in page.items]
        cursor = page.next
        if cursor is None:
            return found


def test_who_shares_an_address_or_a_name_is_suggested_once(database: Database) -> None:
    insert(
        database,
        ("a", "Anna Novak", "anna@example.com"),
        ("b", "NOVAK ANNA", None),
        ("c", "Somebody Else", "ANNA@example.com"),
        ("d", "Anna Novak", "anna@example.com"),
        ("e", "Anna", None),
        ("f", "Anna", None),
    )
    insert(database, ("x", "Anna Novak", "anna@example.com"), business="other")
    assert walk(database, 50) == [
        ("a", "c", "same e-mail"),
        ("a", "d", "same e-mail and name"),
        ("a", "b", "same name and different numbers"),
    ]
    assert [item["customer_ids"] for item in page_of_suggestions(database, "demo", None, 1).items] == [["a", "c"]]
    [first] = page_of_suggestions(database, "demo", None, 1).items
    assert [(one["id"], one["name"], one["phone"]) for one in first["customers"]] == [
        ("a", "Anna Novak", "+12125550000"),
        ("c", "Somebody Else", "+12125550002"),
    ]


def test_a_name_that_many_have_says_nothing(database: Database) -> None:
    insert(database, *[(f"c{number}", COMMON, None) for number in range(suggestions.MOST_ALIKE + 1)])
    assert walk(database, 50) == []


@pytest.fixture
def crowd(database: Database) -> Database:
    rng = random.Random(7)
    names = [f"{first} {last}" for first in ("Anna", "Bob", "Cleo", "Dan") for last in ("Novak", "Dvorak", "Smith")]
    emails = [None, None, *(f"{number}@example.com" for number in range(12))]
    insert(database, *[(f"c{number:02}", rng.choice(names), rng.choice(emails)) for number in range(40)])
    return database


@pytest.mark.parametrize("window", [suggestions.MOST_ALIKE + 1, 20])
@pytest.mark.parametrize("limit", [1, 4, 50])
def test_a_walk_in_pages_finds_every_pair_once(
    crowd: Database, monkeypatch: pytest.MonkeyPatch, window: int, limit: int
) -> None:
    at_once = walk(crowd, 1000)
    assert len(at_once) == len(set(at_once)) > 20
    monkeypatch.setattr(suggestions, "WINDOW", window)
    assert walk(crowd, limit) == at_once


def test_a_walk_passes_over_a_name_that_fills_a_window(crowd: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = walk(crowd, 1000)
    insert(crowd, *[(f"s{number:02}", COMMON, None) for number in range(30)])
    monkeypatch.setattr(suggestions, "WINDOW", 10)
    assert walk(crowd, 5) == at_once


def test_merged_customers_are_suggested_no_more(service: Service) -> None:
    service.take(started(ANNA, FIRST, "Anna Novak"), started(BOB, SECOND, "Anna Novak"))
    assert [pair[2] for pair in walk(service.database, 50)] == ["same name and different numbers"]
    service.merge(ANNA, BOB)
    assert walk(service.database, 50) == []


@pytest.mark.parametrize("name", suggestions.FIELDS)
def test_a_walk_reads_an_index_and_no_customers(
    database: Database, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    insert(database, *[(f"c{number}", f"Name{number} Surname", f"{number}@example.com") for number in range(50)])
    commands: list[dict[str, Any]] = []
    collection = type(database[CUSTOMERS])
    real = collection.aggregate

    def spied(self: Any, stages: Any, **options: Any) -> Any:
        commands.append({"aggregate": CUSTOMERS, "pipeline": stages, "cursor": {}, **options})
        return real(self, stages, **options)

    monkeypatch.setattr(collection, "aggregate", spied)
    page_of_suggestions(database, "demo", None, 10)
    [command] = [one for one in commands if one["hint"].get(name)]
    raw = database.client[database.name]
    plan = str(raw.command({"explain": command, "verbosity": "executionStats"}))
    assert "'totalDocsExamined': 0" in plan
    assert "COLLSCAN" not in plan


# What waits.


def test_what_nobody_turns_up_for_is_removed_by_mongodb_and_nothing_else(database: Database) -> None:
    work = UnitOfWork(database, system_clock)
    record = subscriptions(BUSINESSES, system_clock, SEAL)["call.transcribed"]
    record(work, [transcribed(FIRST, "Hello"), transcribed(SECOND, "Hello"), started(ANNA, SECOND)])
    work.commit()
    assert database[TIMELINE].index_information()["waits_until_1"]["expireAfterSeconds"] == 0
    [waiting] = database[TIMELINE].find({"waits_until": {"$type": "date"}}).hint("waits_until_1")
    assert waiting["call_sid"] == FIRST
    assert timedelta() <= system_clock() + WAITING - waiting["waits_until"] < timedelta(minutes=10)


# The worker.


def test_the_worker_recognises_what_the_web_process_erased(service: Service) -> None:
    settings = load_settings({"RINGBACK_SECRET_KEY": "s" * 40})
    bus = Bus("amqp://127.0.0.1", Topology())
    every = loops(settings, service.database, bus, lambda: NOON, "test")
    [consumer] = [loop for loop in every if isinstance(loop, EventConsumer)]
    person(service)
    service.lifecycle.delete("demo", IDS[ANNA])
    before = service.everything()
    consumer._commit([transcribed(FIRST, "It is my tooth, a longer one"), started(ANNA, FIRST)])
    service.database["inbox"].delete_many({})
    assert service.everything() == before
