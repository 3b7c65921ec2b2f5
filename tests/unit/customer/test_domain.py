"""Records, views and entries are functions of the set of facts: not of order, repetition or batches."""

import copy
from collections.abc import Sequence
from datetime import datetime
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer import appointments, texts
from customer.appointments import CANCELED, STATUSES, AppointmentFact, most_at_once, totals
from customer.calls import CallFact, entry_id_of, merged_call
from customer.domain import (
    COUNTED,
    Document,
    changed_fields,
    first_seen_by,
    hidden,
    may_be_vip_together,
    named_by_caller_id,
    new_own,
    new_record,
    noted,
    viewed,
)
from customer.segments import Rules
from customer.texts import TextFact
from ringback.callers import customer_id_of
from ringback.contracts.calls import MISSED_REASONS
from ringback.outcomes import OUTCOMES_BY_WEIGHT, STATUSES_BY_RANK
from tests.unit.fakes import CALLER, at

KIND = "mobile"
RULES = Rules(vip_appointments=10, inactive_months=6)


# Calls, and what a record keeps of them.


def fact(call: str = "CA1", seconds: float = 0, name: str | None = None, **values: Any) -> CallFact:
    return CallFact("demo", call, CALLER, KIND, name, at(seconds), **values)


def started(call: str = "CA1", seconds: float = 0, name: str | None = None) -> CallFact:
    return fact(call, seconds, name, direction="inbound")


def answered(call: str = "CA1", seconds: float = 30, name: str | None = None) -> CallFact:
    return fact(call, seconds, name, outcome="answered", duration_seconds=20, answered_at=at(seconds - 20))


def missed(call: str = "CA1", seconds: float = 30, reason: str = "no-answer", name: str | None = None) -> CallFact:
    return fact(call, seconds, name, outcome="missed", reason=reason, voicemail=True)


class History:
    """What one record keeps of calls, as facts are taken in one by one."""

    def __init__(self, *facts: CallFact) -> None:
        self.own: Document = new_own(CALLER, KIND, "call", facts[0].at)
        self.entries: dict[str, Document] = {}
        for one in facts:
            self.see(one)

    def see(self, one: CallFact) -> None:
        before = self.entries.get(one.call_sid)
        entry = self.entries[one.call_sid] = merged_call(before, one, "record")
        own = noted(self.own, before, entry, one.at, contact=True)
        self.own = named_by_caller_id(first_seen_by(own, "call", one.at), one.name, one.at)

    def shown(self) -> tuple[Document, dict[str, Document]]:
        return self.own, self.entries


@st.composite
def facts_of_a_call(draw: st.DrawFn, call: str) -> list[CallFact]:
    """What call-ingest may tell of a call: each fact once, a reason superseded by another perhaps."""
    names = st.sampled_from([None, None, "ANNA", "BOB"])
    moments = st.integers(0, 5).map(lambda minutes: minutes * 60)
    reasons = draw(st.lists(st.sampled_from(MISSED_REASONS), max_size=3, unique=True))
    facts = [missed(call, draw(moments), reason, draw(names)) for reason in reasons]
    if draw(st.booleans()):
        facts.append(started(call, draw(moments), draw(names)))
    if draw(st.booleans()) or not facts:
        facts.append(answered(call, draw(moments), draw(names)))
    return facts


histories = st.tuples(*(facts_of_a_call(call) for call in ("CA1", "CA2", "CA3"))).map(
    lambda calls: [one for call in calls for one in call]
)


@given(histories, st.data())
def test_order_and_repetition_do_not_matter(facts: list[CallFact], data: st.DataObject) -> None:
    repeated = facts + data.draw(st.lists(st.sampled_from(facts), max_size=5))
    assert History(*data.draw(st.permutations(repeated))).shown() == History(*facts).shown()


@given(histories)
def test_the_counters_are_those_of_the_entries(facts: list[CallFact]) -> None:
    history = History(*facts)
    entries = list(history.entries.values())
    assert history.own["total_calls"] == len(entries)
    assert history.own["missed_calls"] == sum(entry["outcome"] == "missed" for entry in entries)
    assert history.own["total_texts"] == 0


@given(histories)
def test_a_record_spans_all_that_was_seen(facts: list[CallFact]) -> None:
    own = History(*facts).own
    moments = [one.at for one in facts]
    assert own["created_at"] == own["source_at"] == min(moments)
    assert own["last_contact_at"] == own["updated_at"] == max(moments)


