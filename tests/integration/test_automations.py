"""Automations over HTTP and by events, on a real MongoDB: once each, through waits, loops, deletions and races."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from pipeline.app import create_app
from pipeline.automation import firing as firing_module
from pipeline.automation import store
from pipeline.automation.executing import Executing
from pipeline.automation.firing import Firing
from pipeline.automation.loops import DueLoop, automation_loops
from pipeline.automation.runs import MOST_A_DAY
from pipeline.automation.triggers import PATIENCE
from pipeline.events import subscriptions
from pipeline.indexes import INDEXES
from pipeline.outbound.store import DELIVERIES, load_endpoints
from pipeline.store import find_lead
from ringback.clock import rfc3339, system_clock
from ringback.contracts.envelope import Event, decode, new_event
from ringback.contracts.notes import LONGEST_NOTE
from ringback.errors import ConcurrentUpdate
from ringback.seals import seal_with
from ringback.settings import load_settings
from ringback.store.database import OUTBOX, Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from ringback.web.access import Principal, make_token
from tests.support.events import NOON

SECRET = "s" * 40
ANNA, BOB = "+12125550123", "+14155550101"
RECEIVER = "https://hooks.example.com/in"
Json = dict[str, Any]


class Shop:
    """The API as people of two businesses see it, and the worker, event by event and step by step."""

    def __init__(self, database: Database) -> None:
        settings = load_settings({"RINGBACK_SECRET_KEY": SECRET})
        demo = replace(settings.businesses["demo"], templates={"thanks": "Thank you, {name}!"})
        self.businesses = {"demo": demo, "other": replace(demo, key="other")}
        self.settings = replace(settings, businesses=self.businesses)
        self.database = database
        self.now: datetime = NOON
        self.client = create_app(self.settings, database, self.clock).test_client()
        self.firing = Firing(database, self.businesses, self.clock)
        self.executing = Executing(database, self.businesses, self.clock)
        self.numbers = itertools.count(1)
        self._fed: set[str] = set()

    def clock(self) -> datetime:
        return self.now

    # HTTP.

    def ask(
        self, method: str, path: str, role: str = "owner", business: str = "demo", **request: Any
    ) -> TestResponse:
        token = make_token(SECRET, Principal("olga", business, role), system_clock(), timedelta(hours=1))
        return self.client.open(path, method=method, headers={"Authorization": f"Bearer {token}"}, **request)

    def save(self, rule: Json) -> str:
        return str(answered(self.ask("POST", "/automations", json=rule), 201)["id"])

    def endpoint(self, *events: str) -> str:
        body = {"url": RECEIVER, "events": list(events)}
        return str(answered(self.ask("POST", "/webhook-endpoints", json=body), 201)["id"])

    def runs(self, rule_id: str) -> list[Json]:
        return list(answered(self.ask("GET", f"/automations/{rule_id}/runs", "staff"), 200)["items"])

    def dry_run(self, rule: Json) -> Json:
        return answered(self.ask("POST", "/automations/dry-run", "staff", json=rule), 200)

    # Events.

    def happen(self, *events: Event) -> None:
        """As the worker takes them: each once."""
        work = UnitOfWork(self.database, self.clock)
        for event in work.unseen(events):
            subscriptions(self.businesses, self.clock, seal_with(SECRET))[event.type](work, [event])
            work.mark_handled(event)
            work.commit()
            work = UnitOfWork(self.database, self.clock)

    def settle(self) -> None:
        """All that follows by itself, up to now."""
        while self._fire() or self._go_on() or self._feed():
            continue

    def _fire(self) -> bool:
        due = store.due(self.database, store.FACTS, self.now, 100)
        self.firing.fire(due)
        return bool(due)

    def _go_on(self) -> bool:
        due = store.due(self.database, store.RUNS, self.now, 100)
        self.executing.go_on(due)
        return bool(due)

    def _feed(self) -> bool:
        told = [event for event in self.told("lead.stage_changed") if event.id not in self._fed]
        self.happen(*told)
        self._fed |= {event.id for event in told}
        return bool(told)

    def told(self, event_type: str) -> list[Event]:
        rows = self.database[OUTBOX].find({"type": event_type}).sort("_id", 1)
        return [decode(row["body"]) for row in rows]

    def customer(self, phone: str | None, name: str | None = "Anna Novak", **more: Any) -> str:
        """Somebody whom the customer service tells of."""
        customer_id = f"c-{next(self.numbers)}"
        self.happen(self.created(customer_id, phone, name, **more))
        return customer_id

    def created(self, customer_id: str, phone: str | None, name: str | None = "Anna Novak", **more: Any) -> Event:
        data = {
            "customer_id": customer_id,
            "name": name,
            "phone": phone,
            "phones": [phone] if phone else [],
            "email": None,
            "source": "call",
            "segment": "lead",
            "revision": "000000000001.000000",
            **more,
        }
        return self.event("customer.created", customer_id, data, (customer_id,))

    def event(self, event_type: str, subject: str, data: Json, cause: tuple[str, ...]) -> Event:
        return new_event(event_type, business="demo", subject=subject, time=self.now, data=data, cause=cause)

    def completed(self, customer_id: str, number: int = 1, price: int = 12_000) -> Event:
        data = {
            "customer_id": customer_id,
            "appointment_id": f"a-{customer_id}-{number}",
            "starts_at": self.now,
            "service": "Cleaning",
            "price": price,
            "currency": "USD",
            "at": self.now,
            "told_by": str(price),
        }
        return self.event("appointment.completed", customer_id, data, (customer_id, str(number), str(price)))

    def segment_changed(self, customer_id: str, previous: str, current: str) -> Event:
        data = {"customer_id": customer_id, "previous": previous, "current": current, "reason": "time"}
        return self.event(
            "customer.segment_changed", customer_id, data | {"revision": "2"}, (customer_id, previous, current)
        )

    def missed(self, phone: str, attempts: int = 1) -> Event:
        data = {
            "missed_call_id": f"m-{phone[-4:]}",
            "phone": phone,
            "attempts": attempts,
            "at": self.now,
            "reason": "no-answer",
        }
        return self.event("missed_call.opened", phone, data | {"customer_id": None, "due_at": None}, (phone,))

    def deleted(self, customer_id: str) -> Event:
        return self.event("customer.deleted", customer_id, {"customer_id": customer_id}, (customer_id,))

    def move(self, customer_id: str, stage: str, **more: Any) -> None:
        answer = self.ask("POST", f"/customers/{customer_id}/move-stage", json={"stage": stage, **more})
        assert answer.status_code == 200, answer.text

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)


def answered(answer: TestResponse, status: int) -> Json:
    assert answer.status_code == status, answer.text
    assert isinstance(answer.json, dict)
    return answer.json


def refused(answer: TestResponse, field: str, *words: str) -> None:
    problem = answered(answer, 422)
    assert field in problem["errors"], problem
    said = " ".join(problem["errors"][field])
    assert all(word in said for word in words), said


def rule(trigger: str = "lead_stage_changed", *actions: Json, **more: Any) -> Json:
    filters = {name: more.pop(name) for name in ("from", "to") if name in more}
    text = {"type": "send_text", "body": "Hello {name}"}
    return {
        "name": "Rule",
        "trigger": {"type": trigger, **filters},
        "actions": list(actions) or [text],
        **more,
    }


def move_to(stage: str) -> Json:
    return {"type": "move_stage", "stage": stage}


@pytest.fixture
def shop(mongo_url: str) -> Iterator[Shop]:
    database = open_database(mongo_url, "pipeline")
    database.ensure_indexes(INDEXES)
    yield Shop(database)
    database.close()


# Rules over HTTP.


def test_a_rule_is_saved_shown_changed_and_deleted(shop: Shop) -> None:
    rule_id = shop.save(rule(to=["contacted"], name="Greet"))
    shown = answered(shop.ask("GET", f"/automations/{rule_id}", "staff"), 200)
    assert (shown["name"], shown["active"], shown["version"]) == ("Greet", True, 1)
    assert shown["trigger"] == {"type": "lead_stage_changed", "from": [], "to": ["contacted"]}
    assert shown["actions"] == [{"type": "send_text", "body": "Hello {name}", "purpose": "transactional"}]
    changed = shop.ask("PUT", f"/automations/{rule_id}", json={**rule(), "active": False, "version": 1})
    assert answered(changed, 200)["active"] is False
    assert shop.ask("PUT", f"/automations/{rule_id}", json={**rule(), "version": 1}).status_code == 409
    assert [one["id"] for one in answered(shop.ask("GET", "/automations"), 200)["items"]] == [rule_id]
    assert shop.ask("DELETE", f"/automations/{rule_id}").status_code == 204
    assert shop.ask("GET", f"/automations/{rule_id}").status_code == 404


def test_if_match_guards_a_change(shop: Shop) -> None:
    rule_id = shop.save(rule())
    token = make_token(SECRET, Principal("olga", "demo", "owner"), system_clock(), timedelta(hours=1))
    headers = {"Authorization": f"Bearer {token}", "If-Match": '"7"'}
    assert shop.client.put(f"/automations/{rule_id}", json=rule(), headers=headers).status_code == 412


def test_staff_read_and_only_owners_write(shop: Shop) -> None:
    rule_id = shop.save(rule())
    for method, path in (("POST", "/automations"), ("PUT", f"/automations/{rule_id}")):
        assert shop.ask(method, path, "staff", json=rule()).status_code == 403
    assert shop.ask("DELETE", f"/automations/{rule_id}", "staff").status_code == 403
    for path in ("/automations", f"/automations/{rule_id}", f"/automations/{rule_id}/runs", "/automations/runs"):
        assert shop.ask("GET", path, "staff").status_code == 200


def test_the_fields_of_conditions_are_told(shop: Shop) -> None:
    fields = answered(shop.ask("GET", "/automations/fields", "staff"), 200)["items"]
    [segment] = [field for field in fields if field["field"] == "segment"]
    assert segment["choices"] == ["lead", "active", "inactive", "vip"]
    assert segment["operators"] == ["eq", "ne", "in", "not_in"]


def test_another_businesss_rule_is_not_there(shop: Shop) -> None:
    rule_id = shop.save(rule())
    for method, path in (
        ("GET", f"/automations/{rule_id}"),
        ("PUT", f"/automations/{rule_id}"),
        ("DELETE", f"/automations/{rule_id}"),
        ("GET", f"/automations/{rule_id}/runs"),
        ("POST", f"/automations/{rule_id}/dry-run"),
    ):
        body: Json = {"json": rule()} if method == "PUT" else {}
        assert shop.ask(method, path, business="other", **body).status_code == 404
    assert answered(shop.ask("GET", "/automations", business="other"), 200)["items"] == []


def test_what_a_rule_names_has_to_be_there(shop: Shop) -> None:
    foreign = {"url": RECEIVER, "events": []}
    endpoint_id = answered(shop.ask("POST", "/webhook-endpoints", business="other", json=foreign), 201)["id"]
    webhook = {"type": "webhook", "endpoint_id": endpoint_id}
    template = {"type": "send_text", "template": "goodbye"}
    for path in ("/automations", "/automations/dry-run"):
        answer = shop.ask("POST", path, json=rule("customer_created", template, webhook))
        refused(answer, "actions", "actions[0].template", "actions[1].endpoint_id")


def test_a_rule_that_would_set_itself_off_is_refused(shop: Shop) -> None:
    answer = shop.ask("POST", "/automations", json=rule("lead_stage_changed", move_to("lost"), name="Drop"))
    refused(answer, "actions", "“Drop” → “Drop”")
    assert answered(answer, 422)["code"] == "circular_rules"
    shop.save(rule("lead_stage_changed", move_to("lost"), to=["contacted"]))


def test_a_circle_of_rules_is_refused_when_it_closes(shop: Shop) -> None:
    there = shop.save(rule("lead_stage_changed", move_to("lost"), to=["contacted"], name="There"))
    back = rule("lead_stage_changed", move_to("contacted"), to=["lost"], name="Back")
    refused(shop.ask("POST", "/automations", json=back), "actions", "“Back” → “There” → “Back”")
    back_id = shop.save({**back, "active": False})
    refused(shop.ask("PUT", f"/automations/{back_id}", json=back), "actions", "Circular")
    shop.ask("DELETE", f"/automations/{there}")
    assert shop.ask("PUT", f"/automations/{back_id}", json=back).status_code == 200


def test_two_who_save_at_once_close_no_circle(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one is saved while the first one is."""
    load_rules = store.load_rules
    back = rule("lead_stage_changed", move_to("contacted"), to=["lost"], name="Back")
    there = rule("lead_stage_changed", move_to("lost"), to=["contacted"], name="There")

    def overtaken(*asked: Any) -> list[Json]:
        found = load_rules(*asked)
        monkeypatch.setattr(store, "load_rules", load_rules)
        shop.save(back)
        return found

    monkeypatch.setattr(store, "load_rules", overtaken)
    refused(shop.ask("POST", "/automations", json=there), "actions", "“There” → “Back” → “There”")


