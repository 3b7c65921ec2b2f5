"""Rules as they are saved, facts and runs."""

import itertools
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError
from pymongo import DeleteOne, UpdateOne

from pipeline import store as leads_store
from pipeline.automation import store
from pipeline.automation.actions import text_problem
from pipeline.automation.events import automation_subscriptions
from pipeline.automation.fields import FIELDS, OPERATORS
from pipeline.automation.firing import Firing
from pipeline.automation.runs import DEEPEST, KEPT_ERASED, erased, finished, logged, new_run, run_id
from pipeline.automation.schemas import ACTIONS, LONGEST_WAIT, ChangedRuleBody, RuleBody, dump_run
from pipeline.automation.triggers import LOOK_AGAIN, OLDEST, PATIENCE, TRIGGERS, fact_of, looked_for
from pipeline.events import subscriptions
from pipeline.outbound.payloads import KINDS
from ringback.contracts.catalogue import subscriptions_of
from ringback.contracts.envelope import Event, new_event
from ringback.seals import seal_with
from tests.unit.fakes import SECRET, T0, MemoryCollection, MemoryDatabase, at, demo

Json = dict[str, Any]
BUSINESSES = {"demo": demo()}
ANNA = "+12125550123"


# What can be saved.


def rule(*actions: Json, **more: Any) -> Json:
    text = {"type": "send_text", "body": "Hello {name}"}
    return {"name": "Rule", "trigger": {"type": "lead_stage_changed"}, "actions": list(actions) or [text], **more}


def problems(body: Json) -> dict[str, Any]:
    with pytest.raises(ValidationError) as refused:
        RuleBody().load(body)
    return refused.value.messages_dict


def test_a_rule_is_completed_by_what_it_does_not_say() -> None:
    assert RuleBody().load(rule()) == {
        "name": "Rule",
        "active": True,
        "trigger": {"type": "lead_stage_changed", "from": [], "to": []},
        "conditions": [],
        "actions": [{"type": "send_text", "body": "Hello {name}", "purpose": "transactional"}],
    }
    assert ChangedRuleBody().load(rule(version=3))["version"] == 3


ACTION_PROBLEMS: tuple[tuple[Json, str], ...] = (
    ({"type": "call"}, "actions[0].type"),
    ({}, "actions[0].type"),
    ({"type": ["send_text"]}, "actions[0].type"),
    ({"type": "send_text"}, "actions[0].body"),
    ({"type": "send_text", "body": "a", "template": "b"}, "actions[0].body"),
    ({"type": "send_text", "body": "Hi {firstname}"}, "actions[0].body: Unknown: {firstname}"),
    ({"type": "send_text", "body": "Hi {name"}, "actions[0].body"),
    ({"type": "send_text", "body": "Hi {name.__class__}"}, "actions[0].body"),
    ({"type": "send_text", "body": "x" * 1601}, "actions[0].body"),
    ({"type": "send_text", "body": ""}, "actions[0].body"),
    ({"type": "send_text", "body": "Hi", "purpose": "spam"}, "actions[0].purpose"),
    ({"type": "send_text", "body": "Hi", "to": "+1"}, "actions[0].to"),
    ({"type": "move_stage"}, "actions[0].stage"),
    ({"type": "move_stage", "stage": "won"}, "actions[0].stage"),
    ({"type": "add_note", "text": "{secret}"}, "actions[0].text: Unknown: {secret}"),
    ({"type": "webhook", "endpoint_id": 5}, "actions[0].endpoint_id"),
    ({"type": "wait", "seconds": 0}, "actions[0].seconds"),
    ({"type": "wait", "seconds": LONGEST_WAIT + 1}, "actions[0].seconds"),
    ({"type": "wait", "seconds": 1.5}, "actions[0].seconds"),
    ({"type": "wait", "seconds": "60"}, "actions[0].seconds"),
)


