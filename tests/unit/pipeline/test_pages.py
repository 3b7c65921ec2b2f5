"""The pages of leads, automations and webhooks: what they show, what forms lead to, and who is offered what."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from flask import Flask, Response
from werkzeug.test import TestResponse

from pipeline import store
from pipeline.app import create_app
from pipeline.automation import store as automation_store
from pipeline.automation.recipes import RECIPES
from pipeline.automation.runs import finished, logged, new_run
from pipeline.automation.store import FACTS, RULES, RUNS
from pipeline.automation.triggers import FIRED
from pipeline.outbound.attempts import Outcome
from pipeline.outbound.deliveries import attempted, new_delivery
from pipeline.outbound.store import DELIVERIES, ENDPOINTS
from pipeline.store import Arrivals, Total
from ringback.web.sessions import CSRF_FIELD, Session, csrf_token, set_session
from tests.unit import fakes
from tests.unit.fakes import SECRET, Document, MemoryCollection, MemoryDatabase, at, sample_settings
from tests.unit.pipeline.leads_service import ANNA, BOB, CLEO, NOW, Service, appointment, called, created

ACCEPT = "text/html,application/xhtml+xml,*/*;q=0.8"
HOST = "https://ring.example"
OLGA = Session("sid-olga", "Olga", "demo", "owner")
STEFAN = Session("sid-stefan", "Stefan", "demo", "staff")
HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "</textarea><b>")
LONG = "Wolfeschlegelsteinhausenbergerdorff" * 2
SCRIPTS = ("محمد عبد الرحمن", "李小龍", "👩‍⚕️ Dr. مريم")
MARKUP = ("<script>alert", "<img src=x", "</textarea><b>", ">49<")
RULE_ID, ENDPOINT_ID, DELIVERY_ID = "rule-1", "ep_1", "msg_1"
PAGES = (
    "/leads",
    f"/leads/{ANNA}",
    "/leads/funnel",
    "/parts/leads",
    "/automations",
    f"/automations/{RULE_ID}",
    f"/automations/{RULE_ID}/dry-run",
    f"/automations/{RULE_ID}/runs",
    "/automations/runs",
    "/webhook-endpoints",
    f"/webhook-endpoints/{ENDPOINT_ID}",
    f"/webhook-endpoints/{ENDPOINT_ID}/deliveries",
    f"/webhook-deliveries/{DELIVERY_ID}",
)
OWNERS_PAGES = ("/automations/create", f"/automations/{RULE_ID}/edit")
EMPTY_PAGES = ("/leads", "/leads/funnel", "/parts/leads", "/automations", "/automations/runs", "/webhook-endpoints")


class Found(list[Document]):
    """What a query finds, as a cursor gives it."""

    def sort(self, order: Any, direction: int = 1) -> "Found":  # type: ignore[override]
        [(name, towards), *_] = order if isinstance(order, list) else [(order, direction)]
        return Found(sorted(self, key=lambda one: one[name], reverse=towards < 0))

    def limit(self, most: int) -> "Found":
        return Found(self[:most])


class PagesCollection(MemoryCollection):
    def find(self, query: Mapping[str, Any], _projection: Any = None, hint: Any = None) -> Any:
        return Found(super().find(query))

    def count_documents(self, query: Mapping[str, Any], limit: int) -> int:
        return len(self.find(query)[:limit])


class PagesDatabase(MemoryDatabase):
    def __getitem__(self, name: str) -> PagesCollection:
        return PagesCollection(self, name)

    def ping(self) -> None:
        """What readiness asks."""


class Shop:
    """The pipeline service with a database in memory."""

    def __init__(self) -> None:
        self.database = PagesDatabase()
        self.service = Service(self.database)
        self.app: Flask = create_app(sample_settings(), self.database.as_database(), lambda: NOW)

    def open(self, method: str, path: str, session: Session = OLGA, **request: Any) -> TestResponse:
        response = Response()
        set_session(response, SECRET, session, datetime.now(UTC), secure=True)
        cookie = response.headers["Set-Cookie"].partition(";")[0]
        headers = {"Accept": ACCEPT, "Cookie": cookie}
        client = self.app.test_client(use_cookies=False)
        return client.open(path, method=method, base_url=HOST, headers=headers, **request)

    def page(self, path: str, session: Session = OLGA) -> str:
        answer = self.open("GET", path, session)
        assert (answer.status_code, answer.mimetype) == (200, "text/html"), answer.text
        return answer.text

    def post(self, path: str, page: str, form: str = "", session: Session = OLGA, **fields: Any) -> TestResponse:
        own = {CSRF_FIELD: csrf_token(SECRET, session.id), "_page": page, "_form": form}
        return self.open("POST", path, session, data={**own, **fields})

    def has_rule(self, name: str = "Thank them", **more: Any) -> Document:
        rule = {
            "_id": RULE_ID,
            "business": "demo",
            "name": name,
            "active": True,
            "trigger": {"type": "lead_stage_changed", "from": [], "to": ["converted"]},
            "conditions": [
                {"field": "source", "operator": "eq", "value": "call"},
                {"field": "value", "operator": "gte", "value": 12345},
                {"field": "has_name", "operator": "eq", "value": True},
                {"field": "seconds_in_previous_stage", "operator": "lt", "value": 7200},
            ],
            "actions": [
                {"type": "wait", "seconds": 172800, "still": True},
                {"type": "send_text", "body": f"Hi {{name}}, {name}", "purpose": "marketing"},
                {"type": "add_note", "text": name},
                {"type": "move_stage", "stage": "lost", "lost_reason": name},
                {"type": "webhook", "endpoint_id": ENDPOINT_ID},
            ],
            "created_at": NOW,
            "updated_at": NOW,
            "updated_by": "Olga",
            "version": 3,
        }
        self.database.insert(RULES, {**rule, **more})
        return {**rule, **more}

    def has_run(self, rule: Document) -> None:
        values = {"source": "call", "value": 20000, "has_name": True, "seconds_in_previous_stage": 60}
        fact = {
            "_id": "fact-1",
            "business": "demo",
            "trigger": "lead_stage_changed",
            "at": NOW,
            "event_id": "event-1",
            "customer_id": ANNA,
            "phone": None,
            "values": {**values, "stage": "converted", "previous_stage": "contacted"},
            "data": {},
            "state": FIRED,
        }
        run = logged(new_run(rule, fact, values, (), NOW), NOW, "skipped", reason="no_number")
        self.database.insert(FACTS, fact)
        self.database.insert(RUNS, finished(run, "done", None, NOW))

    def has_endpoint(self, name: str = "The spreadsheet", by: str = "Olga", made_at: datetime = NOW) -> None:
        endpoint = {
            "_id": ENDPOINT_ID,
            "business": "demo",
            "url": "https://hooks.example.com/in",
            "description": name,
            "events": ["customer_created"],
            "active": True,
            "generation": 1,
            "previous_until": None,
            "failing_since": NOW,
            "disabled_at": None,
            "disabled_reason": None,
            "notices": [{"at": made_at, "notice": "created", "by": by}],
            "created_at": NOW,
            "updated_at": NOW,
            "version": 1,
        }
        self.database.insert(ENDPOINTS, endpoint)
        pending = new_delivery(
            DELIVERY_ID, endpoint, "customer_created", f'{{"n": "{name}"}}', NOW, NOW - at(0), ANNA
        )
        gone = attempted(pending, Outcome(410, body=name), NOW, NOW, 0.5)
        self.database.insert(DELIVERIES, {**gone, "version": 1})

    def is_busy(self, name: str = "Anna") -> "Shop":
        """Leads in several stages, a rule that ran, an endpoint that was told."""
        self.service.take(
            created(ANNA, name=name), created(BOB, name=None), created(CLEO, name=None, phone=None, phones=[])
        )
        self.service.take(called(ANNA, 50), appointment("booked", ANNA, 60, price=12345))
        self.service.move(BOB, "lost", 500, lost_reason=name)
        self.has_run(self.has_rule(name))
        self.has_endpoint(name)
        return self


def totals(shop: Shop) -> dict[str, Total]:
    return {stage: Total(*counted) for stage, counted in shop.service.totals().items()}


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop()
    monkeypatch.setattr(store, "board_totals", lambda *_: totals(shop))
    monkeypatch.setattr(store, "filtered_total", lambda *_: Total(1, 0))
    monkeypatch.setattr(store, "arrivals", lambda *_: [Arrivals("converted", 2, {"today": 1, "week": 2})])
    monkeypatch.setattr(automation_store, "last_runs", lambda *_: {RULE_ID: {"fired_at": NOW, "state": "done"}})
    monkeypatch.setitem(fakes.OPERATORS, "$gte", lambda values, wanted: any(one >= wanted for one in values))
    monkeypatch.setitem(fakes.OPERATORS, "$lt", lambda values, wanted: any(one < wanted for one in values))
    monkeypatch.setitem(fakes.OPERATORS, "$elemMatch", lambda values, _: bool(values))
    return shop


def seen(page: str) -> str:
    """A page's text as a browser reads it."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def value_of(page: str, name: str) -> str:
    [(value)] = re.findall(rf'name="{re.escape(name)}" value="([^"]*)"', page)
    return unescape(value)


