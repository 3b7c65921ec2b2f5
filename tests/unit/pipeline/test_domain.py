"""The stage of a lead, from nothing but facts and moves; numbers and appointments as sets of facts."""

from datetime import datetime
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline import appointments, numbers
from pipeline.domain import Mark, history_of, numbers_of
from pipeline.search import search_terms, search_words
from pipeline.stages import STAGES
from ringback.contracts.leads import STAGES as TOLD_STAGES
from tests.unit.fakes import T0, at

FORWARD = ("contacted", "appointment_set", "converted")
SECONDS = st.integers(0, 50)
MARKS = st.lists(st.builds(Mark, st.sampled_from(FORWARD), SECONDS.map(at), st.just("call")), max_size=8)


def move(seconds: float, stage: str, actor: str = "olga") -> dict[str, Any]:
    name = f"{seconds}{stage}"
    return {
        "id": name,
        "at": at(seconds),
        "stage": stage,
        "actor": actor,
        "cause": "manual",
        "lost_reason": None,
    }


MOVES = st.lists(st.builds(move, SECONDS, st.sampled_from(list(STAGES))), max_size=4)


def test_the_stages_are_those_that_events_know() -> None:
    assert tuple(STAGES) == TOLD_STAGES
    assert [stage.step for stage in STAGES.values()] == list(range(5))


@given(marks=MARKS, moves=MOVES, data=st.data())
def test_history_is_free_of_order_and_repetition(
    marks: list[Mark], moves: list[dict[str, Any]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations([*marks, *marks[:3]])), data.draw(st.permutations(moves))
    assert history_of(T0, *shuffled) == history_of(T0, marks, moves)


@given(marks=MARKS, moves=MOVES)
def test_history_has_no_gap_and_no_stage_twice_in_a_row(marks: list[Mark], moves: list[dict[str, Any]]) -> None:
    history = history_of(at(60), marks, moves)
    assert history[0]["stage"] == "new_lead"
    assert history[-1]["left_at"] is None
    for one, following in pairwise(history):
        assert one["left_at"] == following["entered_at"] >= one["entered_at"]
        assert one["stage"] == following["previous"] != following["stage"]


@given(marks=MARKS)
def test_without_people_the_furthest_fact_is_the_stage(marks: list[Mark]) -> None:
    furthest = max((STAGES[mark.stage].step for mark in marks), default=0)
    history = history_of(T0, marks, [])
    assert STAGES[history[-1]["stage"]].step == furthest
    steps = [STAGES[visit["stage"]].step for visit in history]
    assert steps == sorted(set(steps))


@given(marks=MARKS, seconds=SECONDS, stage=st.sampled_from(list(STAGES)))
def test_a_move_wins_over_all_that_was_until_then(marks: list[Mark], seconds: int, stage: str) -> None:
    later = [STAGES[mark.stage].step for mark in marks if mark.at > at(seconds)]
    reached = history_of(T0, marks, [move(seconds, stage)])[-1]["stage"]
    assert STAGES[reached].step == max([STAGES[stage].step, *later])


@given(marks=MARKS, moves=MOVES, more=MARKS)
def test_more_facts_never_bring_a_lead_back(marks: list[Mark], moves: list[dict[str, Any]], more: list[Mark]) -> None:
    before, after = history_of(T0, marks, moves)[-1], history_of(T0, [*marks, *more], moves)[-1]
    assert STAGES[after["stage"]].step >= STAGES[before["stage"]].step


# Numbers.


def test_numbers_are_those_a_customer_has_or_had_without_those_that_others_lent() -> None:
    lead = {"phones": ["+1", "+2"], "had": ["+1", "+2", "+3", "+4"], "lent": ["+2", "+4"]}
    assert numbers_of(lead) == ["+1", "+2", "+3"]


@given(data=st.data(), seconds=st.lists(st.integers(0, 1000), max_size=300))
def test_a_number_keeps_its_first_and_its_latest_contacts(data: st.DataObject, seconds: list[int]) -> None:
    number = numbers.new_number("demo", "+1")
    for one in data.draw(st.permutations(seconds)):
        number = numbers.with_contact(number, "call", at(one))
    known = sorted({at(one) for one in seconds})
    assert number["times"]["call"] == [*known[:1], *known[1:][-numbers.MOST_TIMES :]]


# Appointments.


def telling(seconds: int, status: str, who: str, price: int) -> dict[str, Any]:
    told_by = f"{seconds}{status}{who}{price}"
    return {
        "at": at(seconds),
        "told_by": told_by,
        "customer_id": who,
        "status": status,
        "price": price,
        "currency": "USD",
    }


LATER = at(1000)
STATUSES = ("booked", "completed", "canceled", "no_show")
TELLINGS = st.builds(telling, SECONDS, st.sampled_from(STATUSES), st.sampled_from("ab"), st.integers(0, 9))


def merged(tellings: list[dict[str, Any]], now: datetime = LATER) -> dict[str, Any]:
    known = None
    for one in tellings:
        known = appointments.merged(known, "demo", "x", one, now)
    assert known is not None
    return known


@given(tellings=st.lists(TELLINGS, min_size=1, max_size=8), data=st.data())
def test_an_appointment_is_free_of_order_and_repetition(tellings: list[dict[str, Any]], data: st.DataObject) -> None:
    repeated = data.draw(st.permutations([*tellings, *tellings[:2]]))
    assert merged(repeated) == merged(tellings)


def test_an_appointment_is_worth_what_was_told_last_and_whose_it_was_first() -> None:
    appointment = merged([telling(20, "completed", "b", 7), telling(10, "booked", "a", 5)])
    assert appointment["customer_id"] == "a"
    assert appointments.worth([appointment], "USD") == 7
    assert appointments.worth([appointment], "EUR") == 0
    stages = {(mark.stage, mark.at) for mark in appointments.marks_of([appointment])}
    assert stages == {("appointment_set", at(10)), ("converted", at(20))}


def test_what_is_dated_in_the_future_moves_a_lead_as_of_now() -> None:
    [mark] = appointments.marks_of([merged([telling(50, "booked", "a", 5)], now=at(30))])
    assert mark.at == at(30)


# Search.


def test_a_number_is_found_by_any_ending_of_at_least_four_digits() -> None:
    terms = search_terms("Anna  Novák", ["+12125550101"])
    assert {"anna", "novák", "0101", "2125550101", "12125550101"} <= set(terms)
    assert "101" not in terms


def test_a_number_in_any_writing_is_looked_for_by_its_digits() -> None:
    for text in ("+1 (212) 555-0101", "212.555.0101", "1-212-555-0101"):
        assert search_words(text, "US") == ["12125550101"]
    assert search_words("0101", "US") == ["0101"]
    assert search_words("  Anna NOVAK ", "US") == ["anna", "novak"]
    assert search_words("", "US") == []