# Firing.


def test_a_text_is_asked_for_once_however_often_and_in_whatever_order_it_is_told(shop: Shop) -> None:
    rule_id = shop.save(rule("appointment_completed", {"type": "send_text", "template": "thanks"}))
    events = [shop.created("c-1", ANNA), shop.completed("c-1")]
    for event in (*reversed(events), *events):
        shop.happen(event)
        shop.settle()
    shop.later(seconds=30)
    shop.settle()
    [text] = shop.told("sms.requested")
    assert (text.data["recipient"], text.data["body"]) == (ANNA, "Thank you, Anna Novak!")
    assert (text.source, text.data["reason"]) == ("/ringback/pipeline", f"automation:{rule_id}")
    assert text.data["expires_at"] > shop.now
    [run] = shop.runs(rule_id)
    assert (run["state"], run["customer_id"]) == ("done", "c-1")
    assert run["log"][0]["outcome"] == "done"
    assert run["log"][0]["request_id"] == text.data["request_id"]


def test_an_appointment_whose_price_is_put_right_is_completed_once(shop: Shop) -> None:
    rule_id, customer_id = shop.save(rule("appointment_completed")), shop.customer(ANNA)
    shop.happen(shop.completed(customer_id, price=1), shop.completed(customer_id, price=2))
    shop.settle()
    assert len(shop.runs(rule_id)) == 1