@pytest.mark.parametrize(("action", "told"), ACTION_PROBLEMS)
def test_an_action_that_cannot_be_done_is_named(action: Json, told: str) -> None:
    [message] = problems(rule(action))["actions"]
    assert message.startswith(told)


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ({"field": "shoe_size", "operator": "eq", "value": 5}, "conditions[0].field"),
        ({"field": "segment", "operator": "like", "value": "vip"}, "conditions[0].operator"),
        ({"field": "segment", "operator": "gte", "value": "vip"}, "conditions[0].operator"),
        ({"field": "segment", "operator": "eq", "value": "gold"}, "conditions[0].value"),
        ({"field": "segment", "operator": "in", "value": "vip"}, "conditions[0].value"),
        ({"field": "segment", "operator": "in", "value": []}, "conditions[0].value"),
        ({"field": "segment", "operator": "in", "value": ["vip", "gold"]}, "conditions[0].value"),
        ({"field": "segment", "operator": "eq", "value": ["vip"]}, "conditions[0].value"),
        ({"field": "value", "operator": "gte", "value": "5"}, "conditions[0].value"),
        ({"field": "value", "operator": "gte", "value": True}, "conditions[0].value"),
        ({"field": "value", "operator": "gte", "value": -1}, "conditions[0].value"),
        ({"field": "value", "operator": "gte", "value": 2**70}, "conditions[0].value"),
        ({"field": "has_name", "operator": "eq", "value": 1}, "conditions[0].value"),
        ({"field": "has_name", "operator": "eq"}, "conditions[0].value"),
        ({"field": "attempts", "operator": "eq", "value": 1}, "conditions[0].field: attempts is not known of"),
    ],
)
def test_a_condition_that_cannot_be_asked_is_named(condition: Json, told: str) -> None:
    [message] = problems(rule(conditions=[condition]))["conditions"]
    assert message.startswith(told)


@pytest.mark.parametrize(
    "trigger",
    [
        {"type": "full_moon"},
        {},
        "lead_stage_changed",
        {"type": "lead_stage_changed", "to": ["won"]},
        {"type": "lead_stage_changed", "from": ["vip"]},
        {"type": "segment_changed", "to": ["lost"]},
        {"type": "customer_created", "to": ["contacted"]},
        {"type": "lead_stage_changed", "until": []},
    ],
)
def test_a_trigger_that_never_comes_is_named(trigger: Any) -> None:
    assert list(problems(rule(trigger=trigger))) == ["trigger"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (rule(name=""), "name"),
        (rule(name="x" * 101), "name"),
        (rule(active="yes"), "active"),
        (rule(actions=[]), "actions"),
        (rule(actions="send_text"), "actions"),
        (rule(actions=[{"type": "wait", "seconds": 1}] * 21), "actions"),
        (rule(conditions=[5]), "conditions"),
        (rule(owner="me"), "owner"),
    ],
)
def test_what_else_is_wrong_is_told_by_field(body: Json, field: str) -> None:
    assert list(problems(body)) == [field]


values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2)


@given(st.sampled_from(list(FIELDS)), st.sampled_from(list(OPERATORS)), values)
def test_what_is_saved_can_be_compared_with_whatever_is_seen(name: str, operator: str, wanted: Any) -> None:
    trigger = next(iter(FIELDS[name].triggers), "customer_created")
    condition = {"field": name, "operator": operator, "value": wanted}
    try:
        loaded = RuleBody().load(rule(trigger={"type": trigger}, conditions=[condition]))
    except ValidationError:
        return
    seen = {"choice": FIELDS[name].choices[:1], "number": [0], "boolean": [True], "text": ["x"]}[FIELDS[name].kind]
    for value in (*seen, None):
        run = new_run({**loaded, "_id": "r", "business": "demo"}, fact(), {name: value}, [], T0)
        assert run["state"] in {"waiting", "skipped"}


def test_the_tables_name_the_same_triggers() -> None:
    assert {trigger.name for trigger in TRIGGERS.values()} == set(KINDS)
    assert set(automation_subscriptions(lambda: T0)) <= set(subscriptions_of("pipeline"))
    assert set(ACTIONS) == {"send_text", "move_stage", "add_note", "webhook", "wait"}


# Facts.


def event(event_type: str, data: Json, seconds: float = 0, cause: str = "1") -> Event:
    subject = data.get("customer_id") or "x"
    return new_event(
        event_type, business="demo", subject=subject, time=at(seconds), data=data, cause=(subject, cause)
    )