def without(names: Iterable[str], fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


# What is shown.


@pytest.mark.parametrize("path", EMPTY_PAGES)
def test_a_business_without_anything_has_pages(shop: Shop, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(store, "arrivals", lambda *_: [])
    assert "<h" in shop.page(path)


@pytest.mark.parametrize("path", PAGES + OWNERS_PAGES)
@pytest.mark.parametrize("name", [*HOSTILE, *SCRIPTS, LONG])
def test_whatever_somebody_is_called_stays_text(shop: Shop, path: str, name: str) -> None:
    page = shop.is_busy(name).page(path)
    assert not any(piece in page for piece in MARKUP)


@pytest.mark.parametrize("path", PAGES + OWNERS_PAGES)
def test_no_page_has_style_or_script_of_its_own(shop: Shop, path: str) -> None:
    page = shop.is_busy().page(path)
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=)|javascript:", page)


def test_the_board_says_what_each_column_comes_to(shop: Shop) -> None:
    page = shop.is_busy().page("/leads")
    text = seen(page)
    assert [page.count(f'data-key="{one}"') for one in (ANNA, BOB, CLEO)] == [1, 1, 1]
    assert "Appointment set 1 leads $123.45" in text
    assert "(212) 555-0102" in text
    assert "Withheld number" in text


def test_a_column_says_what_comes_next_and_keeps_the_filters(shop: Shop) -> None:
    shop.is_busy()
    shop.service.move(BOB, "new_lead", 600)
    page = unescape(shop.page("/leads?source=call&limit=1"))
    [address] = re.findall(r'href="(/leads\?[^"]*cursor=[^"]*)" data-more', page)
    assert "source=call" in address
    assert "stage=new_lead" in address


def test_a_lead_says_who_or_what_moved_it(shop: Shop) -> None:
    shop.is_busy()
    shop.service.move(ANNA, "converted", 700, actor=f"rule:{RULE_ID}")
    shop.service.move(ANNA, "lost", 800, actor="rule:gone", lost_reason="Too expensive")
    text = seen(shop.page(f"/leads/{ANNA}"))
    assert "by the automation Anna" in text
    assert "that was deleted since" in text
    assert "by an appointment" in text
    assert "Reason: Too expensive" in text


def test_the_funnel_counts_and_keeps_what_was_asked(shop: Shop) -> None:
    page = shop.is_busy().page("/leads/funnel?from=2026-03-01&source=call")
    assert value_of(page, "from") == "2026-03-01"
    assert "New lead 3 1 33 % 1" in seen(page)
    assert '<option value="call" selected>' in page


def test_the_start_page_gets_a_piece_without_a_frame(shop: Shop) -> None:
    page = shop.is_busy().page("/parts/leads")
    assert "<html" not in page
    assert "Appointment set 1 · $123.45" in seen(page)
    assert "2 of 2 in 30 days" in seen(page)


def test_a_rule_is_said_in_words(shop: Shop) -> None:
    text = seen(shop.is_busy().page(f"/automations/{RULE_ID}"))
    assert "A lead changes its stage to Converted" in text
    assert "Value of appointments is at least $123.45" in text
    assert "Time in the stage before is less than 2 h" in text
    assert "Wait 2 days, then go on only if nothing changed" in text


def test_a_run_says_what_was_done_and_why_not(shop: Shop) -> None:
    text = seen(shop.is_busy().page("/automations/runs"))
    assert "met Value of appointments is at least $123.45" in text
    assert "Left out Wait: there is no number" in text
    assert f'<a href="/customers/{ANNA}"><bdi>Anna</bdi></a>' in shop.page("/automations/runs")


def test_a_dry_run_shows_whom_it_would_have_concerned(shop: Shop) -> None:
    text = seen(shop.is_busy().page(f"/automations/{RULE_ID}/dry-run"))
    assert "would have fired once" in text
    assert "Hi Anna, Anna" in text


@pytest.mark.parametrize(
    ("session", "by", "made_at", "is_told"),
    [
        (OLGA, "Olga", NOW, True),
        (OLGA, "Otto", NOW, False),
        (OLGA, "Olga", at(100_000 - 121), False),
        (STEFAN, "Stefan", NOW, False),
    ],
)
def test_a_secret_is_told_for_a_moment_to_who_made_it(
    shop: Shop, session: Session, by: str, made_at: datetime, is_told: bool
) -> None:
    shop.has_endpoint(by=by, made_at=made_at)
    assert ("whsec_" in shop.page(f"/webhook-endpoints/{ENDPOINT_ID}", session)) == is_told


# Who may.


@pytest.mark.parametrize("path", PAGES)
def test_staff_sees_what_owners_see(shop: Shop, path: str) -> None:
    assert shop.is_busy().page(path, STEFAN)


@pytest.mark.parametrize("path", OWNERS_PAGES)
def test_staff_is_refused_the_form_of_a_rule(shop: Shop, path: str) -> None:
    assert shop.is_busy().open("GET", path, STEFAN).status_code == 403


@pytest.mark.parametrize(
    ("path", "offers"),
    [
        ("/automations", "Switch off"),
        (f"/automations/{RULE_ID}", "Delete for good"),
        ("/webhook-endpoints", "New endpoint"),
        (f"/webhook-endpoints/{ENDPOINT_ID}", "Make a new secret"),
        (f"/webhook-deliveries/{DELIVERY_ID}", "Send again"),
    ],
)
def test_only_owners_are_offered_what_only_they_may_do(shop: Shop, path: str, offers: str) -> None:
    shop.is_busy()
    assert offers in shop.page(path)
    assert offers not in shop.page(path, STEFAN)


# Moves.


def test_a_move_leads_back_to_the_board(shop: Shop) -> None:
    shop.is_busy()
    version = shop.service.lead(ANNA)["turns"]
    fields: dict[str, Any] = {"stage": "lost", "lost_reason": "Went elsewhere", "version": version, "_next": "/leads"}
    answer = shop.post(f"/customers/{ANNA}/move-stage", f"/leads/{ANNA}", "move", STEFAN, **fields)
    assert (answer.status_code, answer.location) == (303, "/leads")
    assert shop.service.stage(ANNA) == "lost"
    assert shop.service.lead(ANNA)["history"][-1]["actor"] == "Stefan"


def test_a_reason_for_what_is_not_lost_comes_back_beside_its_field(shop: Shop) -> None:
    shop.is_busy()
    fields: dict[str, Any] = {"stage": "contacted", "lost_reason": "It <b>rains</b>"}
    answer = shop.post(f"/customers/{ANNA}/move-stage", f"/leads/{ANNA}", "move", **fields)
    assert answer.status_code == 422
    assert value_of(answer.text, "lost_reason") == "It <b>rains</b>"
    assert re.search(r'data-error="lost_reason">Only with the stage lost', answer.text)


def test_a_move_of_what_was_moved_meanwhile_is_refused(shop: Shop) -> None:
    shop.is_busy()
    answer = shop.post(f"/customers/{ANNA}/move-stage", f"/leads/{ANNA}", "move", stage="lost", version="0")
    assert answer.status_code == 409
    assert "It was changed since it was read." in answer.text
    assert shop.service.stage(ANNA) == "appointment_set"


def test_a_card_is_placed_above_another_without_a_mouse(shop: Shop) -> None:
    shop.service.take(created(ANNA, 1), created(BOB, 2))
    assert f'<option value="{BOB}">' in shop.page(f"/leads/{ANNA}")
    answer = shop.post(f"/customers/{ANNA}/move-stage", f"/leads/{ANNA}", "place", stage="new_lead", before=BOB)
    assert answer.status_code == 303
    assert shop.service.lead(ANNA)["rank"] < shop.service.lead(BOB)["rank"]


# Rules.

RULE_FORM: dict[str, Any] = {
    "name": "Two rings",
    "active": "true",
    "trigger": "missed_call_opened",
    "conditions-0-field": "attempts",
    "conditions-0-operator": "gte",
    "conditions-0-value": "2",
    "conditions-1-field": "segment",
    "conditions-1-operator": "in",
    "conditions-1-value": ["vip", "active"],
    "conditions-2-field": "value",
    "conditions-2-operator": "gt",
    "conditions-2-value": "12.50",
    "conditions-3-field": "open_now",
    "conditions-3-operator": "eq",
    "conditions-3-value": "false",
    "actions-0-type": "wait",
    "actions-0-amount": "2",
    "actions-0-unit": "hours",
    "actions-0-still": ["false", "true"],
    "actions-1-type": "send_text",
    "actions-1-template": "",
    "actions-1-body": "Hi {name}!",
    "actions-1-purpose": "transactional",
    "new_field": "stage",
}


def saved(shop: Shop) -> Document:
    [rule] = shop.database.documents(RULES).values()
    return rule


def test_the_form_of_a_rule_becomes_the_rule_that_the_api_knows(shop: Shop) -> None:
    answer = shop.post("/automations", "/automations/create", "rule", **RULE_FORM)
    assert (answer.status_code, answer.location) == (303, f"/automations/{saved(shop)['_id']}")
    assert saved(shop)["trigger"] == {"type": "missed_call_opened", "from": [], "to": []}
    assert [one["value"] for one in saved(shop)["conditions"]] == [2, ["vip", "active"], 1250, False]
    assert saved(shop)["actions"] == [
        {"type": "wait", "seconds": 7200, "still": True},
        {"type": "send_text", "body": "Hi {name}!", "purpose": "transactional"},
    ]


@pytest.mark.parametrize(
    ("changed", "slot", "message"),
    [
        ({"actions-1-body": "Hi {nobody}"}, "actions-1-body", "Unknown: {nobody}"),
        ({"conditions-0-value": "two"}, "conditions-0-value", "A whole number from 0 on is needed."),
        ({"conditions-1-value": []}, "conditions-1-value", "A list is needed."),
        ({"actions-0-amount": ""}, "actions-0-seconds", "Not a valid integer."),
        ({"actions-0-amount": "9999"}, "actions-0-seconds", "Must be greater than or equal to 1 and less"),
        ({"trigger": "customer_created"}, "conditions-0-field", "attempts is not known of customer_created."),
        ({"name": " "}, "name", "Must not be empty."),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_beside_its_row(
    shop: Shop, changed: Mapping[str, Any], slot: str, message: str
) -> None:
    answer = shop.post("/automations", "/automations/create", "rule", **(RULE_FORM | dict(changed)))
    assert answer.status_code == 422
    [said] = re.findall(rf'id="{slot}-error">([^<]*)<', answer.text)
    assert unescape(said).startswith(message)
    assert "Hi {" in answer.text
    assert not shop.database.documents(RULES)


def test_a_circle_is_said_above_the_actions(shop: Shop) -> None:
    circle: dict[str, Any] = {
        "trigger": "lead_stage_changed",
        "actions-0-type": "move_stage",
        "actions-0-stage": "lost",
    }
    more: dict[str, Any] = {"actions-1-type": "move_stage", "actions-1-stage": "new_lead"}
    answer = shop.post("/automations", "/automations/create", "rule", name="Round", **circle, **more)
    assert answer.status_code == 422
    assert "Circular: “Round” → “Round”" in seen(answer.text)


def test_a_rule_without_an_action_is_refused(shop: Shop) -> None:
    answer = shop.post("/automations", "/automations/create", "rule", name="Idle", trigger="customer_created")
    assert answer.status_code == 422
    assert re.search(r'id="actions-error">[^<]', answer.text)


def test_the_form_of_a_rule_that_is_there_says_the_same_rule_again(shop: Shop) -> None:
    before = shop.is_busy("Anna").database.documents(RULES)[RULE_ID]
    page = shop.page(f"/automations/{RULE_ID}/edit")
    assert value_of(page, "conditions-1-value") == "123.45"
    assert value_of(page, "conditions-3-value") == "2"
    assert (value_of(page, "actions-0-amount"), '<option value="days" selected>' in page) == ("2", True)
    answer = shop.post(
        f"/automations/{RULE_ID}?_method=PUT", f"/automations/{RULE_ID}/edit", "rule", **fields_of(page)
    )
    assert (answer.status_code, answer.location) == (303, f"/automations/{RULE_ID}")
    after = shop.database.documents(RULES)[RULE_ID]
    # A list of one says the same as the value alone, and is what the form knows.
    assert after["conditions"][0] == {"field": "source", "operator": "in", "value": ["call"]}
    assert after["conditions"][1:] == before["conditions"][1:]
    assert after["actions"] == before["actions"]
    assert after["trigger"] == before["trigger"]


def fields_of(page: str) -> dict[str, Any]:
    """What a browser would send of the form of a rule."""
    form = page[page.index('<form class="editor"') :]
    fields: dict[str, list[str]] = {}
    for tag in re.findall(r"<input [^>]*>", form):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and value and ('type="checkbox"' not in tag or " checked" in tag):
            fields.setdefault(name[1], []).append(unescape(value[1]))
    for name, options in re.findall(r'<select name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.findall(r'value="([^"]*)" selected', options) or re.findall(r'value="([^"]*)"', options)
        fields[name] = [unescape(chosen[0])]
    for name, text in re.findall(r'<textarea name="([^"]*)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        fields[name] = [unescape(text)]
    return without((CSRF_FIELD, "_page", "_form"), fields)


def test_two_who_change_a_rule_at_once_are_told(shop: Shop) -> None:
    shop.has_rule("Theirs")
    path = f"/automations/{RULE_ID}"
    answer = shop.post(f"{path}?_method=PUT", f"{path}/edit", "rule", **(RULE_FORM | {"version": "2"}))
    assert answer.status_code == 409
    assert "It says now: “Theirs”" in seen(answer.text)
    assert value_of(answer.text, "version") == "3"
    assert "Two rings" in answer.text


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ("add:add_note", ["wait", "send_text", "add_note"]),
        ("drop:actions:0", ["send_text"]),
        ("drop:actions:7", ["wait", "send_text"]),
        ("up:actions:1", ["send_text", "wait"]),
        ("up:actions:0", ["wait", "send_text"]),
        ("drop:nothing", ["wait", "send_text"]),
        ("trigger", ["wait", "send_text"]),
        ("add:<b>", ["wait", "send_text"]),
    ],
)
def test_a_button_changes_the_rows_and_saves_nothing(shop: Shop, change: str, kinds: list[str]) -> None:
    answer = shop.post("/automations/draft", "/automations/create", "rule", **RULE_FORM, change=change)
    assert answer.status_code == 200
    assert re.findall(r'name="actions-\d+-type" value="(\w+)"', answer.text) == kinds
    assert value_of(answer.text, "_page") == "/automations/create"
    assert "Hi {name}!" in answer.text or "send_text" not in kinds
    assert not shop.database.documents(RULES)


def test_a_condition_is_added_on_the_field_that_was_chosen(shop: Shop) -> None:
    answer = shop.post("/automations/draft", "/automations/create", "rule", **RULE_FORM, change="add:condition")
    assert 'name="conditions-4-field" value="stage"' in answer.text


def test_a_draft_is_tried_without_being_saved(shop: Shop) -> None:
    shop.is_busy()
    form: dict[str, Any] = {
        "trigger": "lead_stage_changed",
        "actions-0-type": "add_note",
        "actions-0-text": "Called {name}",
    }
    answer = shop.post("/automations/draft", "/automations/create", "rule", **form, change="try")
    assert answer.status_code == 200
    assert "would have fired once" in answer.text
    wrong: dict[str, Any] = {**form, "actions-0-text": "{who}"}
    answer = shop.post("/automations/draft", "/automations/create", "rule", **wrong, change="try")
    assert "Unknown: {who}" in unescape(answer.text)
    assert "would have fired" not in answer.text


def test_a_draft_leads_nowhere_else(shop: Shop) -> None:
    answer = shop.post("/automations/draft", "https://evil.example/", "rule", change="trigger")
    assert value_of(answer.text, "_page") == "/automations/create"


def test_staff_may_not_even_draft(shop: Shop) -> None:
    answer = shop.post("/automations/draft", "/automations/create", "rule", STEFAN, change="trigger")
    assert answer.status_code == 403


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_form_that_can_be_saved(shop: Shop, name: str) -> None:
    page = shop.page(f"/automations/create?recipe={name}")
    answer = shop.post("/automations", "/automations/create", "rule", **fields_of(page))
    assert answer.status_code == (422 if name == "blank" else 303), answer.text


@pytest.mark.parametrize(("session", "status"), [(OLGA, 303), (STEFAN, 403)])
def test_owners_switch_a_rule_off(shop: Shop, session: Session, status: int) -> None:
    actions = shop.has_rule()["actions"]
    form: dict[str, Any] = {"active": "false", "version": "3"}
    path = f"/automations/{RULE_ID}?_method=PATCH"
    answer = shop.post(path, "/automations", f"switch-{RULE_ID}", session, **form)
    assert answer.status_code == status
    assert saved(shop)["active"] == (status != 303)
    assert saved(shop)["actions"] == actions


def test_a_rule_that_could_not_be_saved_is_not_switched_on(shop: Shop) -> None:
    """Its endpoint is gone."""
    shop.has_rule(active=False)
    path, form = f"/automations/{RULE_ID}?_method=PATCH", f"switch-{RULE_ID}"
    answer = shop.post(path, "/automations", form, active="true", version="3")
    assert answer.status_code == 422
    assert "There is no such endpoint." in answer.text
    assert not saved(shop)["active"]


# Webhooks.


def test_a_new_endpoint_leads_to_its_page_with_the_secret(shop: Shop) -> None:
    form: dict[str, Any] = {
        "url": "https://hooks.example.com/in",
        "description": "Ours",
        "events": ["customer_created"],
    }
    answer = shop.post("/webhook-endpoints", "/webhook-endpoints", "endpoint", **form)
    assert answer.status_code == 303
    assert "whsec_" in shop.page(answer.headers["Location"])
    assert "whsec_" not in answer.headers["Location"]


def test_an_address_that_is_none_comes_back_with_why(shop: Shop) -> None:
    form: dict[str, Any] = {"url": "http://10.0.0.1/", "events": ["customer_created", "segment_changed"]}
    answer = shop.post("/webhook-endpoints", "/webhook-endpoints", "endpoint", **form)
    assert answer.status_code == 422
    assert value_of(answer.text, "url") == "http://10.0.0.1/"
    assert "Has to begin with https://." in answer.text
    assert answer.text.count(" checked") == 2


def test_an_endpoint_can_be_told_of_nothing(shop: Shop) -> None:
    shop.has_endpoint()
    form: dict[str, Any] = {
        "url": "https://hooks.example.com/in",
        "description": "",
        "events": "",
        "active": "true",
        "version": "1",
    }
    path = f"/webhook-endpoints/{ENDPOINT_ID}"
    assert shop.post(f"{path}?_method=PUT", path, "endpoint", **form).status_code == 303
    assert shop.database.documents(ENDPOINTS)[ENDPOINT_ID]["events"] == []


def test_a_delivery_is_sent_again(shop: Shop) -> None:
    shop.has_endpoint()
    path = f"/webhook-deliveries/{DELIVERY_ID}"
    answer = shop.post(f"{path}/replay", path, "replay")
    assert (answer.status_code, answer.location) == (303, path)
    assert shop.database.documents(DELIVERIES)[DELIVERY_ID]["state"] == "pending"
    assert shop.post(f"{path}/replay", path, "replay").status_code == 409
