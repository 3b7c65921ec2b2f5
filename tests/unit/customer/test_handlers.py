"""RecordCalls on the real unit of work: profiles, entries and what the others are told."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer.handlers import RecordEvents
from customer.store import CUSTOMERS, TIMELINE
from ringback.contracts.envelope import Event, decode, new_event
from ringback.errors import Permanent
from ringback.phone import NAMELESS_KINDS
from ringback.store.database import OUTBOX
from tests.unit.fakes import CALLER, NUMBER, T0, Document, MemoryDatabase, at, sample_settings

RECORD_CALLS = RecordEvents(sample_settings().businesses, lambda: T0)
EXTRA: dict[str, dict[str, Any]] = {
    "call.started": {"direction": "inbound"},
    "call.completed": {"duration_seconds": 20, "answered_at": None},
    "call.missed": {"reason": "no-answer", "voicemail": True},
}


def event(
    event_type: str,
    call: str = "CA1",
    seconds: float = 0,
    caller: str = CALLER,
    kind: str = "mobile",
    name: str | None = None,
    business: str = "demo",
    **extra: Any,
) -> Event:
    data = {
        "call_sid": call,
        "caller": caller,
        "called": NUMBER,
        "caller_kind": kind,
        "caller_name": name,
        "at": at(seconds),
        **EXTRA[event_type],
        **extra,
    }
    cause = (call, data.get("reason", ""))
    return new_event(event_type, business=business, subject=call, time=at(seconds), data=data, cause=cause)


def handle(database: MemoryDatabase, *events: Event) -> None:
    """A batch, as the consumer handles it."""
    work = database.work()
    unseen = work.unseen(events)
    for one in unseen:
        work.mark_handled(one)
    if unseen:
        RECORD_CALLS(work, unseen)
    work.commit()


def customers(database: MemoryDatabase) -> list[Document]:
    return list(database.documents(CUSTOMERS).values())


def told(database: MemoryDatabase) -> list[Event]:
    return [decode(row["body"]) for row in database.documents(OUTBOX).values()]


def kinds_told(database: MemoryDatabase) -> list[str]:
    return sorted(event.type for event in told(database))


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase()


def test_a_call_makes_a_customer_an_entry_and_one_announcement(database: MemoryDatabase) -> None:
    handle(database, event("call.started"), event("call.missed", seconds=30))
    [customer] = customers(database)
    assert (customer["phone"], customer["total_calls"], customer["missed_calls"]) == (CALLER, 1, 1)
    [entry] = database.documents(TIMELINE).values()
    assert (entry["customer_id"], entry["outcome"]) == (customer["_id"], "missed")
    [created] = told(database)
    assert created.type == "customer.created"
    assert created.subject == created.data["customer_id"] == customer["_id"]
    assert (created.data["phone"], created.data["source"]) == (CALLER, "call")


def test_a_customer_is_announced_once_however_often_they_call(database: MemoryDatabase) -> None:
    handle(database, event("call.started"), event("call.started", "CA2", 60))
    handle(database, event("call.missed", "CA2", 90), event("call.started", "CA3", 120))
    handle(database, event("call.started", "CA3", 120))
    assert kinds_told(database) == ["customer.created"]
    assert customers(database)[0]["total_calls"] == 3


def test_a_name_that_is_learnt_later_is_told(database: MemoryDatabase) -> None:
    handle(database, event("call.started"))
    handle(database, event("call.started", "CA2", 60, name="ANNA"), event("call.missed", "CA2", 90, name="ANNA"))
    assert kinds_told(database) == ["customer.created", "customer.updated"]
    [updated] = [one for one in told(database) if one.type == "customer.updated"]
    assert updated.data["changed"] == {"name": "ANNA"}


@pytest.mark.parametrize("kind", sorted(NAMELESS_KINDS))
@pytest.mark.parametrize("caller", ["", "anonymous", "+7378742833", "sip:bob@x", CALLER])
def test_who_has_no_number_never_merges(database: MemoryDatabase, kind: str, caller: str) -> None:
    calls = ("CA1", "CA2", "CA3")
    handle(database, *(event("call.started", call, caller=caller, kind=kind) for call in calls))
    handle(database, *(event("call.missed", call, 9, caller=caller, kind=kind) for call in calls))
    handle(database, event("call.started", "CA4"))
    nameless = [customer for customer in customers(database) if customer["phone"] is None]
    assert [customer["total_calls"] for customer in nameless] == [1, 1, 1]
    assert {customer["phone_kind"] for customer in nameless} == {kind}
    assert all(customer["phones"] == [] for customer in nameless)
    assert len(customers(database)) == 4


def test_the_same_number_is_another_customer_of_another_business(database: MemoryDatabase) -> None:
    demo = sample_settings().businesses["demo"]
    both = RecordEvents({"demo": demo, "other": demo}, lambda: T0)
    work = database.work()
    both(work, [event("call.started"), event("call.started", business="other")])
    work.commit()
    assert {customer["business"] for customer in customers(database)} == {"demo", "other"}
    assert [customer["total_calls"] for customer in customers(database)] == [1, 1]


def test_a_number_that_belongs_to_a_customer_since_a_merge_finds_that_one(database: MemoryDatabase) -> None:
    handle(database, event("call.started"))
    [kept] = customers(database)
    database.documents(CUSTOMERS)[kept["_id"]]["phones"].append("+420601123456")
    handle(database, event("call.started", "CA2", 60, caller="+420601123456"))
    [customer] = customers(database)
    assert (customer["_id"], customer["total_calls"]) == (kept["_id"], 2)


def test_an_unknown_business_is_refused_for_good(database: MemoryDatabase) -> None:
    with pytest.raises(Permanent) as refused:
        handle(database, event("call.started", business="nobody"))
    assert refused.value.code == "unknown_business"
    assert not database.collections


def test_what_a_customer_is_found_by_is_kept_with_them(database: MemoryDatabase) -> None:
    handle(database, event("call.started", name="Anna NOVÁKOVÁ"))
    found_by = customers(database)[0]["search"]
    assert {"anna", "nováková", "12125550123", "2125550123", "0123"} <= set(found_by)


CALLS = [
    one
    for call, name in (("CA1", None), ("CA2", "ANNA"), ("CA3", "BOB"))
    for one in (
        event("call.started", call, int(call[2]) * 100, name=name),
        event("call.missed", call, int(call[2]) * 100 + 30, name=name, reason="abandoned"),
        event("call.completed", call, int(call[2]) * 100 + 40, name=name),
    )
]


@given(st.permutations(CALLS + CALLS[::2]), st.lists(st.integers(1, 5), min_size=14, max_size=14))
def test_any_order_repetition_and_batches_end_in_the_same_documents(events: list[Event], sizes: list[int]) -> None:
    whole, piecemeal = MemoryDatabase(), MemoryDatabase()
    handle(whole, *CALLS)
    rest: Sequence[Event] = events
    for size in sizes:
        handle(piecemeal, *rest[:size])
        rest = rest[size:]
    handle(piecemeal, *rest)
    for collection in (CUSTOMERS, TIMELINE):
        assert without_version(piecemeal, collection) == without_version(whole, collection)
    assert kinds_told(piecemeal).count("customer.created") == 1
    assert last_name_told(piecemeal) <= {"ANNA"} | {None, "BOB"}


def without_version(database: MemoryDatabase, collection: str) -> dict[str, Document]:
    return {key: {**document, "version": 0} for key, document in database.documents(collection).items()}


def last_name_told(database: MemoryDatabase) -> set[str | None]:
    return {one.data["changed"].get("name") for one in told(database) if one.type == "customer.updated"}


@pytest.mark.parametrize("first", [0, 1])
def test_a_call_of_which_facts_disagree_about_the_caller_stays_one_call_of_one_customer(
    database: MemoryDatabase, first: int
) -> None:
    facts = [event("call.started", caller="anonymous", kind="withheld"), event("call.missed", seconds=9)]
    handle(database, facts[first])
    handle(database, facts[1 - first])
    [customer] = customers(database)
    [entry] = database.documents(TIMELINE).values()
    assert (customer["total_calls"], customer["missed_calls"]) == (1, 1)
    assert entry["customer_id"] == customer["_id"]