def missed(phone: str) -> Event:
    data = {"missed_call_id": "m", "phone": phone, "customer_id": None, "attempts": 2, "reason": "busy"}
    return event("missed_call.opened", {**data, "at": T0, "due_at": None})


def completed(customer_id: str = "c", told_by: str = "1", price: int = 100) -> Event:
    data = {"customer_id": customer_id, "appointment_id": f"a-{customer_id}", "starts_at": T0, "service": "Cleaning"}
    more = {"price": price, "currency": "USD", "at": T0, "told_by": told_by}
    return event("appointment.completed", data | more, cause=told_by)


def created(customer_id: str = "c", phone: str | None = ANNA) -> Event:
    phones = [phone] if phone else []
    data = {"customer_id": customer_id, "name": "Anna", "phone": phone, "phones": phones, "email": None}
    return event("customer.created", data | {"source": "call", "segment": "lead", "revision": "1"})


def fact(**more: Any) -> Json:
    return {**fact_of(completed(), T0), **more}


def test_a_fact_says_nothing_of_who_it_was_but_their_id() -> None:
    for one in (created(), completed()):
        kept = fact_of(one, T0)
        assert (kept["customer_id"], kept["phone"]) == ("c", None)
        assert "Anna" not in str(kept)
        assert ANNA not in str(kept)


def test_a_missed_call_goes_by_number_until_its_customer_is_known() -> None:
    assert fact_of(missed(ANNA), T0)["phone"] == ANNA
    assert fact_of(missed("anonymous"), T0)["phone"] is None
    assert ANNA not in str({**fact_of(missed(ANNA), T0), "phone": None})


def test_what_is_too_old_sets_nothing_off() -> None:
    assert fact_of(completed(), T0 + OLDEST)["state"] == "pending"
    late = fact_of(completed(), T0 + OLDEST + timedelta(seconds=1))
    assert (late["state"], late["due_at"]) == ("too_old", None)


def test_a_customer_is_looked_for_less_and_less_often_and_not_for_ever() -> None:
    waiting, now, pauses = fact(), T0, []
    while (later := looked_for(waiting, now)) is not None:
        pauses.append((later["due_at"] - now).total_seconds())
        waiting, now = later, later["due_at"]
    assert pauses[0] == LOOK_AGAIN[0]
    assert pauses == sorted(pauses)
    assert now - T0 >= PATIENCE
    assert len(pauses) < 20


# Runs.


def test_a_run_goes_by_its_rule_and_its_fact() -> None:
    assert run_id("r", "f") == run_id("r", "f")
    assert len({run_id("r", "f"), run_id("r", "g"), run_id("s", "f"), run_id("rf", ""), run_id("", "rf")}) == 5


SAVED: Json = {
    "_id": "r",
    "business": "demo",
    "name": "Rule",
    "conditions": [],
    "actions": [{"type": "wait"}, {"type": "send_text"}],
}


def test_a_run_too_deep_is_a_loop() -> None:
    deep = [str(number) for number in range(DEEPEST)]
    assert new_run(SAVED, fact(), {}, deep[1:], T0)["state"] == "waiting"
    stopped = new_run(SAVED, fact(), {}, deep, T0)
    assert (stopped["state"], stopped["reason"], stopped["causation"]) == ("stopped", "loop", deep)


def test_a_run_says_what_came_of_each_action() -> None:
    begun = new_run(SAVED, fact(), {}, [], T0)
    waited = logged(begun, at(1), "waiting", until=at(60))
    done = finished(logged(waited, at(60), "done", ["event-1"], request_id="q"), "done", None, at(60))
    assert [entry["action"] for entry in done["log"]] == ["wait", "send_text"]
    assert (done["told"], done["step"], done["due_at"], begun["log"]) == (["event-1"], 2, None, [])
    shown = dump_run(done)
    assert shown["log"][0] == {
        "at": "2026-03-02T15:00:01.000Z",
        "action": "wait",
        "outcome": "waiting",
        "until": "2026-03-02T15:01:00.000Z",
    }