@given(histories)
def test_of_several_names_the_earliest_stays(facts: list[CallFact]) -> None:
    own = History(*facts).own
    named = sorted((one.at, one.name) for one in facts if one.name)
    assert (own["named_at"], own["name"]) == (named[0] if named else (None, None))


@given(histories)
def test_a_call_shows_its_best_evidence(facts: list[CallFact]) -> None:
    for call, entry in History(*facts).entries.items():
        of_call = [one for one in facts if one.call_sid == call]
        ends = [(one.outcome, one.reason) for one in of_call if one.outcome]
        if ends:
            assert (entry["outcome"], entry["reason"]) == max(ends, key=OUTCOMES_BY_WEIGHT.index)
        begun = [one.at for one in of_call if one.outcome is None]
        assert entry["started_at"] == (begun[0] if begun else None)
        assert entry["at"] == (entry["started_at"] or entry["ended_at"])


@given(histories)
def test_nothing_is_changed_in_place(facts: list[CallFact]) -> None:
    history = History(*facts)
    own, entries = history.shown()
    before = copy.deepcopy((own, entries))
    entries_before = dict(entries)
    for one in facts:
        history.see(one)
    assert (own, entries_before) == before


@pytest.mark.parametrize("reason", MISSED_REASONS)
def test_a_call_that_somebody_answered_was_not_missed(reason: str) -> None:
    for facts in ([missed(reason=reason), answered()], [answered(), missed(reason=reason)]):
        history = History(*facts)
        assert history.own["missed_calls"] == 0
        assert history.entries["CA1"]["outcome"] == "answered"
        assert history.entries["CA1"]["duration_seconds"] == 20


@pytest.mark.parametrize("reason", [reason for reason in MISSED_REASONS if reason not in ("abandoned", "timeout")])
def test_what_ringing_led_to_says_more_than_a_guess(reason: str) -> None:
    for guess in ("abandoned", "timeout"):
        assert History(missed(reason=guess), missed(reason=reason)).entries["CA1"]["reason"] == reason
        assert History(missed(reason=reason), missed(reason=guess)).entries["CA1"]["reason"] == reason


def test_of_two_ends_alike_the_earlier_counts_whichever_came_first() -> None:
    early, late = missed(seconds=20), missed(seconds=30)
    assert History(early, late).shown() == History(late, early).shown()
    assert History(early, late).entries["CA1"]["ended_at"] == at(20)


def test_every_end_that_can_be_told_is_weighed() -> None:
    every = [("answered", ""), *(("missed", reason) for reason in MISSED_REASONS)]
    assert sorted(OUTCOMES_BY_WEIGHT) == sorted(every)


# Names.


def named(name: str | None, seconds: float | None = None) -> Document:
    """A record whose name a person set, or a caller ID did at that time."""
    moment = None if seconds is None else at(seconds)
    return {**new_own(CALLER, KIND, "call", at(0)), "name": name, "named_at": moment}


@pytest.mark.parametrize("seconds", [-100, 0, 100])
def test_a_persons_edit_is_never_overwritten(seconds: float) -> None:
    edited = named("Anna Nováková")
    assert named_by_caller_id(edited, "CALLER ID", at(seconds)) == edited


def test_a_blank_is_filled() -> None:
    assert named_by_caller_id(named(None), "ANNA", at(5)) == named("ANNA", 5)


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_fact_without_a_name_takes_none_away(nothing: str | None) -> None:
    assert named_by_caller_id(named("ANNA", 5), nothing, at(-5)) == named("ANNA", 5)


# How they came.

sources = st.lists(st.tuples(st.sampled_from(["call", "sms", "import"]), st.integers(0, 3)), min_size=1, max_size=5)


@given(sources)
def test_what_came_first_tells_how_they_came(seen: list[tuple[str, int]]) -> None:
    for order in (seen, seen[::-1]):
        own = new_own(CALLER, KIND, order[0][0], at(order[0][1]))
        for source, seconds in order[1:]:
            own = first_seen_by(own, source, at(seconds))
        assert (own["source_at"], own["source"]) == min((at(seconds), source) for source, seconds in seen)


# Texts.

text_facts = st.lists(
    st.sampled_from(STATUSES_BY_RANK).map(
        lambda status: TextFact(
            "r1",
            status,
            at(STATUSES_BY_RANK.index(status)),
            body="Hello" if status == "requested" else None,
            purpose="marketing" if status == "requested" else None,
            reason="opted_out" if status == "suppressed" else None,
            message_sid="SM1" if status in ("sent", "delivered") else None,
            error_code=30003 if status == "failed" else None,
        )
    ),
    min_size=1,
    max_size=8,
)