def test_an_appointment_whose_price_is_put_right_after_months_was_completed_long_since(shop: Shop) -> None:
    rule_id, customer_id = shop.save(rule("appointment_completed")), shop.customer(ANNA)
    shop.happen(shop.completed(customer_id))
    shop.settle()
    shop.later(days=60)
    shop.database[store.FACTS].delete_many({"expires_at": {"$lte": shop.now}})
    shop.happen(shop.completed(customer_id, price=9_000))
    shop.settle()
    assert len(shop.runs(rule_id)) == len(shop.told("sms.requested")) == 1
    assert shop.dry_run(rule("appointment_completed"))["concerned"] == 0


def test_a_note_fits_whatever_it_is_filled_in_with(shop: Shop) -> None:
    notes = [{"type": "add_note", "text": text} for text in ("{name}", "{name}" * 1_600)]
    rule_id = shop.save(rule("customer_created", *notes))
    shop.customer(ANNA, None)
    shop.settle()
    assert [entry["reason"] for entry in shop.runs(rule_id)[0]["log"]] == ["no_text", "no_text"]
    shop.customer(BOB, "Bartholomew")
    shop.settle()
    assert sorted(len(note.data["text"]) for note in shop.told("note.requested")) == [11, LONGEST_NOTE]


def test_conditions_are_kept_with_what_they_saw(shop: Shop) -> None:
    conditions = [
        {"field": "source", "operator": "in", "value": ["call", "sms"]},
        {"field": "value", "operator": "gte", "value": 50_000},
    ]
    rule_id, customer_id = shop.save(rule("appointment_completed", conditions=conditions)), shop.customer(ANNA)
    shop.happen(shop.completed(customer_id))
    shop.settle()
    [run] = shop.runs(rule_id)
    assert (run["state"], run["reason"]) == ("skipped", "conditions")
    assert [(one["field"], one["seen"], one["met"]) for one in run["conditions"]] == [
        ("source", "call", True),
        ("value", 12_000, False),
    ]
    assert shop.told("sms.requested") == []


