"""RecordEvents on the real unit of work: profiles, entries and what the others are told."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer.handlers import KINDS, RecordEvents
from customer.lifecycle import Lifecycle
from customer.people import WAITING
from customer.store import CUSTOMERS, TIMELINE
from ringback.callers import customer_id_of
from ringback.contracts.envelope import Event, decode, new_event
from ringback.errors import Permanent
from ringback.phone import NAMELESS_KINDS, identify
from ringback.seals import seal_with
from ringback.store.database import OUTBOX
from tests.unit.fakes import CALLER, NUMBER, SECRET, T0, Document, MemoryDatabase, at, sample_settings

SEAL = seal_with(SECRET)
RECORD_EVENTS = RecordEvents(sample_settings().businesses, lambda: T0, SEAL)
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
        RECORD_EVENTS(work, unseen)
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
    both = RecordEvents({"demo": demo, "other": demo}, lambda: T0, SEAL)
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


# Voicemails and transcripts.

STRANGER = "+420601123456"
KIND = identify(CALLER, "US").kind


def recorded(call: str = "CA1", recording: str = "RE1", seconds: float = 40) -> Event:
    data = {"call_sid": call, "recording_sid": recording, "duration_seconds": 12, "at": at(seconds)}
    return new_event(
        "call.recorded", business="demo", subject=call, time=at(seconds), data=data, cause=("recorded", recording)
    )


def transcribed(call: str = "CA1", text: str = "Hello", seconds: float = 60) -> Event:
    data = {
        "call_sid": call,
        "recording_sid": None,
        "text": text,
        "confidence": None,
        "source": "realtime",
        "at": at(seconds),
    }
    return new_event(
        "call.transcribed", business="demo", subject=call, time=at(seconds), data=data, cause=(call, text)
    )


def timeline(database: MemoryDatabase, kind: str) -> list[Document]:
    entries = [entry for entry in database.documents(TIMELINE).values() if entry["kind"] == kind]
    return sorted(entries, key=lambda entry: (entry["at"], entry["_id"]))


@pytest.mark.parametrize("together", [True, False])
def test_a_voicemail_and_a_transcript_that_come_before_their_call_find_it(
    database: MemoryDatabase, *, together: bool
) -> None:
    early = [recorded(), transcribed()]
    if together:
        handle(database, *early, event("call.missed"))
    else:
        handle(database, *early)
        assert [entry["customer_id"] for entry in database.documents(TIMELINE).values()] == [None, None]
        assert not customers(database)
        handle(database, event("call.missed"))
    [customer] = customers(database)
    for kind in ("call", "voicemail", "transcript"):
        [entry] = timeline(database, kind)
        assert entry["customer_id"] == customer["_id"]
        assert not entry.get("awaits")


def test_a_transcript_that_grew_takes_the_place_of_the_shorter_one(database: MemoryDatabase) -> None:
    handle(database, event("call.started"), transcribed(text="Hello, this is Anna."), transcribed(text="Hello,"))
    assert [entry["text"] for entry in timeline(database, "transcript")] == ["Hello, this is Anna."]
    handle(database, transcribed(text="Hello, this is Anna. Bye."))
    assert [entry["text"] for entry in timeline(database, "transcript")] == ["Hello, this is Anna. Bye."]


@pytest.mark.parametrize("order", list(permutations(["Hallo", "Hello", "Hell"])))
@pytest.mark.parametrize("call_at", range(4))
def test_of_transcripts_as_long_as_each_other_always_the_same_counts(order: Sequence[str], call_at: int) -> None:
    database = MemoryDatabase()
    events = [transcribed(text=text, seconds=len(text)) for text in order]
    for one in [*events[:call_at], event("call.started"), *events[call_at:]]:
        handle(database, one)
    assert [entry["text"] for entry in timeline(database, "transcript")] == ["Hello"]


def test_what_waits_waits_until_a_moment_that_no_further_event_puts_off(database: MemoryDatabase) -> None:
    handle(database, recorded(), transcribed(text="Hello"), text("sent"))
    work = database.work()
    RecordEvents(RECORD_EVENTS.businesses, lambda: at(60), SEAL)(
        work, [transcribed(text="Hello!"), text("delivered")]
    )
    work.commit()
    waiting = database.documents(TIMELINE).values()
    assert [entry["waits_until"] for entry in waiting] == [T0 + WAITING] * 3
    assert {entry.get("text") or entry.get("status") for entry in waiting} == {None, "Hello!", "delivered"}


def test_what_belongs_to_somebody_waits_for_nothing(database: MemoryDatabase) -> None:
    handle(database, recorded(), text("sent"))
    handle(database, event("call.started"))
    handle(database, transcribed(), text("delivered"), text("sent", "r2"))
    entries = database.documents(TIMELINE).values()
    assert len(entries) == 5
    assert not any(entry["customer_id"] is None or "waits_until" in entry for entry in entries)


def test_what_waits_for_a_call_is_not_given_to_another_one(database: MemoryDatabase) -> None:
    handle(database, recorded("CA1"), recorded("CA2", "RE2"))
    handle(database, event("call.missed", "CA2"))
    assert [entry["call_sid"] for entry in timeline(database, "voicemail") if entry["customer_id"]] == ["CA2"]


# Texts.


def received(message: str = "SM1", seconds: float = 0, sender: str = CALLER, kind: str = KIND) -> Event:
    data: dict[str, Any] = {
        "message_sid": message,
        "sender": sender,
        "recipient": NUMBER,
        "sender_kind": kind,
        "body": "Hi",
        "media": [],
        "consent": None,
        "keyword": None,
        "at": at(seconds),
    }
    return new_event("sms.received", business="demo", subject=message, time=at(seconds), data=data, cause=(message,))


def text(status: str, request: str = "r1", seconds: float = 0, to: str = CALLER, **data: Any) -> Event:
    said: dict[str, Any] = {"request_id": request, "recipient": to}
    if status == "requested":
        said |= {"body": "Hello", "purpose": "transactional", "reason": "text_back"}
    event_type = f"sms.{status}"
    return new_event(
        event_type, business="demo", subject=request, time=at(seconds), data=said | data, cause=(request, status)
    )


def test_a_text_that_comes_in_makes_a_customer(database: MemoryDatabase) -> None:
    handle(database, received())
    [customer] = customers(database)
    assert (customer["phone"], customer["source"], customer["total_texts"]) == (CALLER, "sms", 1)
    [entry] = timeline(database, "sms")
    assert (entry["direction"], entry["body"], entry["customer_id"]) == ("inbound", "Hi", customer["_id"])


def test_texts_of_withheld_senders_are_of_a_customer_each(database: MemoryDatabase) -> None:
    handle(database, received("SM1", sender="", kind="withheld"), received("SM2", sender="", kind="withheld"))
    assert [customer["total_texts"] for customer in customers(database)] == [1, 1]


JOURNEY = [text("requested"), text("sent", seconds=2, message_sid="SM9"), text("delivered", seconds=5)]


@given(st.permutations(JOURNEY), st.booleans())
def test_a_text_of_ours_shows_how_far_it_got_whatever_came_last(journey: list[Event], one_batch: bool) -> None:
    database = MemoryDatabase()
    handle(database, event("call.missed"))
    for batch in [journey] if one_batch else [[one] for one in journey]:
        handle(database, *batch)
    [entry] = timeline(database, "sms")
    shown = {name: entry[name] for name in ("status", "body", "message_sid", "at", "status_at")}
    assert shown == {
        "status": "delivered",
        "body": "Hello",
        "message_sid": "SM9",
        "at": at(0),
        "status_at": at(5),
    }
    assert customers(database)[0]["total_texts"] == 1


@pytest.mark.parametrize("late", [text("suppressed", reason="opted_out"), text("failed", error_code=30003)])
def test_a_text_that_did_not_go_says_why(database: MemoryDatabase, late: Event) -> None:
    handle(database, event("call.missed"), text("requested"), late)
    [entry] = timeline(database, "sms")
    assert entry["status"] == late.type.removeprefix("sms.")
    assert (entry["reason"], entry["error_code"]) == (late.data.get("reason"), late.data.get("error_code"))


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("first", [event("call.missed", seconds=9, kind=KIND), received(seconds=9)])
def test_a_text_to_somebody_unknown_waits_for_them(database: MemoryDatabase, first: Event, *, together: bool) -> None:
    early = [text("requested"), text("sent", seconds=2)]
    if together:
        handle(database, *early, first)
    else:
        handle(database, *early)
        assert not customers(database)
        handle(database, first)
    handle(database, text("delivered", seconds=20))
    [customer] = customers(database)
    [entry] = [entry for entry in timeline(database, "sms") if entry["direction"] == "outbound"]
    assert (entry["customer_id"], entry["status"], entry.get("awaits")) == (customer["_id"], "delivered", None)
    assert customer["total_texts"] == len(timeline(database, "sms"))


@pytest.mark.parametrize("named_first", [True, False])
def test_a_text_that_waited_goes_to_whom_its_request_names(database: MemoryDatabase, *, named_first: bool) -> None:
    handle(database, event("call.missed"))
    [customer] = customers(database)
    requested = text("requested", to=STRANGER, customer_id=customer["_id"])
    sent = text("sent", seconds=2, to=STRANGER)
    for one in (requested, sent) if named_first else (sent, requested):
        handle(database, one)
    [entry] = timeline(database, "sms")
    [customer] = customers(database)
    assert (entry["customer_id"], entry["awaits"]) == (customer["_id"], None)
    assert (customer["total_texts"], customer["updated_at"]) == (1, at(2))


# Bookings.


def booking(
    status: str = "booked", seconds: float = 0, booking_id: str = "b1", price: int = 5000, **data: Any
) -> Event:
    said = {
        "booking_id": booking_id,
        "phone": CALLER,
        "customer_id": None,
        "name": None,
        "starts_at": at(86_400),
        "service": "Cleaning",
        "price": price,
        "currency": None,
        "status": status,
        **data,
    }
    cause = (booking_id, status, str(seconds))
    return new_event(
        "booking.recorded", business="demo", subject=booking_id, time=at(seconds), data=said, cause=cause
    )


def test_a_booking_makes_a_customer_and_an_appointment_and_tells_of_it(database: MemoryDatabase) -> None:
    handle(database, booking(name="Anna"))
    [customer] = customers(database)
    assert (customer["phone"], customer["name"], customer["segment"]) == (CALLER, "Anna", "active")
    [entry] = timeline(database, "appointment")
    assert (entry["status"], entry["price"], entry["currency"]) == ("booked", 5000, "USD")
    assert kinds_told(database) == ["appointment.booked", "customer.created"]
    [booked] = [one for one in told(database) if one.type == "appointment.booked"]
    assert booked.data["customer_id"] == customer["_id"]
    assert (booked.data["price"], booked.data["starts_at"]) == (5000, at(86_400))


def test_of_what_is_told_of_a_booking_the_newest_counts_however_often_it_is_told(database: MemoryDatabase) -> None:
    handle(database, booking("completed", 60, price=7000))
    handle(database, booking("booked"), booking("completed", 60, price=7000))
    [customer] = customers(database)
    assert (customer["total_appointments"], customer["total_spent"]) == (1, 7000)
    assert customer["spend"] == {"USD": {"total": 7000, "visits": 1}}
    assert kinds_told(database).count("appointment.completed") == 1
    assert "appointment.booked" not in kinds_told(database)


def test_a_booking_names_its_customer_by_number_in_any_writing_or_by_id(database: MemoryDatabase) -> None:
    handle(database, event("call.missed", kind=KIND))
    [customer] = customers(database)
    handle(database, booking(phone="(212) 555-0123"))
    handle(database, booking(booking_id="b2", phone=None, customer_id=customer["_id"]))
    assert [one["total_appointments"] for one in customers(database)] == [2]


def test_who_books_by_a_number_that_was_erased_is_somebody_new_each_time(database: MemoryDatabase) -> None:
    lifecycle = Lifecycle(database.as_database(), RECORD_EVENTS.businesses, lambda: T0, lambda: str(uuid4()), SEAL)
    seen: set[str] = set()
    for name in ("b1", "b2", "b3"):
        handle(database, booking(booking_id=name))
        [customer] = customers(database)
        assert customer["_id"] not in seen
        seen.add(customer["_id"])
        lifecycle.delete("demo", customer["_id"])


@pytest.mark.parametrize(
    "named", [{"phone": None, "customer_id": "nobody"}, {"phone": "12345"}, {"phone": "anonymous"}]
)
def test_a_booking_of_nobody_is_refused_for_good(database: MemoryDatabase, named: Document) -> None:
    with pytest.raises(Permanent) as refused:
        handle(database, booking(**named))
    assert refused.value.code == "unknown_customer"
    assert not database.collections


def test_another_business_s_customer_is_not_booked_for(database: MemoryDatabase) -> None:
    businesses = {name: sample_settings().businesses["demo"] for name in ("demo", "other")}
    both = RecordEvents(businesses, lambda: T0, SEAL)
    work = database.work()
    both(work, [event("call.started", business="other")])
    work.commit()
    [theirs] = customers(database)
    with pytest.raises(Permanent):
        both(database.work(), [booking(phone=None, customer_id=theirs["_id"])])
    work = database.work()
    both(work, [booking(customer_id=theirs["_id"])])
    work.commit()
    assert {one["business"]: one["total_appointments"] for one in customers(database)} == {"demo": 1, "other": 0}


# Stages.


def staged(current: str, seconds: float, previous: str = "new_lead", customer: str | None = None) -> Event:
    data = {
        "customer_id": customer or customer_id_of("demo", CALLER, ""),
        "previous": previous,
        "current": current,
        "cause": "manual",
        "actor": "olga",
        "seconds_in_previous_stage": None,
        "at": at(seconds),
    }
    return new_event(
        "lead.stage_changed", business="demo", subject="x", time=at(seconds), data=data, cause=(current, str(seconds))
    )


def noted_by_rule(seconds: int) -> Event:
    data = {
        "note_id": f"run-{seconds}",
        "customer_id": customer_id_of("demo", CALLER, ""),
        "text": "Ask for a review.",
        "author": "After a visit",
        "at": at(seconds),
    }
    return new_event(
        "note.requested", business="demo", subject="x", time=at(seconds), data=data, cause=(str(seconds),)
    )


def test_a_note_that_a_rule_asks_for_stands_in_the_history_once(database: MemoryDatabase) -> None:
    handle(database, event("call.missed"))
    for _ in range(2):
        handle(database, noted_by_rule(10))
    [note] = [entry for entry in database.documents(TIMELINE).values() if entry["kind"] == "note"]
    assert (note["text"], note["author"], note["at"]) == ("Ask for a review.", "After a visit", at(10))


def test_a_note_about_nobody_is_refused(database: MemoryDatabase) -> None:
    with pytest.raises(Permanent):
        handle(database, noted_by_rule(10))


@pytest.mark.parametrize("last_first", [True, False])
def test_the_latest_move_is_the_stage_and_each_stands_in_the_history(
    database: MemoryDatabase, *, last_first: bool
) -> None:
    handle(database, event("call.missed"))
    moves = [staged("contacted", 10), staged("lost", 20, "contacted")]
    for move in reversed(moves) if last_first else moves:
        handle(database, move)
    assert customers(database)[0]["pipeline_stage"] == "lost"
    assert [entry["to"] for entry in timeline(database, "stage")] == ["contacted", "lost"]


def test_a_move_that_the_inbox_forgot_changes_nothing(database: MemoryDatabase) -> None:
    handle(database, event("call.missed"), staged("lost", 20))
    before = dict(database.documents(CUSTOMERS)), dict(database.documents(TIMELINE))
    work = database.work()
    RECORD_EVENTS(work, [staged("lost", 20)])
    work.commit()
    assert (database.documents(CUSTOMERS), database.documents(TIMELINE)) == before


def test_a_stage_of_nobody_is_refused_for_good(database: MemoryDatabase) -> None:
    with pytest.raises(Permanent) as refused:
        handle(database, staged("lost", 0, customer="nobody"))
    assert refused.value.code == "unknown_customer"


# All of it, in any order.

LIFE = [
    booking("booked", 50, name="ANNA B."),
    booking("completed", 400, price=6000, name="ANNA B."),
    booking("booked", 260, "b2"),
    booking("canceled", 270, "b2"),
    event("call.started", "CA1", 100, kind=KIND),
    event("call.missed", "CA1", 130, kind=KIND),
    event("call.started", "CA2", 200, kind=KIND, name="ANNA"),
    event("call.completed", "CA2", 240, kind=KIND, name="ANNA"),
    recorded("CA1", "RE1", 140),
    transcribed("CA1", "Hello", 150),
    transcribed("CA1", "Hello, this is Anna", 160),
    text("requested", "r1", 20),
    text("sent", "r1", 25, message_sid="SM9"),
    text("delivered", "r1", 30),
    text("requested", "r2", 300),
    text("suppressed", "r2", 301, reason="opted_out"),
    text("requested", "r3", 310, to=STRANGER),
    text("failed", "r3", 311, to=STRANGER, error_code=30003),
    received("SM1", 90),
    received("SM2", 320),
    staged("contacted", 500),
    staged("appointment_set", 600, "contacted"),
    noted_by_rule(700),
]
NEEDS_A_CUSTOMER = {"lead.stage_changed", "note.requested"}
# What makes somebody who was not known a customer; nobody moves a lead before.
MAKES_A_CUSTOMER = frozenset({"call.started", "call.completed", "call.missed", "sms.received", "booking.recorded"})


def possible(events: Sequence[Event]) -> list[Event]:
    """The order with the moves of a lead that nobody has heard of put after the first that makes one."""
    first = next(place for place, one in enumerate(events) if one.type in MAKES_A_CUSTOMER)
    early = [one for one in events[:first] if one.type in NEEDS_A_CUSTOMER]
    before = [one for one in events[:first] if one.type not in NEEDS_A_CUSTOMER]
    return [*before, events[first], *early, *events[first + 1 :]]


def test_a_life_has_every_kind_of_event() -> None:
    assert {one.type for one in LIFE} == set(KINDS)


@given(st.permutations(LIFE), st.lists(st.sampled_from(LIFE), max_size=6), st.data())
def test_whatever_is_told_in_whatever_order_ends_in_the_same_documents(
    order: list[Event], repeated: list[Event], data: st.DataObject
) -> None:
    whole, piecemeal = MemoryDatabase(), MemoryDatabase()
    handle(whole, *LIFE)
    rest = possible([*order, *repeated])
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        handle(piecemeal, *rest[:size])
        rest = rest[size:]
    for collection in (CUSTOMERS, TIMELINE):
        assert without_path(piecemeal, collection) == without_path(whole, collection)


def without_path(database: MemoryDatabase, collection: str) -> dict[str, Document]:
    """The documents without what tells of the way to them: versions, and which segments there were in between."""
    found = without_version(database, collection)
    return {key: document for key, document in found.items() if document.get("kind") != "segment"}
