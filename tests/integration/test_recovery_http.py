"""The queue of missed calls over HTTP on a real MongoDB."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from recovery.app import create_app
from recovery.domain import item_id_of
from recovery.events import subscriptions
from recovery.store import INDEXES, ITEMS, Period, figures, gains
from ringback.callers import customer_id_of
from ringback.clock import rfc3339, system_clock
from ringback.contracts.envelope import Event, decode
from ringback.errors import ConcurrentUpdate
from ringback.seals import seal_with
from ringback.settings import load_settings
from ringback.store.database import OUTBOX, Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from ringback.web.access import Principal, make_token
from tests.unit.fakes import CALLER, T0, at
from tests.unit.recovery.queue import (
    answered,
    appointment,
    consent,
    created,
    deleted,
    merged,
    missed,
    outcome,
    received,
    recorded,
    transcribed,
    updated,
)

SECRET = "s" * 40
BOB, CLEO = "+14155550101", "+14155550102"
Json = dict[str, Any]


class Shop:
    """The API as the staff of two businesses see it, and what the worker makes of events."""

    def __init__(self, database: Database) -> None:
        settings = load_settings({"RINGBACK_SECRET_KEY": SECRET})
        demo = settings.businesses["demo"]
        self.businesses = {"demo": demo, "other": replace(demo, key="other")}
        self.database = database
        self.now: datetime = at(120)
        served = replace(settings, businesses=self.businesses)
        self.client = create_app(served, database, lambda: self.now).test_client()

    def ask(
        self, method: str, path: str, role: str = "staff", business: str = "demo", **request: Any
    ) -> TestResponse:
        token = make_token(SECRET, Principal("olga", business, role), system_clock(), timedelta(hours=1))
        headers = {"Authorization": f"Bearer {token}", **request.pop("headers", {})}
        return self.client.open(path, method=method, headers=headers, **request)

    def get(self, path: str, **query: Any) -> Json:
        return answered_with(self.ask("GET", path, query_string=query), 200)

    def act(self, sid: str, action: str, **request: Any) -> TestResponse:
        return self.ask("POST", f"/missed-calls/{item_id_of('demo', sid)}/{action}", **request)

    def ids(self, **query: Any) -> list[str]:
        return [item["calls"][0]["call_sid"] for item in self.get("/missed-calls", **query)["items"]]

    def take(self, *events: Event) -> None:
        for event in events:
            self.handled([event]).commit()

    def handled(self, events: Sequence[Event]) -> UnitOfWork:
        work = UnitOfWork(self.database, lambda: self.now)
        handlers = subscriptions(self.businesses, lambda: self.now, seal_with(SECRET))
        for event in events:
            handlers[event.type](work, [event])
        return work

    def requested(self) -> list[Event]:
        told = [decode(row["body"]) for row in self.database[OUTBOX].find({"type": "sms.requested"})]
        return sorted(told, key=lambda event: event.time)


def answered_with(answer: TestResponse, status: int) -> Json:
    assert answer.status_code == status, answer.text
    assert isinstance(answer.json, dict)
    return answer.json


def refused(answer: TestResponse, status: int, code: str) -> None:
    assert (answer.content_type, answered_with(answer, status)["code"]) == ("application/problem+json", code)


@pytest.fixture
def shop(mongo_url: str) -> Iterator[Shop]:
    database = open_database(mongo_url, "recovery")
    database.ensure_indexes(INDEXES)
    yield Shop(database)
    database.close()


def test_an_item_is_shown_as_the_contract_has_it(shop: Shop) -> None:
    shop.take(created(), missed("CA1"), missed("CA2", 1, reason="busy"), recorded("CA1"), transcribed("CA1", 1))
    [item] = shop.get("/missed-calls")["items"]
    assert item == shop.get(f"/missed-calls/{item['id']}")
    call = {"at": rfc3339(T0), "call_sid": "CA1", "reason": "no-answer", "voicemail": True}
    assert item["calls"][0] == call | {"recording_sid": "RECA1", "transcript": "Call me"}
    expected = {
        "id": item_id_of("demo", "CA1"),
        "customer_id": "anna",
        "phone": CALLER,
        "attempts": 2,
        "state": "new",
        "first_missed_at": rfc3339(T0),
        "last_missed_at": rfc3339(at(60)),
        "due_at": rfc3339(at(300)),
        "overdue": False,
        "assignee": None,
        "texts": [],
        "resolution": None,
        "suppressed_reason": None,
        "history": [{"at": rfc3339(T0), "state": "new", "by": None}],
    }
    assert {name: item[name] for name in expected} == expected
    shop.now = at(301)
    assert shop.get(f"/missed-calls/{item['id']}")["overdue"] is True


def test_the_queue_is_worked_off_from_what_is_due_longest(shop: Shop) -> None:
    calls = [missed(f"CA{n}", n, caller=f"+1415555{n:04}") for n in (3, 1, 2, 5, 4)]
    shop.take(
        *calls, answered("CA9", 6, caller="+14155550004"), recorded("CA8"), missed("CA8", 0, caller="anonymous")
    )
    assert shop.ids() == ["CA8", "CA1", "CA2", "CA3", "CA5"]
    assert shop.ids(state="all") == ["CA8", "CA1", "CA2", "CA3", "CA4", "CA5"]
    assert (shop.ids(state="called_back"), shop.ids(state="suppressed")) == (["CA4"], ["CA8"])
    seen, cursor = [], None
    while True:
        page = shop.get("/missed-calls", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [item["calls"][0]["call_sid"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["CA8", "CA1", "CA2", "CA3", "CA5"]


def test_the_queue_can_be_narrowed(shop: Shop) -> None:
    shop.take(missed("CA1"), missed("CA2", 100, caller=BOB))
    shop.now = at(101 * 60)
    answered_with(shop.act("CA1", "claim"), 200)
    assert (shop.ids(assignee="olga"), shop.ids(assignee="")) == (["CA1"], ["CA2"])
    assert (shop.ids(min_age=60), shop.ids(min_age=0)) == (["CA1"], ["CA1", "CA2"])
    assert (shop.ids(overdue="true"), shop.ids(overdue="false")) == (["CA1"], ["CA2"])


def test_a_person_texts_and_the_item_shows_what_came_of_it(shop: Shop) -> None:
    shop.take(created(), missed("CA1"))
    sent = answered_with(shop.act("CA1", "send-sms", json={"body": "We call you.\nOlga"}), 202)
    [event] = shop.requested()
    assert (event.data["request_id"], event.data["recipient"]) == (sent["request_id"], CALLER)
    assert (event.data["body"], event.data["customer_id"], event.source) == (
        "We call you.\nOlga",
        "anna",
        "/ringback/recovery",
    )
    shop.take(outcome("delivered", sent["request_id"], 130))
    item = shop.get(f"/missed-calls/{item_id_of('demo', 'CA1')}")
    [text] = item["texts"]
    assert (item["state"], text["by"], text["status"]) == ("texted", "olga", "delivered")


def test_a_template_is_filled_in(shop: Shop) -> None:
    shop.take(created(), missed("CA1"), missed("CA2", caller=BOB))
    answered_with(shop.act("CA1", "send-sms", json={"template": "call_back"}), 202)
    assert shop.requested()[0].data["body"].startswith("Hi Anna, this is Bright Smile Dental.")
    refused(shop.act("CA1", "send-sms", json={"template": "nothing"}), 422, "invalid")
    assert len(shop.requested()) == 1


def test_a_text_that_is_asked_for_again_is_one(shop: Shop) -> None:
    shop.take(missed("CA1"))
    key = {"Idempotency-Key": "k-1"}
    first = answered_with(shop.act("CA1", "send-sms", json={"body": "Hi"}, headers=key), 202)
    assert answered_with(shop.act("CA1", "send-sms", json={"body": "Hi"}, headers=key), 202) == first
    refused(shop.act("CA1", "send-sms", json={"body": "Ho"}, headers=key), 422, "idempotency_key_reused")
    assert len(shop.requested()) == 1


def test_who_may_not_be_texted_is_not(shop: Shop) -> None:
    shop.take(missed("CA1"), consent("opted_out"), missed("CA2", caller="anonymous"))
    refused(shop.act("CA1", "send-sms", json={"body": "Hi"}), 409, "opted_out")
    refused(shop.act("CA2", "send-sms", json={"body": "Hi"}), 409, "withheld")
    assert shop.requested() == []


def test_marking_again_changes_nothing(shop: Shop) -> None:
    shop.take(missed("CA1"))
    first = answered_with(shop.act("CA1", "mark-handled", json={"note": "Was spam"}), 200)
    assert (first["state"], first["resolution"], first["closed_by"], first["note"]) == (
        "handled",
        "handled",
        "olga",
        "Was spam",
    )
    assert answered_with(shop.act("CA1", "mark-handled"), 200) == first
    assert shop.ids() == []
    refused(shop.act("CA1", "claim"), 409, "already_closed")


@pytest.mark.parametrize("action", ["send-sms", "mark-handled", "claim", "release"])
def test_another_business_s_item_is_not_there(shop: Shop, action: str) -> None:
    shop.take(missed("CA1"))
    body = {"json": {"body": "Hi"}} if action == "send-sms" else {}
    refused(shop.act("CA1", action, business="other", **body), 404, "not_found")
    path = f"/missed-calls/{item_id_of('demo', 'CA1')}"
    refused(shop.ask("GET", path, business="other"), 404, "not_found")
    assert answered_with(shop.ask("GET", "/missed-calls", business="other"), 200)["items"] == []


@pytest.mark.parametrize("item_id", ["%00", "$gt", "x" * 2000])
def test_what_is_no_id_is_not_there(shop: Shop, item_id: str) -> None:
    refused(shop.ask("GET", f"/missed-calls/{item_id}"), 404, "not_found")


def test_a_number_of_a_merged_customer_is_the_kept_ones(shop: Shop) -> None:
    shop.take(created(), created(1, [BOB], "bert"), merged(2, 3, "bert"), updated(2, 2, phones=[CALLER, BOB]))
    shop.take(missed("CA1", 3, caller=BOB))
    [item] = shop.get("/missed-calls")["items"]
    assert item["customer_id"] == "anna"


def test_a_caller_without_a_number_is_the_customer_of_that_call(shop: Shop) -> None:
    shop.take(missed("CA1", caller="anonymous"), recorded("CA1"))
    [item] = shop.get("/missed-calls")["items"]
    assert (item["phone"], item["customer_id"]) == (None, customer_id_of("demo", None, "CA1"))


def test_the_erased_leave_figures_only(shop: Shop) -> None:
    shop.take(created(), missed("CA1"), recorded("CA1"), transcribed("CA1"), appointment("booked", 5))
    answered_with(shop.act("CA1", "send-sms", json={"body": "Dear Anna"}), 202)
    shop.take(deleted(1000))
    path = f"/missed-calls/{item_id_of('demo', 'CA1')}"
    refused(shop.ask("GET", path), 404, "not_found")
    assert shop.ids(state="all") == []
    shop.database[OUTBOX].delete_many({})
    names = shop.database.client[shop.database.name].list_collection_names()
    left = str([list(shop.database[name].find()) for name in names])
    for trace in (CALLER, "Anna", "Call me", "anna", "RECA1", "CA1"):
        assert trace not in left
    assert shop.get("/missed-calls/summary", **{"from": "2026-03-01", "to": "2026-03-03"})["items"] == 1


# Summary.


def test_a_summary_says_what_became_of_the_calls(shop: Shop) -> None:
    shop.take(created(), missed("CA1"), missed("CA2", 1), received("SM1", 4), appointment("booked", 30))
    shop.take(appointment("completed", 60, price=7000), missed("CA3", 10, caller=BOB))
    shop.take(missed("CA4", 60 * 24, caller=CLEO), answered("CA5", 60 * 24 + 9, caller=CLEO))
    shop.now = at(60 * 60 * 30)
    summary = shop.get("/missed-calls/summary", **{"from": "2026-03-01", "to": "2026-03-31", "by": "day"})
    total = {name: summary[name] for name in ("items", "missed_calls", "open", "recovered", "met", "not_met")}
    assert total == {"items": 3, "missed_calls": 4, "open": 1, "recovered": 2, "met": 1, "not_met": 2}
    assert (summary["share_met"], summary["median_response_minutes"]) == (0.3333, 6.5)
    assert (summary["replies"], summary["appointments"]) == (1, 1)
    assert summary["revenue"] == [{"currency": "USD", "total": 7000, "visits": 1}]
    days = [(day["from"], day["items"], day["recovered"], day["appointments"]) for day in summary["periods"]]
    assert days == [("2026-03-02T05:00:00.000Z", 2, 1, 1), ("2026-03-03T05:00:00.000Z", 1, 1, 0)]
    [month] = shop.get("/missed-calls/summary", **{"from": "2026-03-01", "to": "2026-03-31", "by": "month"})[
        "periods"
    ]
    assert (month["from"], month["items"]) == ("2026-03-01T05:00:00.000Z", 3)


def test_money_that_two_items_brought_counts_once(shop: Shop) -> None:
    shop.take(created(0, [CALLER, BOB]), missed("CA1"), missed("CA2", 1, caller=BOB))
    shop.take(appointment("booked", 5), appointment("completed", 9, price=100))
    summary = shop.get("/missed-calls/summary", **{"from": "2026-03-02", "to": "2026-03-02"})
    assert (summary["recovered"], summary["appointments"]) == (2, 1)
    assert summary["revenue"] == [{"currency": "USD", "total": 100, "visits": 1}]


# What holds it up.


def test_a_caller_has_one_open_item_whatever_happens(shop: Shop) -> None:
    shop.take(missed("CA1"))
    [item] = shop.database[ITEMS].find()
    work = UnitOfWork(shop.database, lambda: shop.now)
    work.save(ITEMS, {**item, "_id": "another"})
    with pytest.raises(ConcurrentUpdate):
        work.commit()


def test_an_event_that_another_overtook_is_handled_again(shop: Shop) -> None:
    late = shop.handled([missed("CA1")])
    shop.take(missed("CA2", 1))
    with pytest.raises(ConcurrentUpdate):
        late.commit()
    shop.take(missed("CA1"))
    [item] = shop.get("/missed-calls")["items"]
    assert item["attempts"] == 2


def winning(plan: Json) -> Json:
    return dict(plan["queryPlanner"]["winningPlan"])


@pytest.mark.parametrize(
    "query",
    [
        {"open": True},
        {"state": {"$eq": "replied"}},
        {},
        {"open": True, "assignee": {"$eq": "olga"}},
        {"open": True, "assignee": {"$eq": None}},
    ],
)
def test_the_queue_is_read_in_the_order_of_an_index(shop: Shop, query: Json) -> None:
    shop.take(*(missed(f"CA{n}", n, caller=f"+1415555{n:04}") for n in range(30)))
    found = shop.database[ITEMS].find({"business": "demo", **query}).sort([("due_at", 1), ("_id", 1)]).limit(5)
    plan = str(winning(found.explain()))
    assert "IXSCAN" in plan
    assert "'SORT'" not in plan


def test_a_summary_reads_the_index_alone(shop: Shop) -> None:
    shop.take(*(missed(f"CA{n}", n, caller=f"+1415555{n:04}") for n in range(30)))
    period = Period(T0 - timedelta(days=1), T0 + timedelta(days=1), "day", "America/New_York")
    [row] = figures(shop.database, "demo", period, shop.now)
    assert (row["items"], gains(shop.database, "demo", period)) == (30, [])
    with shop.database.client.start_session():
        profile = shop.database.client[shop.database.name]
        profile.command("profile", 2)
        figures(shop.database, "demo", period, shop.now)
        profile.command("profile", 0)
        [entry] = profile["system.profile"].find({"command.aggregate": ITEMS})
    assert (entry["docsExamined"], entry["keysExamined"]) == (0, 30)