def test_rules_and_endpoints_are_their_own_businesss_only(shop: Shop) -> None:
    mine, theirs = shop.save(rule("customer_created")), rule("customer_created")
    foreign = answered(shop.ask("POST", "/automations", business="other", json=theirs), 201)["id"]
    body = {"url": RECEIVER, "events": ["customer_created"]}
    answered(shop.ask("POST", "/webhook-endpoints", business="other", json=body), 201)
    here, there = shop.created("c-1", ANNA), replace(shop.created("c-2", BOB), id="there", business="other")
    shop.happen(here, there)
    shop.settle()
    runs = shop.database[store.RUNS].find()
    assert {(run["rule_id"], run["customer_id"]) for run in runs} == {(mine, "c-1"), (foreign, "c-2")}
    [delivery] = shop.database[DELIVERIES].find()
    assert (delivery["business"], delivery["customer_id"]) == ("other", "c-2")


def test_a_move_by_hand_sets_off_a_move_by_rule_and_a_note(shop: Shop) -> None:
    note = {"type": "add_note", "text": "Moved on, {name}."}
    rule_id = shop.save(rule("lead_stage_changed", note, move_to("lost"), to=["contacted"], name="Drop"))
    customer_id = shop.customer(ANNA)
    shop.move(customer_id, "contacted")
    shop.settle()
    lead = find_lead(shop.database, "demo", customer_id)
    assert lead is not None
    assert lead["stage"] == "lost"
    told = {event.data["current"]: event.data for event in shop.told("lead.stage_changed")}
    assert (told["lost"]["actor"], told["lost"]["cause"]) == (f"rule:{rule_id}", "auto")
    [noted] = shop.told("note.requested")
    assert (noted.data["text"], noted.data["author"]) == ("Moved on, Anna Novak.", "Drop")
    [run] = shop.runs(rule_id)
    assert [entry["action"] for entry in run["log"]] == ["add_note", "move_stage"]


def test_a_lead_that_is_there_already_is_not_moved(shop: Shop) -> None:
    rule_id, customer_id = shop.save(rule("appointment_completed", move_to("converted"))), shop.customer(ANNA)
    shop.happen(shop.completed(customer_id))
    shop.settle()
    [run] = shop.runs(rule_id)
    assert run["log"][0]["reason"] == "already_there"
    assert len(shop.told("lead.stage_changed")) == 1


@pytest.mark.parametrize(
    ("phone", "reason"),
    [(None, "no_number"), ("+15558675310", "own_number"), ("+18005550100", "not_textable")],
)
def test_there_may_be_nothing_to_send_to(shop: Shop, phone: str | None, reason: str) -> None:
    rule_id = shop.save(rule("customer_created"))
    shop.customer(phone)
    shop.settle()
    [run] = shop.runs(rule_id)
    assert (run["log"][0]["outcome"], run["log"][0]["reason"]) == ("skipped", reason)
    assert shop.told("sms.requested") == []


