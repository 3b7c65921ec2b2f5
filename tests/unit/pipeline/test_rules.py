"""When a rule fires, and which rules would never end."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.automation.cycles import cycle_with
from pipeline.automation.fields import FIELDS, MISSED_REASONS, PHONE_KINDS, SOURCES, STAGE_KEYS
from pipeline.automation.rules import are_met, is_concerned, judged, still_holds
from ringback.contracts import calls, leads
from ringback.phone import KIND_OF_TYPE

Json = dict[str, Any]

stages = st.sampled_from(STAGE_KEYS)


def test_the_table_of_fields_says_what_the_contracts_say() -> None:
    assert STAGE_KEYS == leads.STAGES
    assert set(FIELDS["cause"].choices) == set(leads.CAUSES)
    assert MISSED_REASONS == calls.MISSED_REASONS
    assert set(PHONE_KINDS) == {*KIND_OF_TYPE.values(), "valid", "possible", "none"}
    assert len(SOURCES) == 5


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_has_an_operator_and_a_description(name: str) -> None:
    assert "eq" in FIELDS[name].operators()
    assert FIELDS[name].description
    assert bool(FIELDS[name].choices) == (FIELDS[name].kind == "choice")


@pytest.mark.parametrize(
    ("operator", "seen", "wanted", "met"),
    [
        ("eq", "vip", "vip", True),
        ("eq", "lead", "vip", False),
        ("eq", None, "vip", False),
        ("eq", False, False, True),
        ("ne", "lead", "vip", True),
        ("ne", None, "vip", True),
        ("in", "sms", ["call", "sms"], True),
        ("in", None, ["call"], False),
        ("not_in", "sms", ["call", "sms"], False),
        ("not_in", None, ["call"], True),
        ("lt", 4, 5, True),
        ("lt", 5, 5, False),
        ("lte", 5, 5, True),
        ("gt", 5, 5, False),
        ("gte", 5, 5, True),
        ("gte", None, 0, False),
        ("contains", "Root canal", "CANAL", True),
        ("contains", "Cleaning", "canal", False),
        ("contains", None, "canal", False),
    ],
)
def test_a_condition_compares(operator: str, seen: Any, wanted: Any, met: bool) -> None:
    condition = {"field": "anything", "operator": operator, "value": wanted}
    assert are_met([condition], {"anything": seen}) is met
    assert judged([condition], {"anything": seen}) == [{**condition, "seen": seen, "met": met}]


def test_all_conditions_have_to_be_met_and_none_always_are() -> None:
    conditions = [{"field": "value", "operator": operator, "value": 5} for operator in ("gte", "lt")]
    assert are_met([], {})
    assert not are_met(conditions, {"value": 5})


@given(stages, stages, st.lists(stages), st.lists(stages))
def test_a_change_is_waited_for_by_where_from_and_where_to(
    previous: str, stage: str, wanted: list[str], to: list[str]
) -> None:
    rule = {"trigger": {"type": "lead_stage_changed", "from": wanted, "to": to}}
    concerned = is_concerned(rule, "lead_stage_changed", {"previous_stage": previous, "stage": stage})
    assert concerned == ((not wanted or previous in wanted) and (not to or stage in to))
    assert not is_concerned(rule, "customer_created", {"previous_stage": previous, "stage": stage})


@given(stages, stages)
def test_what_has_to_hold_still_is_where_the_change_led(then: str, now: str) -> None:
    run = {"trigger": "lead_stage_changed", "values": {"stage": then}, "conditions": []}
    assert still_holds(run, {"stage": now}) == (then == now)
    other = {**run, "trigger": "customer_created"}
    assert still_holds(other, {"stage": now})
    asking = {**other, "conditions": [{"field": "stage", "operator": "eq", "value": then}]}
    assert still_holds(asking, {"stage": now}) == (then == now)


# Circles.


def rule(name: str, *moves: str, **more: Any) -> Json:
    trigger = {"type": more.pop("trigger", "lead_stage_changed"), "from": [], "to": []}
    trigger |= {key: more.pop(key) for key in ("from", "to") if key in more}
    actions = [{"type": "move_stage", "stage": stage} for stage in moves]
    return {"_id": name, "trigger": trigger, "conditions": [], "actions": actions, **more}


def circle(new: Json, *others: Json) -> list[str] | None:
    found = cycle_with(new, others)
    return None if found is None else [one["_id"] for one in found]


def on(field: str, operator: str, value: Any) -> Json:
    return {"field": field, "operator": operator, "value": value}


def test_a_rule_sets_itself_off_when_its_move_is_what_it_waits_for() -> None:
    assert circle(rule("any", "lost")) == ["any"]
    assert circle(rule("to", "lost", to=["lost"])) is None  # it is there already
    assert circle(rule("elsewhere", "lost", to=["contacted"])) is None
    assert circle(rule("created", "lost", trigger="customer_created")) is None
    assert circle(rule("nothing")) is None


def test_two_and_three_rules_make_a_circle() -> None:
    there, back = rule("there", "lost", to=["contacted"]), rule("back", "contacted", to=["lost"])
    assert circle(there, back) == ["there", "back"]
    assert circle(back, there) == ["back", "there"]
    three = [rule("b", "converted", to=["lost"]), rule("c", "contacted", to=["converted"])]
    assert circle(rule("a", "lost", to=["contacted"]), *three) == ["a", "b", "c"]
    assert circle(rule("a", "lost", to=["contacted"]), three[0]) is None


def test_a_circle_of_others_is_not_the_new_rules() -> None:
    others = rule("x", "lost", to=["contacted"]), rule("y", "contacted", to=["lost"])
    assert circle(rule("new", "contacted", to=["new_lead"]), *others) is None


def test_conditions_on_stages_keep_rules_apart() -> None:
    there = rule("there", "lost", conditions=[on("stage", "eq", "contacted")])
    back = rule(
        "back", "contacted", conditions=[on("previous_stage", "in", ["converted"]), on("stage", "eq", "lost")]
    )
    assert circle(there, back) is None
    assert circle(there, {**back, "conditions": [on("stage", "eq", "lost")]}) == ["there", "back"]
    assert circle({**there, "conditions": [on("value", "gte", 5)]}) == ["there"]


def test_after_a_wait_a_lead_may_be_anywhere_unless_it_has_to_hold_still() -> None:
    move = {"type": "move_stage", "stage": "contacted"}
    waits = {still: [{"type": "wait", "seconds": 1, "still": still}, move] for still in (True, False)}
    narrow = {**rule("r", to=["contacted"]), "actions": waits[False]}
    assert circle(narrow) == ["r"]
    assert circle({**narrow, "actions": waits[True]}) is None


def test_the_second_move_of_a_rule_starts_where_the_first_led() -> None:
    first = rule("first", "contacted", "converted", trigger="customer_created")
    assert circle(rule("second", "lost", **{"from": ["new_lead"], "to": ["converted"]}), first) is None
    looping = rule("looping", "contacted", "lost", **{"from": ["contacted"], "to": ["lost"]})
    assert circle(looping) == ["looping"]


def follow(rules: Sequence[Mapping[str, Any]], previous: str, stage: str, most: int) -> int:
    """How many runs a change of stage leads to, one after the other, up to `most`."""
    waiting, ran = [(previous, stage)], 0
    while waiting and ran < most:
        before, now = waiting.pop(0)
        for one in rules:
            values = {"previous_stage": before, "stage": now}
            if not is_concerned(one, "lead_stage_changed", values) or not are_met(one["conditions"], values):
                continue
            ran += 1
            at = now
            for action in one["actions"]:
                waiting += [(at, action["stage"])] if action["stage"] != at else []
                at = action["stage"]
    return ran


some_rules = st.lists(
    st.builds(
        lambda moves, wanted, to: rule("", *moves, **{"from": wanted, "to": to}),
        st.lists(stages, max_size=2),
        st.lists(stages, max_size=2),
        st.lists(stages, max_size=2),
    ),
    max_size=4,
)


@given(some_rules, stages, stages)
def test_rules_that_were_saved_one_after_the_other_always_come_to_an_end(
    drafts: list[Json], previous: str, stage: str
) -> None:
    assume(previous != stage)
    saved: list[Json] = []
    for number, draft in enumerate(drafts):
        new = {**draft, "_id": str(number)}
        if cycle_with(new, saved) is None:
            saved.append(new)
    assert follow(saved, previous, stage, 500) < 500