def text_of(facts: Sequence[TextFact]) -> Document:
    entry: Document | None = None
    for one in facts:
        entry = texts.merged_text(entry, one, "e", "demo", "record")
    assert entry is not None
    return entry


@given(text_facts, st.randoms())
def test_a_text_is_a_function_of_what_was_told_of_it(facts: list[TextFact], random: Any) -> None:
    entry = text_of(facts)
    random.shuffle(facts)
    assert text_of(facts) == entry
    told = {one.status: one for one in facts}
    furthest = max(told.values(), key=lambda one: STATUSES_BY_RANK.index(one.status))
    assert (entry["status"], entry["status_at"]) == (furthest.status, furthest.at)
    assert (entry["error_code"], entry["reason"]) == (furthest.error_code, furthest.reason)
    assert entry["at"] == min(one.at for one in facts)
    assert entry["body"] == ("Hello" if "requested" in told else None)
    assert entry["message_sid"] == ("SM1" if {"sent", "delivered"} & set(told) else None)


# Appointments.

appointment_facts = st.lists(
    st.builds(
        AppointmentFact,
        appointment_id=st.sampled_from(["a", "b", "c"]),
        starts_at=st.integers(0, 9).map(at),
        service=st.just("Cleaning"),
        price=st.integers(0, 10**12),
        currency=st.sampled_from(["USD", "EUR"]),
        status=st.sampled_from(STATUSES),
        told_at=st.integers(0, 9).map(at),
        told_by=st.uuids().map(str),
    ),
    max_size=12,
)


def appointments_of(facts: Sequence[AppointmentFact]) -> dict[str, Document]:
    entries: dict[str, Document] = {}
    for one in facts:
        entries[one.appointment_id] = appointments.merged(
            entries.get(one.appointment_id), one, entry_id=one.appointment_id, business="demo", owner="record"
        )
    return entries


@given(appointment_facts, st.data())
def test_of_what_is_told_of_an_appointment_the_newest_counts(
    facts: list[AppointmentFact], data: st.DataObject
) -> None:
    entries = appointments_of(facts)
    repeated = facts + (data.draw(st.lists(st.sampled_from(facts), max_size=4)) if facts else [])
    assert appointments_of(data.draw(st.permutations(repeated))) == entries
    for appointment_id, entry in entries.items():
        told = [one for one in facts if one.appointment_id == appointment_id]
        newest = max(told, key=lambda one: (one.told_at, one.told_by))
        assert (entry["status"], entry["price"], entry["at"]) == (newest.status, newest.price, newest.starts_at)
        assert entry["booked_at"] == min(one.told_at for one in told)


def at_once(facts: Sequence[AppointmentFact], moment: datetime) -> int:
    """How many counted then, by all that was told of each until then."""
    said = sorted((one for one in facts if one.told_at <= moment), key=lambda one: (one.told_at, one.told_by))
    stands = {one.appointment_id: one.status for one in said}
    return sum(status != CANCELED for status in stands.values())


@given(appointment_facts)
def test_the_most_that_counted_at_once_did_so_when_something_was_told(facts: list[AppointmentFact]) -> None:
    most = max((at_once(facts, one.told_at) for one in facts), default=0)
    counted = totals(appointments_of(facts).values())
    assert counted["most_appointments"] == most >= counted["total_appointments"]
    told = {(one.appointment_id, one.told_at) for one in facts}
    assert counted["appointment_changes"] == len(told)


def told_of(appointment: str, status: str, seconds: float) -> AppointmentFact:
    return AppointmentFact(appointment, at(86_400), "Cleaning", 1, "USD", status, at(seconds), f"{seconds}")


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_cancellation_that_comes_before_its_booking_hides_no_day_on_which_it_counted(order: Sequence[int]) -> None:
    facts = [told_of("a", "booked", 0), told_of("b", "booked", 5), told_of("a", "canceled", 9)]
    assert totals(appointments_of([facts[place] for place in order]).values())["most_appointments"] == 2


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_what_was_told_between_two_that_say_the_same_holds_between_them(order: Sequence[int]) -> None:
    facts = [
        told_of("a", "booked", 0),
        told_of("a", "canceled", 2),
        told_of("b", "booked", 3),
        told_of("a", "booked", 5),
    ]
    appointments_told = appointments_of([facts[place] for place in order])
    assert totals(appointments_told.values())["most_appointments"] == 2
    appointments_told = appointments_of([facts[place] for place in order if place != 3])
    assert totals(appointments_told.values())["most_appointments"] == 1