def test_a_missed_call_finds_its_customer_by_number_be_it_told_of_later(shop: Shop) -> None:
    rule_id, endpoint_id = shop.save(rule("missed_call_opened")), shop.endpoint("missed_call_opened")
    shop.happen(shop.missed(ANNA))
    shop.settle()
    assert shop.runs(rule_id) == []
    customer_id = shop.customer(ANNA)
    shop.later(seconds=10)
    shop.settle()
    [run] = shop.runs(rule_id)
    assert run["customer_id"] == customer_id
    assert len(shop.told("sms.requested")) == 1
    [delivery] = shop.database[DELIVERIES].find({"endpoint_id": endpoint_id})
    assert (delivery["customer_id"], delivery["phone"]) == (customer_id, None)


def test_who_gave_a_number_up_is_not_who_calls_from_it(shop: Shop) -> None:
    shop.save(rule("missed_call_opened"))
    former = shop.customer(ANNA, "Former")
    changed = {"phone": BOB, "phones": [BOB]}
    data = {"customer_id": former, "revision": "000000000002.000000", "changed": changed}
    shop.happen(shop.event("customer.updated", former, data, (former, "2")))
    shop.happen(shop.missed(ANNA))
    shop.settle()
    assert shop.told("sms.requested") == []
    shop.customer(ANNA, "Present")
    shop.later(seconds=10)
    shop.settle()
    [text] = shop.told("sms.requested")
    assert (text.data["recipient"], text.data["body"]) == (ANNA, "Hello Present")


def test_a_missed_call_of_nobody_known_is_told_by_number_in_the_end(shop: Shop) -> None:
    rule_id, endpoint_id = shop.save(rule("missed_call_opened")), shop.endpoint("missed_call_opened")
    shop.happen(shop.missed(ANNA), shop.missed("anonymous"))
    shop.settle()
    assert len(shop.runs(rule_id)) == 1  # who withholds the number is never known
    shop.later(seconds=PATIENCE.total_seconds() + 1)
    shop.settle()
    assert [run["log"][0]["reason"] for run in shop.runs(rule_id)] == ["unknown_customer"] * 2
    phones = {row["phone"] for row in shop.database[DELIVERIES].find({"endpoint_id": endpoint_id})}
    assert phones == {ANNA, None}
    assert ANNA not in str(list(shop.database[store.FACTS].find()))
    assert ANNA not in str(list(shop.database[store.RUNS].find()))


def test_what_is_told_of_nobody_sets_nothing_off_and_names_nobody(shop: Shop) -> None:
    rule_id = shop.save(rule("segment_changed"))
    shop.happen(shop.segment_changed("c-unknown", "lead", "vip"))
    shop.later(seconds=PATIENCE.total_seconds() + 1)
    shop.settle()
    assert shop.runs(rule_id) == []
    assert "c-unknown" not in str(list(shop.database[store.FACTS].find({}, {"event_id": 0})))


def test_what_is_told_a_month_late_sets_nothing_off(shop: Shop) -> None:
    rule_id, customer_id = shop.save(rule("appointment_completed")), shop.customer(ANNA)
    event = shop.completed(customer_id)
    shop.later(days=31)
    shop.happen(event)
    shop.settle()
    assert shop.runs(rule_id) == []


def test_two_workers_run_each_rule_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    rule_id, customer_id = shop.save(rule("appointment_completed")), shop.customer(ANNA)
    shop.happen(shop.completed(customer_id))
    due = store.due(shop.database, store.FACTS, shop.now, 10)

    def overtaken(*asked: Any) -> list[Json]:
        monkeypatch.setattr(firing_module, "load_endpoints", load_endpoints)
        shop.firing.fire(due)
        return load_endpoints(*asked)

    monkeypatch.setattr(firing_module, "load_endpoints", overtaken)
    with pytest.raises(ConcurrentUpdate):
        shop.firing.fire(due)
    shop.firing.fire(due)
    shop.settle()
    assert len(shop.runs(rule_id)) == 1
    assert len(shop.told("sms.requested")) == 1


def test_the_loops_do_all_of_it_by_themselves_one_worker_at_a_time(shop: Shop) -> None:
    rule_id, customer_id = shop.save(rule("appointment_completed")), shop.customer(ANNA)
    shop.happen(shop.completed(customer_id))
    mine = automation_loops(shop.database, shop.businesses, shop.clock, "first")
    others = automation_loops(shop.database, shop.businesses, shop.clock, "second")
    for loop in (*mine, *others):
        assert loop.step() > 0
    assert [run["state"] for run in shop.runs(rule_id)] == ["done"]
    for loop in (*mine, *others):
        loop.close()