def test_an_erased_run_waits_no_more_and_one_that_is_over_stays_what_it_was() -> None:
    conditions = [{"field": "service", "operator": "eq", "value": "Cleaning"}]
    begun = new_run({**SAVED, "conditions": conditions}, fact(phone=ANNA), {"service": "Cleaning"}, [], T0)
    for run, state in ((begun, "canceled"), (finished(begun, "done", None, T0), "done")):
        blank = erased(run, at(5))
        assert (blank["state"], blank["customer_id"], blank["phone"], blank["event_id"]) == (state, None, None, None)
        assert blank["expires_at"] == at(5) + KEPT_ERASED
        assert (blank["values"], blank["data"], blank["conditions"][0]["seen"]) == ({}, {}, None)


def test_of_a_text_of_nothing_but_placeholders_nothing_may_be_left() -> None:
    lead = {"_id": "c", "phone": ANNA, "name": None}
    assert text_problem(demo(), lead, {"body": "{name}"}) == "no_text"
    assert text_problem(demo(), {**lead, "name": "Anna"}, {"body": "{name}"}) is None


# Whatever the order, and however often.


class CountableCollection(MemoryCollection):
    def count_documents(self, query: Json, limit: int) -> int:
        found = [row for row in self.database.documents(self.name).values() if row["rule_id"] == query["rule_id"]]
        return min(len(found), limit)

    def _write(self, write: Any) -> int:
        """Rows of the board are written without being loaded; nothing here reads them."""
        return 0 if isinstance(write, UpdateOne | DeleteOne) else super()._write(write)


class CountableDatabase(MemoryDatabase):
    def __getitem__(self, name: str) -> CountableCollection:
        return CountableCollection(self, name)


RULES = [
    {
        **cast(Json, RuleBody().load(rule({"type": "add_note", "text": "x"}, trigger={"type": trigger}))),
        "_id": f"r-{trigger}",
        "business": "demo",
        "version": 1,
    }
    for trigger in ("customer_created", "appointment_completed", "missed_call_opened")
]
TOLD = [created(), completed(), completed(told_by="2", price=200), missed(ANNA), created("d", None), completed("d")]


def runs_after(events: Iterable[Event]) -> dict[str, tuple[str, str | None]]:
    """Each event in a batch of its own, facts taken up in between and in the end."""
    database = CountableDatabase()
    database.insert(store.RULES, *RULES)
    handlers = subscriptions(BUSINESSES, lambda: T0, seal_with(SECRET))
    for one in events:
        work = database.work()
        for handled in work.unseen([one]):
            handlers[handled.type](work, [handled])
            work.mark_handled(handled)
        work.commit()
        fire(database, 0)
    fire(database, 120)
    assert all(row["due_at"] is None for row in database.documents(store.FACTS).values())
    rows = database.documents(store.RUNS)
    return {row_id: (row["rule_id"], row["customer_id"]) for row_id, row in rows.items()}


def fire(database: MemoryDatabase, seconds: float) -> None:
    now = at(seconds)
    rows = database.documents(store.FACTS).values()
    due = [row["_id"] for row in rows if row["due_at"] is not None and row["due_at"] <= now]
    Firing(database.as_database(), BUSINESSES, lambda: now).fire(due)


@given(st.permutations(TOLD), st.lists(st.sampled_from(TOLD), max_size=3))
def test_the_same_rules_run_for_the_same_people_in_whatever_order_they_are_told(
    order: list[Event], again: list[Event]
) -> None:
    runs = runs_after(itertools.chain(order, again))
    assert sorted(runs.values()) == [
        ("r-appointment_completed", "c"),
        ("r-appointment_completed", "d"),
        ("r-customer_created", "c"),
        ("r-customer_created", "d"),
        ("r-missed_call_opened", "c"),
    ]
    assert runs == runs_after(TOLD)


def test_a_batch_as_a_whole_does_the_same() -> None:
    database = CountableDatabase()
    database.insert(store.RULES, *RULES)
    handlers = subscriptions(BUSINESSES, lambda: T0, seal_with(SECRET))
    work = database.work()
    handlers["customer.created"](work, TOLD)
    work.commit()
    fire(database, 0)
    rows = database.documents(store.RUNS)
    assert {row_id: (row["rule_id"], row["customer_id"]) for row_id, row in rows.items()} == runs_after(TOLD)
    assert set(database.documents(leads_store.LEADS)) == {"c", "d"}