def test_one_that_is_canceled_when_another_is_booked_never_counted_with_it() -> None:
    facts = [told_of("a", "booked", 0), told_of("b", "booked", 5), told_of("a", "canceled", 5)]
    assert totals(appointments_of(facts).values())["most_appointments"] == 1


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(STATUSES)), max_size=9), st.randoms())
def test_of_one_that_is_changed_all_the_time_the_newest_changes_are_kept_in_any_order(
    told: list[tuple[str, str]], random: Any
) -> None:
    facts = [told_of(appointment, status, seconds) for seconds, (appointment, status) in enumerate(told)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(appointments, "MOST_CHANGES", 3)
        entries = appointments_of(facts)
        random.shuffle(facts)
        assert appointments_of([*facts, *facts]) == entries
    for appointment_id, entry in entries.items():
        moments = sorted(one.told_at for one in facts if one.appointment_id == appointment_id)
        assert [change["at"] for change in entry["changes"]] == moments[-3:]
    assert most_at_once(entries.values()) >= max((at_once(facts, one.told_at) for one in facts), default=0)


@given(appointment_facts)
def test_totals_are_those_of_the_appointments(facts: list[AppointmentFact]) -> None:
    entries = list(appointments_of(facts).values())
    completed = [entry for entry in entries if entry["status"] == "completed"]
    counted = totals(entries)
    assert counted["total_appointments"] == sum(entry["status"] != "canceled" for entry in entries)
    assert counted["last_visit_at"] == max((entry["starts_at"] for entry in completed), default=None)
    for currency in ("USD", "EUR"):
        prices = [entry["price"] for entry in completed if entry["currency"] == currency]
        expected = {"total": sum(prices), "visits": len(prices)} if prices else None
        assert counted["spend"].get(currency) == expected


# Views.


@st.composite
def owns(draw: st.DrawFn, name: str) -> Document:
    """A record's own facts, its numbers unlike those of records with another name."""
    moments = st.integers(0, 9).map(at)
    number = st.integers(0, 9).map(lambda digit: f"+1212555{name}{digit}")
    visits = draw(st.dictionaries(st.sampled_from(["USD", "EUR"]), st.integers(0, 10**6), max_size=2))
    return {
        **new_own(None, KIND, draw(st.sampled_from(["call", "sms"])), draw(moments)),
        "phones": draw(st.lists(number, max_size=3, unique=True)),
        "name": draw(st.none() | st.just(name)),
        "email": draw(st.none() | st.just(f"{name}@example.com")),
        "last_contact_at": draw(moments),
        "last_appointment_at": draw(st.none() | moments),
        "last_visit_at": draw(st.none() | moments),
        "stage": draw(st.sampled_from(["new_lead", "contacted", "lost"])),
        "staged_at": draw(st.none() | moments),
        "spend": {currency: {"total": total, "visits": 1} for currency, total in sorted(visits.items())},
        **{counter: draw(st.integers(0, 5)) for counter in COUNTED},
    }


groups = st.tuples(owns("100"), owns("200"), owns("300"))


def view_of(parts: Sequence[Document]) -> Document:
    members = [hidden(new_record(f"m{place}", "demo", own), "root") for place, own in enumerate(parts[1:])]
    root = {**new_record("root", "demo", parts[0]), "members": [member["_id"] for member in members]}
    return viewed(root, members, "USD", RULES, at(10))


@given(groups)
def test_a_view_adds_up_all_its_records(parts: tuple[Document, ...]) -> None:
    view = view_of(parts)
    assert view["phones"] == [phone for own in parts for phone in own["phones"]]
    assert view["phone"] == next(iter(view["phones"]), None)
    for counter in COUNTED:
        assert view[counter] == sum(own[counter] for own in parts)
    for currency in ("USD", "EUR"):
        totals_of_parts = [own["spend"][currency]["total"] for own in parts if currency in own["spend"]]
        found = view["spend"].get(currency, {"total": 0, "visits": 0})
        assert found == {"total": sum(totals_of_parts), "visits": len(totals_of_parts)}
    assert view["total_spent"] == view["spend"].get("USD", {"total": 0})["total"]
    assert view["created_at"] == min(own["created_at"] for own in parts)
    moments = [own[name] for own, name in product(parts, ("last_contact_at", "last_appointment_at")) if own[name]]
    assert view["last_activity_at"] == max(moments)


@given(groups)
def test_a_view_shows_the_first_who_says_something(parts: tuple[Document, ...]) -> None:
    view = view_of(parts)
    for name in ("name", "email"):
        assert view[name] == next((own[name] for own in parts if own[name]), None)
    moved = [(own["staged_at"], -place) for place, own in enumerate(parts) if own["staged_at"]]
    if moved:
        assert view["pipeline_stage"] == parts[-max(moved)[1]]["stage"]


@given(groups)
def test_a_view_is_of_facts_that_it_leaves_alone_and_made_twice_is_the_same(parts: tuple[Document, ...]) -> None:
    before = copy.deepcopy(parts)
    view = view_of(parts)
    members = [hidden(new_record(f"m{place}", "demo", own), "root") for place, own in enumerate(parts[1:])]
    assert viewed(view, members, "USD", RULES, at(10)) == view
    assert view["own"] == before[0]
    assert parts == before


@pytest.mark.parametrize(
    ("counts", "segment"), [((9,), "lead"), ((10,), "vip"), ((4, 5), "lead"), ((4, 6), "vip"), ((4, 3, 3), "vip")]
)
def test_appointments_of_all_records_make_a_vip(counts: tuple[int, ...], segment: str) -> None:
    parts = [{**new_own(None, KIND, "call", at(0)), "total_appointments": count} for count in counts]
    assert view_of(parts)["segment"] == segment


@pytest.mark.parametrize(
    ("most", "together", "segment"),
    [
        ((9, 9), False, "lead"),
        ((9, 9), True, "vip"),
        ((10, 0), False, "vip"),
        ((0, 10), False, "vip"),
    ],
)
def test_who_once_had_enough_stays_a_vip(most: tuple[int, ...], *, together: bool, segment: str) -> None:
    parts = [{**new_own(None, KIND, "call", at(0)), "most_appointments": count} for count in most]
    first, *others = (new_record(f"r{place}", "demo", own) for place, own in enumerate(parts))
    assert viewed(first, others, "USD", RULES, at(10), vip_together=together)["segment"] == segment


@pytest.mark.parametrize(
    ("most", "may_be"),
    [
        ((9,), False),
        ((10,), False),
        ((4, 5), False),
        ((4, 6), True),
        ((9, 9), True),
        ((10, 3), False),
        ((3, 3, 4), True),
    ],
)
def test_appointments_of_all_records_are_looked_at_only_when_they_can_tell(
    most: tuple[int, ...], *, may_be: bool
) -> None:
    records = [new_record("r", "demo", {"most_appointments": count}) for count in most]
    assert may_be_vip_together(records, 10) is may_be


def test_a_record_that_became_part_of_another_is_found_by_nothing_but_its_id() -> None:
    shown = view_of([{**new_own(CALLER, KIND, "call", at(0)), "name": "Anna", "email": "a@b.cz"}])
    member = hidden({**shown, "search": ["anna"], "version": 3}, "other")
    assert (member["merged_into"], member["phone"], member["own"]) == ("other", None, shown["own"])
    assert not {"search", "phones", "name", "email", "last_activity_at", "segment_due_at"} & set(member)


# Ids, and what is told.

ids = st.tuples(
    st.sampled_from(["demo", "other"]),
    st.none() | st.sampled_from([CALLER, "+420601123456"]),
    st.sampled_from(["CA1", "CA2"]),
)


@given(ids, ids)
def test_one_number_is_one_customer_and_nobody_merges_with_anybody(
    one: tuple[str, str | None, str], other: tuple[str, str | None, str]
) -> None:
    same = one[0] == other[0] and ((one[1] or one[2]) == (other[1] or other[2]))
    assert (customer_id_of(*one) == customer_id_of(*other)) is same


def test_ids_stay_what_they_were() -> None:
    """They are addresses in other services and in people's bookmarks."""
    assert customer_id_of("demo", CALLER, "CA1") == "e51e0ea3-1bba-5572-b599-fc9c99ff43ea"
    assert customer_id_of("demo", None, "CA1") == "2deef25a-6a5c-5b6f-a7b3-e52d35c1fde1"
    assert entry_id_of("demo", "CA1") == "demo:call:CA1"


def test_what_changed_is_named_with_its_new_value() -> None:
    before: Document = {"name": None, "phone": "+1", "at": at(0)}
    after: Document = {"name": "ANNA", "phone": "+1", "at": at(1)}
    assert changed_fields(before, after, ("name", "phone")) == {"name": "ANNA"}
    assert changed_fields(before, after, ("at",)) == {"at": at(1)}
    assert changed_fields({}, after, ("name",)) == {"name": "ANNA"}