def test_a_run_that_cannot_go_on_holds_up_no_other(shop: Shop) -> None:
    rule_id = shop.save(rule("customer_created"))
    shop.customer(ANNA)
    shop.customer(BOB, "Bob")
    shop.firing.fire(store.due(shop.database, store.FACTS, shop.now, 10))
    broken = shop.database[store.RUNS].find_one()
    assert broken is not None
    shop.database[store.RUNS].update_one({"_id": broken["_id"]}, {"$set": {"actions": [{"type": "unheard of"}]}})
    loop = DueLoop("runs", store.RUNS, shop.executing.go_on, shop.database, shop.clock, "worker")
    loop.step()
    loop.close()
    told = sorted((run["state"], run["reason"] or "") for run in shop.runs(rule_id))
    assert told == [("done", ""), ("waiting", "KeyError")]
    assert store.due(shop.database, store.RUNS, shop.now, 10) == []


# Waiting.


def wait(seconds: int, **more: bool) -> Json:
    return {"type": "wait", "seconds": seconds, **more}


def test_a_wait_survives_and_goes_on_when_it_is_time(shop: Shop) -> None:
    rule_id = shop.save(rule("customer_created", wait(7200), {"type": "send_text", "body": "Still there?"}))
    shop.customer(ANNA)
    shop.settle()
    [run] = shop.runs(rule_id)
    assert (run["state"], run["resumes_at"]) == ("waiting", rfc3339(shop.now + timedelta(hours=2)))
    shop.later(hours=1)
    shop.settle()
    assert shop.told("sms.requested") == []
    shop.later(hours=1)
    Shop(shop.database)  # another process
    shop.settle()
    shop.settle()
    assert len(shop.told("sms.requested")) == 1
    assert [run["state"] for run in shop.runs(rule_id)] == ["done"]


@pytest.mark.parametrize(("still", "state"), [(True, "stopped"), (False, "done")])
def test_after_a_wait_it_may_have_to_hold_still(shop: Shop, still: bool, state: str) -> None:
    text = {"type": "send_text", "body": "Still interested?"}
    rule_id = shop.save(rule("lead_stage_changed", wait(3600, still=still), text, to=["contacted"]))
    customer_id = shop.customer(ANNA)
    shop.move(customer_id, "contacted")
    shop.settle()
    shop.move(customer_id, "converted")
    shop.later(hours=2)
    shop.settle()
    [run] = shop.runs(rule_id)
    assert run["state"] == state
    assert run["reason"] == ("no_longer" if still else None)
    assert len(shop.told("sms.requested")) == (0 if still else 1)


@pytest.mark.parametrize(("deleted", "reason"), [(True, "rule_deleted"), (False, "rule_deactivated")])
def test_a_rule_that_goes_stops_what_waits_and_says_so(shop: Shop, deleted: bool, reason: str) -> None:
    body = rule("customer_created", wait(3600), {"type": "send_text", "body": "Hello"})
    rule_id = shop.save(body)
    shop.customer(ANNA)
    shop.settle()
    if deleted:
        shop.ask("DELETE", f"/automations/{rule_id}")
    else:
        answered(shop.ask("PUT", f"/automations/{rule_id}", json={**body, "active": False}), 200)
        answered(shop.ask("PUT", f"/automations/{rule_id}", json={**body, "active": True}), 200)
    shop.later(hours=2)
    shop.settle()
    [run] = shop.runs(rule_id)
    assert (run["state"], run["reason"], run["log"][-1]["reason"]) == ("stopped", reason, reason)
    assert shop.told("sms.requested") == []


def test_an_index_finds_what_waits_among_all_that_a_rule_did(shop: Shop) -> None:
    done = {"rule_id": "r", "customer_id": "c", "fired_at": NOON, "state": "done"}
    shop.database[store.RUNS].insert_many([{"_id": str(number), **done} for number in range(50)])
    waiting = shop.database[store.RUNS].find({"rule_id": "r", "state": "waiting"})
    assert waiting.explain()["executionStats"]["totalDocsExamined"] == 0


def test_a_rule_that_is_not_active_is_not_set_off(shop: Shop) -> None:
    rule_id = shop.save(rule("customer_created", active=False))
    shop.customer(ANNA)
    shop.settle()
    assert shop.runs(rule_id) == []


def test_a_run_that_begins_while_its_rule_goes_does_nothing(shop: Shop) -> None:
    rule_id = shop.save(rule("customer_created"))
    shop.customer(ANNA)
    shop.firing.fire(store.due(shop.database, store.FACTS, shop.now, 10))
    shop.database[store.RULES].update_one({"_id": rule_id}, {"$set": {"active": False}})
    shop.settle()
    [run] = shop.runs(rule_id)
    assert (run["state"], run["reason"]) == ("stopped", "rule_deactivated")
    assert shop.told("sms.requested") == []


# Loops.


def unchecked(shop: Shop, *rules: Json) -> None:
    """Rules as a race or an older version could have left them."""
    for number, body in enumerate(rules):
        parts = {"conditions": [], "created_at": shop.now, "version": 1, "active": True}
        trigger = {"from": [], "to": [], **body["trigger"]}
        row = {"_id": f"rule-{number}", "business": "demo", **body, **parts, "trigger": trigger}
        shop.database[store.RULES].insert_one(row)


