"""Merging, taking apart, erasing and giving out, on the real unit of work and a database in memory."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer import lifecycle as lifecycle_module
from customer.consents import RecordConsents, opted_out
from customer.events import subscriptions
from customer.lifecycle import Lifecycle
from customer.store import CUSTOMERS, ERASED_TOTALS, LINKS, OPT_OUTS, TIMELINE, put_link
from ringback.businesses import SegmentRules
from ringback.callers import customer_id_of
from ringback.clock import rfc3339
from ringback.consents import told
from ringback.contracts.envelope import Event, decode, new_event
from ringback.errors import Conflict, NotFound
from ringback.seals import seal_with
from ringback.store.database import OUTBOX
from tests.support.events import call_event
from tests.unit.fakes import T0, Document, MemoryDatabase, at, demo

ANNA, BOB, CLEO = NUMBERS = ("+12125550101", "+12125550102", "+12125550103")
IDS = {number: customer_id_of("demo", number, "") for number in NUMBERS}
BUSINESSES = {"demo": replace(demo(), segments=SegmentRules(vip_appointments=2, inactive_months=6))}
SEAL = seal_with("s" * 40)
NOW = at(3600)
# What a merge may leave: that something was changed, and how often.
PASSING = ("version", "updated_at")


@dataclass
class Service:
    """The customer service, told events one by one and asked for things."""

    database: MemoryDatabase
    lifecycle: Lifecycle

    @classmethod
    def fresh(cls, *events: Event) -> "Service":
        database, numbers = MemoryDatabase(), itertools.count()
        lifecycle = Lifecycle(database.as_database(), BUSINESSES, lambda: NOW, lambda: f"id-{next(numbers)}", SEAL)
        service = cls(database, lifecycle)
        service.take(*events)
        return service

    def take(self, *events: Event) -> None:
        handlers = subscriptions(BUSINESSES, lambda: NOW, SEAL)
        for event in events:
            work = self.database.work(NOW)
            handlers[event.type](work, [event])
            work.commit()

    def merge(self, kept: str, other: str) -> Document:
        return self.lifecycle.merge("demo", IDS[kept], IDS[other], "olga")

    def unmerge(self, kept: str, other: str) -> Document:
        return self.lifecycle.unmerge("demo", IDS[kept], IDS[other], "olga")

    def customer(self, number: str) -> Document:
        return self.database.documents(CUSTOMERS)[IDS[number]]

    def customers(self) -> dict[str, Document]:
        return {one["_id"]: lasting(one) for one in self.database.documents(CUSTOMERS).values()}

    def entries(self, kind: str) -> list[Document]:
        return [entry for entry in self.database.documents(TIMELINE).values() if entry["kind"] == kind]

    def told(self, *types: str) -> list[Event]:
        events = [decode(row["body"]) for row in self.database.documents(OUTBOX).values()]
        return [event for event in events if event.type in types]


def lasting(document: Document) -> Document:
    own = {name: value for name, value in document["own"].items() if name not in PASSING}
    return {name: value for name, value in document.items() if name not in PASSING} | {"own": own}


# What comes in.


def started(number: str, call: str, seconds: float = 0, name: str | None = None) -> Event:
    return call_event("call.started", call, number, at(seconds), caller_name=name)


def missed(number: str, call: str, seconds: float = 30) -> Event:
    return call_event("call.missed", call, number, at(seconds))


def transcribed(call: str, text: str = "It is my tooth", seconds: float = 60) -> Event:
    data = {
        "call_sid": call,
        "recording_sid": None,
        "text": text,
        "confidence": None,
        "source": "realtime",
        "at": at(seconds),
    }
    return _event("call.transcribed", call, seconds, data)


def wrote(number: str, sid: str, seconds: float = 0, body: str = "Hello") -> Event:
    data: dict[str, Any] = {
        "message_sid": sid,
        "sender": number,
        "recipient": "+15558675310",
        "sender_kind": "mobile",
        "body": body,
        "media": [],
        "consent": None,
        "keyword": None,
        "at": at(seconds),
    }
    return _event("sms.received", sid, seconds, data)


def sent(number: str, request: str, seconds: float = 0, customer_id: str | None = None) -> Event:
    data = {
        "request_id": request,
        "recipient": number,
        "body": "See you",
        "purpose": "transactional",
        "reason": "manual",
        "customer_id": customer_id,
        "expires_at": None,
    }
    return _event("sms.requested", request, seconds, data)


def booked(number: str, booking: str, seconds: float = 0, status: str = "booked", price: int = 5000) -> Event:
    data = {
        "booking_id": booking,
        "phone": number,
        "customer_id": None,
        "name": "Anna Novak",
        "starts_at": at(seconds),
        "service": "Check-up",
        "price": price,
        "currency": None,
        "status": status,
    }
    return _event("booking.recorded", booking, seconds, data, status)


def moved(number: str, to: str, seconds: float = 0) -> Event:
    data = {
        "customer_id": IDS[number],
        "previous": None,
        "current": to,
        "cause": "manual",
        "actor": "olga",
        "seconds_in_previous_stage": None,
        "at": at(seconds),
    }
    return _event("lead.stage_changed", IDS[number], seconds, data, to)


def said(number: str, event_type: str, seconds: float = 0, scope: str = "all") -> Event:
    return _event(event_type, number, seconds, {"phone": number, "scope": scope, "keyword": None}, scope)


def _event(event_type: str, subject: str, seconds: float, data: Mapping[str, Any], *cause: str) -> Event:
    causes = (subject, str(seconds), *cause)
    return new_event(event_type, business="demo", subject=subject, time=at(seconds), data=data, cause=causes)


moments = st.integers(0, 20).map(lambda minutes: minutes * 60.0)


@st.composite
def facts(draw: st.DrawFn) -> list[Event]:
    """Of each number a call, so that there is a customer, and whatever else; in any order."""
    known = [started(number, f"CA{number}", draw(moments)) for number in NUMBERS]
    # A call and a text have one time each, whatever is told of them; a booking is told of again and again.
    numbers, small = st.sampled_from(NUMBERS), st.integers(0, 3)
    more = draw(
        st.lists(
            st.one_of(
                st.builds(lambda n, c, who: started(n, f"CA{n}{c}", c * 60, who), numbers, small, names),
                st.builds(lambda n, c: missed(n, f"CA{n}{c}", c * 60 + 30), numbers, small),
                st.builds(lambda n, c: wrote(n, f"SM{n}{c}", c * 90), numbers, small),
                st.builds(lambda n, c: sent(n, f"request{n}{c}", c * 70), numbers, small),
                st.builds(lambda n, c, m, s: booked(n, f"{n}{c}", m, s), numbers, small, moments, statuses),
                st.builds(moved, numbers, st.sampled_from(["contacted", "lost"]), moments),
            ),
            max_size=12,
            unique_by=lambda event: event.id,
        )
    )
    return [*known, *draw(st.permutations(more))]


names = st.sampled_from([None, "ANNA", "BOB"])
statuses = st.sampled_from(["booked", "completed", "canceled"])
steps = st.lists(st.tuples(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS)), max_size=8)


def try_merge(service: Service, kept: str, other: str) -> None:
    """Whichever of the two fits what is there."""
    for act in (service.merge, service.unmerge):
        try:
            act(kept, other)
        except Conflict:
            continue
        return


def take_apart(service: Service) -> None:
    for number in NUMBERS:
        root = service.customer(number)["merged_into"]
        if root:
            service.lifecycle.unmerge("demo", root, IDS[number], "olga")


@given(facts(), st.data())
def test_what_was_merged_and_taken_apart_is_as_if_it_never_was(events: list[Event], data: st.DataObject) -> None:
    """Whatever came in before, between and after, of whichever number."""
    before, after = sorted(data.draw(st.tuples(*[st.integers(len(NUMBERS), len(events))] * 2)))
    apart, merged = Service.fresh(*events), Service.fresh(*events[:before])
    merged.merge(ANNA, BOB)
    merged.take(*events[before:after])
    merged.unmerge(ANNA, BOB)
    merged.take(*events[after:])
    assert merged.customers() == apart.customers()


@given(facts(), steps, st.data())
def test_whatever_was_merged_in_whatever_order_can_be_taken_apart(
    events: list[Event], pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    apart, merged = Service.fresh(*events), Service.fresh(*events[: len(NUMBERS)])
    todo: list[Event | tuple[str, str]] = data.draw(st.permutations([*events[len(NUMBERS) :], *pairs]))
    in_order = iter(events[len(NUMBERS) :])
    for one in todo:
        if isinstance(one, tuple):
            try_merge(merged, *one)
        else:
            merged.take(next(in_order))
    take_apart(merged)
    assert merged.customers() == apart.customers()


@given(facts(), steps)
def test_a_customer_is_what_its_records_add_up_to(events: list[Event], pairs: list[tuple[str, str]]) -> None:
    apart, merged = Service.fresh(*events).customers(), Service.fresh(*events)
    for pair in pairs:
        try_merge(merged, *pair)
    roots = [one for one in merged.customers().values() if not one["merged_into"]]
    every = sorted(name for root in roots for name in (root["_id"], *root["members"]))
    assert every == sorted(IDS.values())
    for root in roots:
        parts = [apart[name] for name in (root["_id"], *root["members"])]
        for counter in ("total_calls", "missed_calls", "total_texts", "total_appointments", "total_spent"):
            assert root[counter] == sum(part[counter] for part in parts)
        assert sorted(root["phones"]) == sorted(part["phone"] for part in parts)


@given(facts(), st.data())
def test_the_order_of_events_does_not_matter_to_who_is_merged(events: list[Event], data: st.DataObject) -> None:
    first, second = Service.fresh(*events[: len(NUMBERS)]), Service.fresh(*events[: len(NUMBERS)])
    for service in (first, second):
        service.merge(ANNA, BOB)
    # Of one appointment's facts of the same moment the event's id decides, so all orders are alike.
    first.take(*events[len(NUMBERS) :])
    second.take(*data.draw(st.permutations(events[len(NUMBERS) :])))
    assert first.customer(ANNA)["total_calls"] == second.customer(ANNA)["total_calls"]
    assert first.customer(ANNA)["spend"] == second.customer(ANNA)["spend"]
    assert first.customer(ANNA)["last_activity_at"] == second.customer(ANNA)["last_activity_at"]


def two() -> Service:
    return Service.fresh(started(ANNA, "CA1", name="ANNA NOVAK"), started(BOB, "CA2", 60), wrote(BOB, "SM1", 90))


def test_a_merge_shows_one_customer_with_both_numbers() -> None:
    service = two()
    root = service.merge(ANNA, BOB)
    assert (root["_id"], root["phones"], root["total_calls"], root["total_texts"]) == (
        IDS[ANNA],
        [ANNA, BOB],
        2,
        1,
    )
    member = service.customer(BOB)
    assert (member["merged_into"], member["phone"], "phones" in member) == (IDS[ANNA], None, False)
    assert root == service.customer(ANNA)


def test_what_comes_in_meanwhile_belongs_to_whose_number_it_is() -> None:
    service = two()
    service.merge(ANNA, BOB)
    service.take(started(BOB, "CA3", 120))
    assert service.customer(ANNA)["total_calls"] == 3
    assert service.database.documents(TIMELINE)["demo:call:CA3"]["customer_id"] == IDS[BOB]
    root = service.unmerge(ANNA, BOB)
    assert (root["total_calls"], service.customer(BOB)["total_calls"]) == (1, 2)


def test_both_ways_are_told_with_the_numbers_that_came_along() -> None:
    service = two()
    service.merge(ANNA, BOB)
    service.unmerge(ANNA, BOB)
    regrouped = service.told("customer.merged", "customer.unmerged")
    assert [event.type for event in regrouped] == ["customer.merged", "customer.unmerged"]
    expected = {"customer_id": IDS[ANNA], "other_id": IDS[BOB], "phones": [BOB]}
    assert [event.data.items() >= expected.items() for event in regrouped] == [True, True]
    assert regrouped[0].data["other_revision"] < regrouped[1].data["other_revision"]
    changes = [(event.subject, event.data["changed"].get("phones")) for event in service.told("customer.updated")]
    assert changes == [(IDS[ANNA], [ANNA, BOB]), (IDS[ANNA], [ANNA]), (IDS[BOB], [BOB])]
    assert len(service.told("customer.created")) == 2


def test_both_ways_stand_in_the_history_of_who_is_kept() -> None:
    service = two()
    service.merge(BOB, ANNA)
    service.unmerge(BOB, ANNA)
    entries = service.entries("merge")
    assert [entry["action"] for entry in entries] == ["merged", "unmerged"]
    for entry in entries:
        assert (entry["customer_id"], entry["other_id"]) == (IDS[BOB], IDS[ANNA])
        assert (entry["name"], entry["phones"], entry["actor"]) == ("ANNA NOVAK", [ANNA], "olga")


def test_who_leaves_takes_along_whom_they_brought() -> None:
    service = Service.fresh(*(started(number, f"CA{number}") for number in NUMBERS))
    service.merge(BOB, CLEO)
    service.merge(ANNA, BOB)
    assert service.customer(ANNA)["phones"] == [ANNA, BOB, CLEO]
    service.unmerge(ANNA, BOB)
    assert service.customer(ANNA)["phones"] == [ANNA]
    assert service.customer(BOB)["phones"] == [BOB, CLEO]
    assert service.customer(CLEO)["merged_into"] == IDS[BOB]


def test_who_was_brought_can_leave_alone() -> None:
    service = Service.fresh(*(started(number, f"CA{number}") for number in NUMBERS))
    service.merge(BOB, CLEO)
    service.merge(ANNA, BOB)
    service.unmerge(ANNA, CLEO)
    assert service.customer(CLEO)["phones"] == [CLEO]
    service.unmerge(ANNA, BOB)
    assert service.customer(BOB)["phones"] == [BOB]


def test_vips_together_are_vips_as_long_as_they_are_together() -> None:
    service = Service.fresh(booked(ANNA, "1"), booked(BOB, "2"), started(CLEO, "CA1"))
    assert service.merge(ANNA, BOB)["segment"] == "vip"
    service.take(booked(BOB, "2", 60, "canceled"))
    assert service.merge(ANNA, CLEO)["segment"] == "vip"
    assert service.unmerge(ANNA, CLEO)["segment"] == "vip"
    assert service.unmerge(ANNA, BOB)["segment"] == "active"
    assert service.customer(BOB)["segment"] != "vip"


def test_who_was_merged_as_vips_together_leaves_as_such() -> None:
    service = Service.fresh(booked(BOB, "1"), booked(CLEO, "2"), started(ANNA, "CA1"))
    service.merge(BOB, CLEO)
    service.take(booked(CLEO, "2", 60, "canceled"))
    assert service.merge(ANNA, BOB)["segment"] == "vip"
    assert service.unmerge(ANNA, BOB)["segment"] == "lead"
    assert service.customer(BOB)["segment"] == "vip"


def test_a_vip_of_a_wider_merge_is_none_after_it() -> None:
    service = Service.fresh(booked(ANNA, "1"), booked(BOB, "2"), started(CLEO, "CA1"))
    service.merge(ANNA, CLEO)
    assert service.merge(ANNA, BOB)["segment"] == "vip"
    assert service.unmerge(ANNA, BOB)["segment"] == "active"


HISTORY = (booked(ANNA, "1"), booked(BOB, "2", 60), booked(BOB, "2", 120, "canceled"), booked(CLEO, "3", 180))


@pytest.mark.parametrize("order", list(permutations(HISTORY)))
@pytest.mark.parametrize("merged_after", range(5))
def test_who_was_a_vip_together_is_told_by_what_happened_not_by_what_came_first(
    order: Sequence[Event], merged_after: int
) -> None:
    """A number is known from the first; merging comes anywhere between, or before all."""
    service = Service.fresh(started(ANNA, "CA1"), started(BOB, "CA2"), started(CLEO, "CA3"), *order[:merged_after])
    service.merge(ANNA, BOB)
    service.take(*order[merged_after:])
    assert service.customer(ANNA)["segment"] == "vip"
    assert service.unmerge(ANNA, BOB)["segment"] == "active"
    assert service.customer(BOB)["segment"] != "vip"
    assert service.merge(CLEO, BOB)["segment"] == "active"


def test_who_turns_out_never_to_have_had_enough_is_no_vip() -> None:
    service = Service.fresh(booked(ANNA, "1"), booked(ANNA, "2", 60))
    assert service.customer(ANNA)["segment"] == "vip"
    service.take(booked(ANNA, "1", 30, "canceled"), booked(ANNA, "1", 90, "canceled"))
    assert service.customer(ANNA)["segment"] == "active"


@pytest.mark.parametrize(
    ("kept", "other", "code"),
    [(ANNA, ANNA, "same_customer"), (BOB, ANNA, "same_customer"), (ANNA, BOB, "already_merged")],
)
def test_who_is_merged_already_is_not_merged_again(kept: str, other: str, code: str) -> None:
    service = two()
    service.merge(ANNA, BOB)
    with pytest.raises(Conflict) as refused:
        service.merge(kept, other)
    assert refused.value.code == code


def test_a_part_of_somebody_else_is_not_merged() -> None:
    service = Service.fresh(*(started(number, f"CA{number}") for number in NUMBERS))
    service.merge(ANNA, BOB)
    with pytest.raises(Conflict) as refused:
        service.merge(CLEO, BOB)
    assert refused.value.code == "already_merged"
    with pytest.raises(Conflict) as refused:
        service.unmerge(CLEO, BOB)
    assert refused.value.code == "not_merged"


@pytest.mark.parametrize("business", ["demo", "other"])
@pytest.mark.parametrize("act", ["merge", "unmerge"])
def test_who_is_not_there_or_anothers_is_not_found(business: str, act: str) -> None:
    service = two()
    other_id = IDS[BOB] if business == "other" else IDS[CLEO]
    for ids in ((IDS[ANNA], other_id), (other_id, IDS[ANNA])):
        with pytest.raises(NotFound):
            getattr(service.lifecycle, act)(business, *ids, "olga")


# Erasure.

SECRETS = ("12125550101", "2125550101", "12125550102", "novak", "tooth", "anna@example.com", "see you")


def full() -> Service:
    """Somebody of whom there is everything, merged of two, who was merged with a third one for a while."""
    service = Service.fresh(
        started(ANNA, "CA1", name="Anna Novak"),
        transcribed("CA1"),
        wrote(BOB, "SM1", 10, "My tooth"),
        sent(ANNA, "request1", 20),
        booked(ANNA, "1", 30, "completed"),
        booked(ANNA, "2", 40),
        started(CLEO, "CA9", name="Cleo"),
        said(BOB, "contact.opted_out"),
    )
    work = service.database.work(NOW)
    put_link(work, "code", "demo", IDS[ANNA], "https://example.com/review", NOW)
    work.commit()
    service.merge(ANNA, BOB)
    service.merge(CLEO, ANNA)
    service.unmerge(CLEO, ANNA)
    return service


def relayed(service: Service) -> str:
    """All that is stored once the relay has published the outbox."""
    service.database.collections[OUTBOX] = {}
    return json.dumps(service.database.collections, default=str).casefold()


def erase(service: Service, number: str = ANNA) -> None:
    service.lifecycle.delete("demo", IDS[number])


def test_there_is_something_to_erase() -> None:
    everything = relayed(full())
    assert [secret for secret in SECRETS if secret not in everything] == ["anna@example.com"]


def test_erasure_leaves_no_trace_of_a_person() -> None:
    service = full()
    erase(service)
    left = relayed(service)
    assert [secret for secret in (*SECRETS, IDS[ANNA], IDS[BOB]) if secret in left] == []
    assert [customer["_id"] for customer in service.customers().values()] == [IDS[CLEO]]
    assert service.database.documents(LINKS) == {}


def test_everybody_is_told_of_each_record() -> None:
    service = full()
    erase(service)
    assert [event.data for event in service.told("customer.deleted")] == [
        {"customer_id": IDS[ANNA], "phones": [ANNA]},
        {"customer_id": IDS[BOB], "phones": [BOB]},
    ]


def test_others_keep_their_history_without_the_one_who_was_erased() -> None:
    service = full()
    erase(service)
    kept = service.entries("merge")
    assert [entry["action"] for entry in kept] == ["merged", "unmerged"]
    assert [(entry["other_id"], entry["name"], entry["phones"]) for entry in kept] == [(None, None, [])] * 2


def test_an_id_that_was_merged_erases_the_customer_that_it_stands_for() -> None:
    service = full()
    erase(service, BOB)
    assert IDS[ANNA] not in service.customers()


LATE = {
    "the call": [started(ANNA, "CA1", 5), missed(ANNA, "CA1", 50)],
    "the call's transcript": [transcribed("CA1", "It is my tooth, again")],
    "a text": [wrote(BOB, "SM1", 10)],
    "a text of ours": [sent(ANNA, "request1", 20)],
    "a booking": [booked(ANNA, "1", 50, "canceled")],
    "a stage": [moved(ANNA, "contacted"), moved(BOB, "lost")],
    "a text that was on its way": [sent(ANNA, "request2", 20, IDS[ANNA])],
}


@pytest.mark.parametrize("events", LATE.values(), ids=LATE)
def test_what_comes_late_brings_nobody_back(events: list[Event]) -> None:
    service = full()
    erase(service)
    before = {name: dict(documents) for name, documents in service.database.collections.items()}
    service.take(*events)
    assert {name: dict(documents) for name, documents in service.database.collections.items()} == before


def test_without_erasure_the_same_has_an_effect() -> None:
    """Else the test above could not fail."""
    for events in LATE.values():
        service = full()
        before = json.dumps(service.database.collections, default=str)
        service.take(*[replace(event, id=f"{event.id}-2", time=at(99)) for event in events])
        assert (json.dumps(service.database.collections, default=str) != before) or events == LATE["a text"]


def test_a_new_call_makes_a_new_customer() -> None:
    service = full()
    erase(service)
    service.take(started(ANNA, "CA100", 7200), missed(ANNA, "CA100", 7230), started(ANNA, "CA101", 7300))
    [customer] = [one for one in service.customers().values() if one["phone"] == ANNA]
    assert customer["_id"] != IDS[ANNA]
    assert (customer["name"], customer["total_calls"], customer["total_appointments"]) == (None, 2, 0)
    [created] = [event for event in service.told("customer.created") if event.subject == customer["_id"]]
    assert created.data["phone"] == ANNA


def test_an_id_that_was_erased_never_comes_back() -> None:
    service = full()
    for call in ("CA100", "CA101", "CA102"):
        service.take(started(ANNA, call))
        [known] = [one for one in service.customers().values() if ANNA in one.get("phones", ())]
        service.lifecycle.delete("demo", known["_id"])
    deleted = [event.subject for event in service.told("customer.deleted")]
    assert len(deleted) == len(set(deleted)) == 4


@pytest.mark.parametrize("business", ["demo", "other"])
def test_nobody_is_erased_twice(business: str) -> None:
    service = full()
    if business == "demo":
        erase(service)
    with pytest.raises(NotFound):
        service.lifecycle.delete(business, IDS[ANNA])


def test_accounting_keeps_sums_without_a_person() -> None:
    service = Service.fresh(
        booked(ANNA, "1", status="completed", price=100),
        booked(ANNA, "2", 60, "completed", 20),
        booked(ANNA, "3", 31 * 86400, "completed", 3),
        booked(ANNA, "4", 90, "canceled", 1000),
        booked(BOB, "5", status="completed", price=7),
    )
    erase(service)
    erase(service, BOB)
    totals = {key: (row["total"], row["visits"], row["customers"]) for key, row in kept(service)}
    assert totals == {"demo:2026-03:USD": (127, 3, 2), "demo:2026-04:USD": (3, 1, 1)}


def kept(service: Service) -> Iterable[tuple[str, Document]]:
    return service.database.documents(ERASED_TOTALS).items()


def test_a_month_is_the_business_s() -> None:
    """02:30 in London on the first is still the day before in New York."""
    first = datetime.fromisoformat("2026-04-01T02:30:00+00:00")
    service = Service.fresh(booked(ANNA, "1", (first - T0).total_seconds(), "completed"))
    erase(service)
    assert [key for key, _ in kept(service)] == ["demo:2026-03:USD"]


def test_a_long_history_goes_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle_module, "MOST_ENTRIES", 2)
    service = full()
    commits = service.database.commits
    erase(service)
    left = relayed(service)
    assert [secret for secret in SECRETS if secret in left] == []
    assert service.database.commits - commits > 2
    assert [(row["total"], row["visits"]) for _, row in kept(service)] == [(5000, 1)]
    service.take(*LATE["the call"], *LATE["a text"])
    assert list(service.customers()) == [IDS[CLEO]]


# Opt-outs.


def test_an_opt_out_outlives_the_customer() -> None:
    service = full()
    erase(service)
    database = service.database.as_database()
    assert opted_out(database, SEAL, "demo", BOB)
    assert not opted_out(database, SEAL, "demo", ANNA)
    assert not opted_out(database, SEAL, "other", BOB)
    assert BOB not in json.dumps(service.database.documents(OPT_OUTS), default=str)


words = st.builds(
    lambda opted, moment, scope: said(ANNA, opted, moment, scope),
    st.sampled_from(["contact.opted_out", "contact.opted_in"]),
    st.integers(0, 3),
    st.sampled_from(["all", "marketing"]),
)


@given(st.lists(words, min_size=1, max_size=6), st.data())
def test_what_was_said_last_counts_in_whatever_order_it_came(said_all: list[Event], data: st.DataObject) -> None:
    repeated = [*said_all, data.draw(st.sampled_from(said_all))]
    one, other = Service.fresh(*said_all), Service.fresh(*data.draw(st.permutations(repeated)))
    [row], [again] = (list(each.database.documents(OPT_OUTS).values()) for each in (one, other))
    assert lasting_consent(row) == lasting_consent(again)
    for scope in {event.data["scope"] for event in said_all}:
        in_scope = [event for event in said_all if event.data["scope"] == scope]
        last = max(event.time for event in in_scope)
        refused = any(e.type == "contact.opted_out" for e in in_scope if e.time == last)
        [kept_scope] = [each for each in row["scopes"] if each["scope"] == scope]
        assert (kept_scope["opted_out"], kept_scope["at"]) == (refused, last)
    assert row["opted_out"] is any(each["opted_out"] for each in row["scopes"])


def lasting_consent(row: Document) -> Document:
    return {name: value for name, value in row.items() if name != "version"}


def test_opting_in_again_ends_an_opt_out() -> None:
    out = told(None, "x", "all", opted_out=True, at=at(0))
    assert told(out, "x", "all", opted_out=False, at=at(1))["opted_out"] is False
    assert told(out, "x", "marketing", opted_out=False, at=at(1))["opted_out"] is True


def test_several_words_in_a_batch_count_each() -> None:
    database = MemoryDatabase()
    work = database.work()
    RecordConsents(SEAL)(work, [said(ANNA, "contact.opted_out"), said(ANNA, "contact.opted_in", 5)])
    work.commit()
    assert not opted_out(database.as_database(), SEAL, "demo", ANNA)


# Export.


def test_one_person_is_given_out_whole() -> None:
    service = full()
    given_out = service.lifecycle.export_person("demo", IDS[BOB])
    assert json.loads(json.dumps(given_out)) == given_out
    assert given_out["profile"]["id"] == IDS[ANNA]
    assert given_out["profile"]["phones"] == [ANNA, BOB]
    assert [record["id"] for record in given_out["records"]] == [IDS[ANNA], IDS[BOB]]
    assert [record["own"]["phones"] for record in given_out["records"]] == [[ANNA], [BOB]]
    kinds = [entry["kind"] for entry in given_out["timeline"]]
    assert sorted(set(kinds)) == ["appointment", "call", "merge", "segment", "sms", "transcript"]
    assert len(given_out["appointments"]) == kinds.count("appointment") == 2
    assert given_out["timeline"] == sorted(given_out["timeline"], key=lambda entry: (entry["at"], entry["id"]))
    assert [link["id"] for link in given_out["links"]] == ["code"]
    assert list(given_out["consents"]) == [BOB]
    assert given_out["consents"][BOB]["opted_out"] is True
    assert {"demo:transcript:CA1:realtime:", "demo:call:CA1"} <= {entry["id"] for entry in given_out["timeline"]}


def test_nothing_of_another_customer_is_given_out() -> None:
    service = full()
    given_out = json.dumps(service.lifecycle.export_person("demo", IDS[ANNA]))
    assert rfc3339(NOW) in given_out
    assert not any(secret in given_out for secret in (CLEO, IDS[CLEO], "CA9"))
    with pytest.raises(NotFound):
        service.lifecycle.export_person("other", IDS[ANNA])


# Seals.


def test_a_seal_depends_on_the_text_and_the_key() -> None:
    assert SEAL("demo:1") == seal_with("s" * 40)("demo:1")
    assert len({SEAL("demo:1"), SEAL("demo:2"), seal_with("t" * 40)("demo:1")}) == 3
    assert "demo" not in SEAL("demo:1")
