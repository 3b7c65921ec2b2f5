"""Leads on the real unit of work: what moves them, what others are told, merging, erasing."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.moves import any_version
from pipeline.store import APPOINTMENTS, LEADS, NUMBERS, VISITS
from ringback.contracts.envelope import Event
from ringback.errors import Conflict, NotFound, Permanent
from ringback.phone import NAMELESS_KINDS
from tests.unit.fakes import at
from tests.unit.pipeline.leads_service import (
    ANNA,
    BOB,
    CLEO,
    PHONES,
    Service,
    appointment,
    called,
    created,
    deleted,
    regrouped,
    texted,
    updated,
)

# What says how often something was written, by whom, or when it was told.
PASSING = ("version", "touched_by", "turns", "announced")


@pytest.fixture
def service() -> Service:
    return Service()


# What moves a lead.


def test_a_customer_enters_as_a_new_lead_and_that_is_no_change(service: Service) -> None:
    service.take(created(ANNA, 5))
    lead = service.lead(ANNA)
    assert (lead["stage"], lead["entered_at"], lead["name"], lead["phone"]) == (
        "new_lead",
        at(5),
        "Anna",
        PHONES[ANNA],
    )
    assert service.told() == []
    assert service.totals() == {"new_lead": (1, 0)}


@pytest.mark.parametrize(
    ("fact", "stage"),
    [
        (called(ANNA, 60), "contacted"),
        (texted(ANNA, 60), "contacted"),
        (appointment("booked", ANNA, 60), "appointment_set"),
        (appointment("completed", ANNA, 60), "converted"),
        (appointment("canceled", ANNA, 60), "new_lead"),
        (appointment("no_show", ANNA, 60), "new_lead"),
    ],
)
def test_facts_move_a_lead_forward(service: Service, fact: Event, stage: str) -> None:
    service.take_each([created(ANNA), fact])
    assert service.stage(ANNA) == stage
    assert service.changes() == ([] if stage == "new_lead" else [("new_lead", stage)])


def test_a_change_is_told_with_all_that_it_is(service: Service) -> None:
    service.take_each([created(ANNA), called(ANNA, 60)])
    [event] = service.told()
    assert event.type == "lead.stage_changed"
    assert event.subject == ANNA
    assert event.time == at(60)
    assert dict(event.data) == {
        "customer_id": ANNA,
        "previous": "new_lead",
        "current": "contacted",
        "cause": "auto",
        "actor": None,
        "seconds_in_previous_stage": 60,
        "at": at(60),
    }


def test_nothing_moves_a_lead_backwards_by_itself(service: Service) -> None:
    facts = [appointment("completed", ANNA, 10), appointment("booked", ANNA, 20, name="a2"), called(ANNA, 30)]
    service.take_each([created(ANNA), *facts, appointment("canceled", ANNA, 40)])
    assert service.stage(ANNA) == "converted"
    assert service.changes() == [("new_lead", "converted")]


@pytest.mark.parametrize("kind", sorted(NAMELESS_KINDS))
def test_a_number_that_identifies_nobody_moves_nobody(service: Service, kind: str) -> None:
    service.take_each([created(ANNA), called(ANNA, 60, kind)])
    assert service.stage(ANNA) == "new_lead"


def test_a_fact_waits_for_the_customer_whom_it_concerns(service: Service) -> None:
    service.take_each([called(ANNA, 60), appointment("booked", BOB, 70)])
    assert service.counted() == {}
    service.take_each([created(ANNA, 50), created(BOB, 50)])
    assert (service.stage(ANNA), service.stage(BOB)) == ("contacted", "appointment_set")
    assert sorted(service.changes()) == [("new_lead", "appointment_set"), ("new_lead", "contacted")]


def test_what_waits_has_an_end_and_what_is_known_has_none(service: Service) -> None:
    service.take_each([called(ANNA, 60), appointment("booked", BOB, 70)])
    waiting = [*service.database.documents(NUMBERS).values(), *service.database.documents(LEADS).values()]
    assert [one["waiting_since"] for one in waiting] == [service.now, service.now]
    service.take_each([created(ANNA), created(BOB)])
    known = [*service.database.documents(NUMBERS).values(), *service.database.documents(LEADS).values()]
    assert {one["waiting_since"] for one in known} == {None}


def test_a_number_that_is_told_later_brings_what_was_said_at_it(service: Service) -> None:
    service.take_each([created(ANNA), called(BOB, 60)])
    assert service.stage(ANNA) == "new_lead"
    service.take(updated(ANNA, 2, 90, phones=[PHONES[ANNA], PHONES[BOB]]))
    assert service.stage(ANNA) == "contacted"


def test_who_gives_up_a_number_was_called_at_it_nevertheless(service: Service) -> None:
    service.take_each([created(ANNA), called(ANNA, 60), updated(ANNA, 2, 90, phones=[PHONES[BOB]])])
    assert service.stage(ANNA) == "contacted"
    assert service.changes() == [("new_lead", "contacted")]


def test_a_fact_from_the_future_does_not_outdo_a_person(service: Service) -> None:
    service.take_each([created(ANNA), called(ANNA, 10**9)])
    service.move(ANNA, "new_lead", 100_001)
    service.take(called(ANNA, 100_002))
    assert service.history(ANNA) == ["new_lead", "contacted", "new_lead"]
    service.now = at(200_000)
    service.take(called(ANNA, 150_000))
    assert service.stage(ANNA) == "contacted"


def test_an_unknown_business_is_nobodys_event(service: Service) -> None:
    event = created(ANNA)
    object.__setattr__(event, "business", "unknown")
    with pytest.raises(Permanent):
        service.take(event)


# People.


def test_what_was_before_a_persons_move_never_moves_it_again(service: Service) -> None:
    service.take(created(ANNA))
    service.move(ANNA, "contacted", 100)
    service.take(appointment("completed", ANNA, 50))
    assert service.stage(ANNA) == "contacted"
    assert service.history(ANNA) == ["new_lead", "converted", "contacted"]
    assert service.changes() == [("new_lead", "contacted")]


def test_what_is_after_a_persons_move_moves_it_forward_from_there(service: Service) -> None:
    service.take_each([created(ANNA), appointment("completed", ANNA, 50)])
    service.move(ANNA, "new_lead", 100)
    service.take(called(ANNA, 110))
    service.take(appointment("booked", ANNA, 120, name="a2"))
    assert service.history(ANNA) == ["new_lead", "converted", "new_lead", "contacted", "appointment_set"]


def test_only_a_person_brings_a_lost_lead_back(service: Service) -> None:
    service.take(created(ANNA))
    service.move(ANNA, "lost", 100, lost_reason="Too expensive")
    service.take_each([called(ANNA, 110), appointment("completed", ANNA, 120)])
    assert service.stage(ANNA) == "lost"
    service.move(ANNA, "contacted", 130)
    assert service.stage(ANNA) == "contacted"
    assert [visit["lost_reason"] for visit in service.lead(ANNA)["history"]] == [None, "Too expensive", None]


def test_a_move_is_told_once_with_who_moved(service: Service) -> None:
    service.take(created(ANNA))
    service.move(ANNA, "contacted", 100)
    service.move(ANNA, "contacted", 110)
    [event] = service.told()
    assert (event.data["cause"], event.data["actor"], event.data["at"]) == ("manual", "olga", at(100))


def test_a_move_writes_few_documents_however_many_there_are(service: Service) -> None:
    service.take(*(created(who) for who in (ANNA, BOB, CLEO)))
    for turn in range(20):
        service.move(ANNA, ("contacted", "new_lead")[turn % 2], 100 + turn)
    before = {name: dict(documents) for name, documents in service.without().items()}
    service.move(ANNA, "lost", 200)
    after = service.without()
    changed = {name: [_id for _id in after[name] if after[name][_id] != before[name].get(_id)] for name in after}
    assert {name: len(ids) for name, ids in changed.items() if ids} == {LEADS: 1, VISITS: 2}


def test_the_lost_reason_may_be_given_later(service: Service) -> None:
    service.take(created(ANNA))
    service.move(ANNA, "lost", 100)
    lead = service.move(ANNA, "lost", 110, lost_reason="Moved away")
    assert [visit["lost_reason"] for visit in lead["history"]] == [None, "Moved away"]
    assert service.changes() == [("new_lead", "lost")]


def test_a_move_is_refused_by_its_check_and_then_nothing_changed(service: Service) -> None:
    service.take(created(ANNA))
    turns = service.lead(ANNA)["turns"]
    seen: list[int] = []

    def refuse(version: int) -> None:
        seen.append(version)
        raise Conflict("Somebody was faster.")

    with pytest.raises(Conflict):
        service.move(ANNA, "contacted", 100, check=refuse)
    assert seen == [turns]
    assert service.stage(ANNA) == "new_lead"


def test_a_call_does_not_make_a_card_stale_unless_it_moves_it(service: Service) -> None:
    service.take_each([created(ANNA), called(ANNA, 10)])
    turns = service.lead(ANNA)["turns"]
    service.take(called(ANNA, 20))
    assert service.lead(ANNA)["turns"] == turns
    assert service.lead(ANNA)["last_contact_at"] == at(20)
    service.take(appointment("booked", ANNA, 30))
    assert service.lead(ANNA)["turns"] == turns + 1


@pytest.mark.parametrize("customer_id", ["nobody", BOB])
def test_a_lead_that_is_not_there_cannot_be_moved(service: Service, customer_id: str) -> None:
    service.take_each([created(ANNA), created(BOB), deleted(BOB, 5)])
    with pytest.raises(NotFound):
        service.move(customer_id, "contacted", 100)


def test_another_businesss_lead_cannot_be_moved(service: Service) -> None:
    service.take(created(ANNA))
    service.lead(ANNA)["business"] = "other"
    with pytest.raises(NotFound):
        service.move(ANNA, "contacted", 100, check=any_version)


# What a lead is worth.


def test_a_lead_is_worth_what_was_and_what_is_to_be_paid(service: Service) -> None:
    service.take(created(ANNA))
    service.take(appointment("booked", ANNA, 10, 5000), appointment("completed", ANNA, 20, 7000, "a2"))
    assert service.lead(ANNA)["value"] == 12_000
    service.take(appointment("canceled", ANNA, 30, 5000))
    assert service.lead(ANNA)["value"] == 7000
    assert service.totals() == {"converted": (1, 7000)}


def test_another_currency_is_not_added(service: Service) -> None:
    service.take(created(ANNA), appointment("booked", ANNA, 10, 5000, currency="EUR"))
    assert (service.lead(ANNA)["value"], service.lead(ANNA)["currency"]) == (0, "USD")


# Merged customers.


def merged_story() -> list[Event]:
    both = [PHONES[ANNA], PHONES[BOB]]
    return [
        created(ANNA, 0),
        created(BOB, 1),
        called(ANNA, 10),
        appointment("booked", BOB, 20, 5000),
        updated(ANNA, 2, 30, phones=both),
        regrouped("merged", ANNA, BOB, 2, 30),
        appointment("completed", ANNA, 40, 6000),
    ]


def test_merged_customers_are_one_lead(service: Service) -> None:
    service.take_each(merged_story())
    assert service.history(ANNA) == ["new_lead", "contacted", "appointment_set", "converted"]
    assert service.totals() == {"converted": (1, 6000)}
    assert service.rows(BOB) == []
    assert not service.lead(BOB)["shown"]
    assert "stage" not in service.lead(BOB)


def test_a_member_stands_for_the_lead_that_it_is_part_of(service: Service) -> None:
    service.take_each(merged_story())
    lead = service.move(BOB, "lost", 100)
    assert (lead["_id"], lead["stage"]) == (ANNA, "lost")


def test_taken_apart_both_are_what_they_would_be_without_the_merge() -> None:
    apart = [regrouped("unmerged", ANNA, BOB, 3, 50), updated(ANNA, 3, 50, phones=[PHONES[ANNA]])]
    merged = Service().take_each([*merged_story(), *apart])
    alone = Service().take_each(
        [
            created(ANNA, 0),
            created(BOB, 1),
            called(ANNA, 10),
            appointment("booked", BOB, 20, 5000),
            appointment("completed", BOB, 40, 6000),
        ]
    )
    for name in ("stage", "history", "value", "rank", "entered_at", "last_contact_at"):
        for who in (ANNA, BOB):
            assert merged.lead(who)[name] == alone.lead(who)[name]
    assert merged.totals() == alone.totals() == {"contacted": (1, 0), "converted": (1, 6000)}
    assert (merged.rows(ANNA), merged.rows(BOB)) == (alone.rows(ANNA), alone.rows(BOB))


def test_what_others_were_told_is_what_is_shown_when_customers_are_taken_apart(service: Service) -> None:
    service.take_each(merged_story())
    service.take_each([regrouped("unmerged", ANNA, BOB, 3, 50), updated(ANNA, 3, 50, phones=[PHONES[ANNA]])])
    told = {event.data["customer_id"]: event.data["current"] for event in service.told()}
    assert told == {who: service.stage(who) for who in (ANNA, BOB)}
    [back] = [event for event in service.told() if event.data["previous"] == "converted"]
    assert (back.data["current"], back.data["cause"]) == ("contacted", "manual")


# Erasing.


def test_nothing_is_left_of_somebody_who_is_erased(service: Service) -> None:
    story = [created(ANNA), called(ANNA, 10), appointment("booked", ANNA, 20), created(BOB)]
    service.take_each([*story, deleted(ANNA, 30)])
    left = str(service.without())
    assert PHONES[ANNA] not in left
    assert "Anna" not in left
    assert ANNA not in left
    assert service.totals() == service.counted() == {"new_lead": (1, 0)}
    # Late and repeated, the old history does not come back.
    service.take_each([updated(ANNA, 2, 25, name="Anna"), called(ANNA, 15), appointment("completed", ANNA, 28)])
    assert str(service.without("at")).count(ANNA) == 0
    assert PHONES[ANNA] not in str(service.without())


def test_who_calls_again_is_somebody_new(service: Service) -> None:
    service.take_each([created(ANNA), called(ANNA, 10), deleted(ANNA, 30)])
    again = created(CLEO, 40, phone=PHONES[ANNA], phones=[PHONES[ANNA]])
    service.take_each([again, called(ANNA, 12)])
    assert service.stage(CLEO) == "new_lead"
    service.take(called(ANNA, 50))
    assert service.stage(CLEO) == "contacted"


def test_a_lead_loses_what_a_member_brought_when_both_are_erased_one_after_the_other(service: Service) -> None:
    service.take_each([*merged_story(), deleted(BOB, 60), deleted(ANNA, 60)])
    assert PHONES[ANNA] not in str(service.without())
    assert PHONES[BOB] not in str(service.without())
    assert service.totals() == {}
    for name in (LEADS, NUMBERS, APPOINTMENTS, VISITS):
        assert service.database.documents(name) == {}


# Any order.

STORIES: dict[str, list[Event]] = {
    "one": [
        created(ANNA, 5),
        updated(ANNA, 2, 6, name="Anna Novak", phones=[PHONES[ANNA], PHONES[CLEO]]),
        updated(ANNA, 3, 7, phones=[PHONES[CLEO]]),
        called(ANNA, 10),
        texted(CLEO, 3),
        appointment("booked", ANNA, 20),
        appointment("canceled", ANNA, 25),
        appointment("booked", ANNA, 30, 9000, "a2"),
        appointment("completed", ANNA, 40, 9500, "a2"),
    ],
    "merged": merged_story(),
    "apart": [
        *merged_story(),
        regrouped("unmerged", ANNA, BOB, 3, 50),
        updated(ANNA, 3, 50, phones=[PHONES[ANNA]]),
        called(BOB, 60),
    ],
    "apart and one erased": [
        *merged_story(),
        regrouped("unmerged", ANNA, BOB, 3, 50),
        updated(ANNA, 3, 50, phones=[PHONES[ANNA]]),
        called(BOB, 35),
        deleted(BOB, 70),
    ],
    "merged and erased": [
        *merged_story(),
        created(CLEO, 5),
        deleted(BOB, 70),
        deleted(ANNA, 70),
    ],
    "nested": [
        *(created(who) for who in (ANNA, BOB, CLEO)),
        regrouped("merged", BOB, CLEO, 2, 10),
        regrouped("merged", ANNA, BOB, 3, 20),
        called(CLEO, 15),
        appointment("booked", BOB, 12),
    ],
    "erased": [
        created(ANNA),
        called(ANNA, 10),
        appointment("booked", ANNA, 20),
        deleted(ANNA, 30),
        created(BOB),
        texted(BOB, 10),
        called(ANNA, 40),
    ],
}


def settled(service: Service) -> Any:
    return service.without(*PASSING), service.totals()


@pytest.mark.parametrize("name", STORIES)
@settings(max_examples=40)
@given(data=st.data())
def test_the_state_does_not_depend_on_order_batches_or_repetition(name: str, data: st.DataObject) -> None:
    story = STORIES[name]
    erased = {event.data["customer_id"] for event in story if event.type == "customer.deleted"}
    shuffled = data.draw(st.permutations([*story, *data.draw(st.lists(st.sampled_from(story), max_size=3))]))
    service = Service()
    for batch in _cut(shuffled, data.draw(st.integers(1, 4))):
        service.take(*batch)
    assert settled(service) == settled(Service().take_each(story))
    assert service.totals() == service.counted()
    if not any(event.type == "call.completed" and event.time >= at(40) for event in story):
        assert not any(PHONES[who] in str(service.without()) for who in erased)


@pytest.mark.parametrize("name", STORIES)
@settings(max_examples=40)
@given(data=st.data())
def test_what_was_told_last_of_a_lead_is_where_it_stands(name: str, data: st.DataObject) -> None:
    """And each change begins where the one before ended; a lead of which nothing was told is a new one."""
    service = Service().take_each(data.draw(st.permutations(STORIES[name])))
    for customer_id, lead in service.database.documents(LEADS).items():
        stage = "new_lead"
        for event in sorted(service.told(), key=lambda event: event.data["at"]):
            if event.data["customer_id"] == customer_id:
                assert event.data["previous"] == stage
                stage = event.data["current"]
        assert not lead["shown"] or lead["stage"] == stage


@given(order=st.permutations(STORIES["one"]), places=st.lists(st.integers(0, 9), min_size=2, max_size=2))
def test_a_late_fact_does_not_undo_a_persons_move(order: Sequence[Event], places: list[int]) -> None:
    """Wherever among the facts the person moved, what was before that move has no say any more."""
    service = Service().take(created(ANNA, 5))
    for number, event in enumerate(order):
        if number in places:
            service.move(ANNA, "lost", 1000 + number)
        service.take(event)
    assert service.stage(ANNA) == ("lost" if min(places) < len(order) else "converted")


def _cut(events: Sequence[Event], size: int) -> list[Sequence[Event]]:
    return [events[start : start + size] for start in range(0, len(events), size)]