def test_a_circle_that_was_not_seen_ends_after_five_runs(shop: Shop) -> None:
    unchecked(
        shop,
        rule("lead_stage_changed", move_to("lost"), to=["contacted"]),
        rule("lead_stage_changed", move_to("contacted"), to=["lost"]),
    )
    customer_id = shop.customer(ANNA)
    shop.move(customer_id, "contacted")
    shop.settle()
    runs = answered(shop.ask("GET", "/automations/runs"), 200)["items"]
    assert sorted(len(run["causation"]) for run in runs) == [0, 1, 2, 3, 4, 5]
    deepest = max(runs, key=lambda run: len(run["causation"]))
    assert (deepest["state"], deepest["reason"], deepest["log"]) == ("stopped", "loop", [])
    assert {run["id"] for run in runs if run is not deepest} == set(deepest["causation"])


def test_a_rule_that_is_set_off_too_often_stops_whatever_leads_back_to_it(shop: Shop) -> None:
    rule_id, customer_id = shop.save(rule("appointment_completed")), shop.customer(ANNA)
    for number in range(MOST_A_DAY + 1):
        shop.later(seconds=1)
        shop.happen(shop.completed(customer_id, number))
        shop.settle()
    assert [run["reason"] for run in shop.runs(rule_id)[:2]] == ["loop", None]
    assert len(shop.told("sms.requested")) == MOST_A_DAY
    shop.later(days=1, seconds=1)
    shop.happen(shop.completed(customer_id, 999))
    shop.settle()
    assert shop.runs(rule_id)[0]["state"] == "done"


# Dry runs.


def test_a_dry_run_tells_what_would_have_happened_and_does_nothing(shop: Shop) -> None:
    for number in range(4):
        customer_id = shop.customer(None if number == 3 else f"+1212555010{number}", name=f"Anna {number}")
        shop.happen(shop.completed(customer_id, price=number * 100))
        shop.settle()
        shop.later(hours=1)
    conditions = [{"field": "price", "operator": "gte", "value": 200}]
    body = rule("appointment_completed", {"type": "send_text", "template": "thanks"}, conditions=conditions)
    before = shop.database[OUTBOX].count_documents({})
    told = shop.dry_run(body)
    assert (told["fired"], told["concerned"], told["customers"], told["complete"]) == (2, 4, 2, True)
    assert told["summary"] == "Over the last 30 days this rule would have fired 2 times."
    assert [sample["customer"]["name"] for sample in told["samples"]] == ["Anna 3", "Anna 2"]
    assert [sample["would"] for sample in told["samples"]] == [
        [{"type": "send_text", "skipped": "no_number"}],
        [{"type": "send_text", "body": "Thank you, Anna 2!"}],
    ]
    assert shop.database[OUTBOX].count_documents({}) == before
    assert answered(shop.ask("GET", "/automations/runs"), 200)["items"] == []
    rule_id = shop.save(body)
    assert answered(shop.ask("POST", f"/automations/{rule_id}/dry-run"), 200) == told
    shop.later(days=30)
    assert shop.dry_run(body)["fired"] == 0


def test_a_dry_run_is_asked_of_the_values_as_they_were(shop: Shop) -> None:
    customer_id = shop.customer(ANNA)
    shop.move(customer_id, "contacted")
    shop.settle()
    shop.move(customer_id, "lost", lost_reason="too far")
    shop.settle()
    assert shop.dry_run(rule(to=["contacted"]))["fired"] == 1
    there: Json = {"from": ["contacted"], "to": ["lost"]}
    assert shop.dry_run(rule(**there))["fired"] == 1


def test_a_dry_run_counts_nobody_whom_nothing_would_have_happened_to(shop: Shop) -> None:
    shop.happen(shop.segment_changed("c-unknown", "lead", "vip"))
    shop.later(seconds=PATIENCE.total_seconds() + 1)
    shop.settle()
    told = shop.dry_run(rule("segment_changed"))
    assert (told["concerned"], told["fired"]) == (0, 0)


# Erasing.


def test_who_is_deleted_is_in_no_fact_run_or_delivery_any_more(shop: Shop) -> None:
    endpoint_id = shop.endpoint("customer_created", "appointment_completed", "missed_call_opened")
    webhook = {"type": "webhook", "endpoint_id": endpoint_id}
    waiting = shop.save(rule("customer_created", wait(3600), {"type": "send_text", "body": "Hello"}))
    done = shop.save(rule("appointment_completed", webhook, {"type": "add_note", "text": "Came: {name}"}))
    customer_id = shop.customer(ANNA)
    shop.happen(shop.completed(customer_id), shop.missed(ANNA))
    shop.settle()
    shop.happen(shop.deleted(customer_id))
    shop.later(hours=2)
    shop.settle()
    for name in (store.FACTS, store.RUNS, DELIVERIES):
        everything = str(list(shop.database[name].find()))
        for trace in (ANNA, "Anna", f"'{customer_id}'"):
            assert trace not in everything, name
    [canceled] = shop.runs(waiting)
    assert (canceled["state"], canceled["reason"], canceled["customer_id"]) == (
        "canceled",
        "customer_deleted",
        None,
    )
    assert [run["state"] for run in shop.runs(done)] == ["done"]
    states = {row["state"]: row["body"] for row in shop.database[DELIVERIES].find()}
    assert states == {"canceled": None}
    assert shop.told("sms.requested") == []


def test_another_businesss_callers_stay_when_a_number_is_erased(shop: Shop) -> None:
    rule_id, endpoint_id = shop.save(rule("missed_call_opened", wait(60))), shop.endpoint("missed_call_opened")
    shop.happen(shop.missed(ANNA))
    shop.later(seconds=PATIENCE.total_seconds() + 1)
    shop.settle()
    theirs = replace(shop.created("c-theirs", ANNA), business="other")
    shop.happen(theirs, replace(shop.deleted("c-theirs"), business="other"))
    [run], [delivery] = shop.runs(rule_id), shop.database[DELIVERIES].find({"endpoint_id": endpoint_id})
    assert (run["state"], delivery["state"], delivery["phone"]) == ("waiting", "pending", ANNA)


def test_what_waits_by_number_goes_with_the_numbers_that_a_deletion_tells(shop: Shop) -> None:
    rule_id, endpoint_id = shop.save(rule("missed_call_opened", wait(60))), shop.endpoint("missed_call_opened")
    shop.happen(shop.missed(ANNA))
    shop.later(seconds=PATIENCE.total_seconds() + 1)
    shop.settle()
    data = {"customer_id": "c-late", "phones": [ANNA]}
    shop.happen(shop.event("customer.deleted", "c-late", data, ("c-late",)))
    [run], [delivery] = shop.runs(rule_id), shop.database[DELIVERIES].find({"endpoint_id": endpoint_id})
    assert (run["state"], delivery["state"], delivery["body"]) == ("canceled", "canceled", None)


def test_what_is_told_of_somebody_after_their_deletion_sets_nothing_off(shop: Shop) -> None:
    rule_id, customer_id = shop.save(rule("appointment_completed")), shop.customer(ANNA)
    event = shop.completed(customer_id)
    shop.happen(shop.deleted(customer_id), event)
    shop.settle()
    shop.later(seconds=PATIENCE.total_seconds() + 1)
    shop.settle()
    assert shop.runs(rule_id) == []
    assert f"'{customer_id}'" not in str(list(shop.database[store.FACTS].find()))


def test_a_fact_that_is_taken_up_while_its_customer_is_deleted_is_not(shop: Shop) -> None:
    rule_id, customer_id = shop.save(rule("appointment_completed")), shop.customer(ANNA)
    shop.happen(shop.completed(customer_id))
    due = store.due(shop.database, store.FACTS, shop.now, 10)
    work = UnitOfWork(shop.database, shop.clock)
    deleted = shop.deleted(customer_id)
    subscriptions(shop.businesses, shop.clock, seal_with(SECRET))[deleted.type](work, [deleted])
    shop.firing.fire(due)
    with pytest.raises(ConcurrentUpdate):
        work.commit()
    shop.happen(deleted)
    shop.settle()
    assert [run["state"] for run in shop.runs(rule_id)] == ["canceled"]
    assert shop.told("sms.requested") == []


# Whatever the order.


def test_the_order_of_events_does_not_matter(shop: Shop) -> None:
    """Every order of what is told of three customers leads to the same texts."""
    shop.save(rule("appointment_completed", {"type": "send_text", "template": "thanks"}))
    shop.save(rule("segment_changed", {"type": "add_note", "text": "VIP now"}, to=["vip"]))
    expected: set[tuple[str, ...]] = set()
    for turn in range(6):
        ids = [f"t{turn}-{number}" for number in range(3)]
        events = [
            one
            for number, customer_id in enumerate(ids)
            for one in (
                shop.created(customer_id, f"+1212555{turn}{number:03d}"),
                shop.completed(customer_id),
                shop.segment_changed(customer_id, "active", "vip"),
            )
        ]
        shuffled = [*events, *random.Random(turn).sample(events, 3)]
        random.Random(turn).shuffle(shuffled)
        for event in shuffled:
            shop.happen(event)
            shop.settle()
        shop.later(minutes=5)
        shop.settle()
        told = [*shop.told("sms.requested"), *shop.told("note.requested")]
        expected.add(tuple(sorted(event.type + event.subject[-1] for event in told if event.subject in ids)))
    assert expected == {
        tuple(sorted(f"{kind}{number}" for number in range(3) for kind in ("sms.requested", "note.requested")))
    }
