"""Texts to customers and customers as CSV, over HTTP on a real MongoDB."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from customer.app import create_app
from customer.csv_files import EXPORTED
from customer.events import subscriptions
from customer.store import CUSTOMERS, INDEXES, LINKS
from ringback.clock import rfc3339, system_clock
from ringback.contracts.envelope import Event, decode, new_event
from ringback.seals import seal_with
from ringback.settings import load_settings
from ringback.store.database import OUTBOX, Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from ringback.web.access import Principal, make_token
from tests.support.events import NOON

SECRET = "s" * 40
PUBLIC_URL = "https://ring.example"
ANNA = "+12125550123"
BOB = "+14155550101"
OWN = "+15558675310"
Json = dict[str, Any]


class Shop:
    """The API as an owner and staff of two businesses see it, and what the worker makes of events."""

    def __init__(self, database: Database) -> None:
        settings = load_settings({"RINGBACK_SECRET_KEY": SECRET, "RINGBACK_PUBLIC_URL": PUBLIC_URL})
        demo = settings.businesses["demo"]
        self.businesses = {"demo": demo, "other": replace(demo, key="other")}
        self.database = database
        self.now: datetime = NOON
        served = replace(settings, businesses=self.businesses)
        self.client = create_app(served, database, lambda: self.now).test_client()

    def ask(
        self, method: str, path: str, role: str = "staff", business: str = "demo", **request: Any
    ) -> TestResponse:
        token = make_token(SECRET, Principal("olga", business, role), system_clock(), timedelta(hours=1))
        return self.client.open(path, method=method, headers={"Authorization": f"Bearer {token}"}, **request)

    def create(self, **values: Any) -> str:
        answer = self.ask("POST", "/customers", json=values)
        return str(answered(answer, 201)["id"])

    def ask_for_review(self, customer_id: str, role: str = "staff", **request: Any) -> TestResponse:
        return self.ask("POST", f"/customers/{customer_id}/send-review-request", role, **request)

    def happen(self, event: Event) -> None:
        work = UnitOfWork(self.database, lambda: self.now)
        subscriptions(self.businesses, lambda: self.now, seal_with(SECRET))[event.type](work, [event])
        work.commit()

    def requested(self) -> list[Event]:
        """The texts that were asked for, in the order of their making."""
        told = [decode(row["body"]) for row in self.database[OUTBOX].find().sort("_id", 1)]
        return [event for event in told if event.type == "sms.requested"]

    def bring_in(self, text: str, query: str = "", role: str = "owner") -> TestResponse:
        return self.ask("POST", f"/customers/import{query}", role, data=text.encode(), content_type="text/csv")

    def table(self, **who: Any) -> list[Json]:
        answer = self.ask("GET", "/customers/export", "owner", **who)
        assert (answer.status_code, answer.mimetype) == (200, "text/csv")
        return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def answered(answer: TestResponse, status: int) -> Json:
    assert answer.status_code == status, answer.text
    assert isinstance(answer.json, dict)
    return answer.json


def refused(answer: TestResponse, status: int, code: str) -> None:
    assert (answer.content_type, answered(answer, status)["code"]) == ("application/problem+json", code)


def consent(event_type: str, phone: str) -> Event:
    data = {"phone": phone, "scope": "all", "keyword": "STOP"}
    return new_event(event_type, business="demo", subject=phone, time=NOON, data=data, cause=(event_type, phone))


@pytest.fixture
def shop(mongo_url: str) -> Iterator[Shop]:
    database = open_database(mongo_url, "customer")
    database.ensure_indexes(INDEXES)
    yield Shop(database)
    database.close()


# Review requests.


def test_a_review_is_asked_for_by_one_click_and_its_link_counts_who_follows(shop: Shop) -> None:
    anna = shop.create(name="Anna", phone=ANNA)
    asked = answered(shop.ask_for_review(anna), 202)
    assert asked["review_requested_at"] == rfc3339(NOON)
    [event] = shop.requested()
    assert (event.data["request_id"], event.data["recipient"]) == (asked["request_id"], ANNA)
    profile = answered(shop.ask("GET", f"/customers/{anna}"), 200)
    assert profile["review_requested_at"] == asked["review_requested_at"]
    assert [entry["kind"] for entry in profile["timeline"]] == ["review_request"]
    [link] = shop.database[LINKS].find()
    assert f"{PUBLIC_URL}/r/{link['_id']}" in event.data["body"]
    for _ in range(2):
        followed = shop.client.get(f"/r/{link['_id']}")
        assert (followed.status_code, followed.location) == (302, "https://example.com/review")
    [link] = shop.database[LINKS].find()
    assert (link["clicks"], link["last_clicked_at"], link["customer_id"]) == (2, NOON, anna)


@pytest.mark.parametrize("code", ["unknown", "%00", "$gt", "x" * 2000])
def test_a_link_that_is_none_leads_nowhere(shop: Shop, code: str) -> None:
    refused(shop.client.get(f"/r/{code}"), 404, "not_found")


def test_who_was_asked_is_left_alone_unless_an_owner_forces_it(shop: Shop) -> None:
    anna = shop.create(name="Anna", phone=ANNA)
    answered(shop.ask_for_review(anna), 202)
    refused(shop.ask_for_review(anna), 409, "cool_down")
    refused(shop.ask_for_review(anna, "staff", json={"force": True}), 403, "forbidden")
    assert len(shop.requested()) == 1
    answered(shop.ask_for_review(anna, "owner", json={"force": True}), 202)
    assert len(shop.requested()) == 2


@pytest.mark.parametrize(("phone", "code"), [(None, "no_number"), (OWN, "own_number")])
def test_who_cannot_be_texted_is_not(shop: Shop, phone: str | None, code: str) -> None:
    customer_id = shop.create(name="Anna", phone=phone)
    refused(shop.ask_for_review(customer_id), 409, code)
    refused(shop.ask("POST", f"/customers/{customer_id}/send-sms", json={"body": "Hi"}), 409, code)
    assert shop.requested() == []


def test_who_said_stop_is_not_texted_until_they_say_start(shop: Shop) -> None:
    anna = shop.create(name="Anna", phone=ANNA)
    shop.happen(consent("contact.opted_out", ANNA))
    refused(shop.ask_for_review(anna, "owner", json={"force": True}), 409, "opted_out")
    shop.now += timedelta(hours=1)
    start = consent("contact.opted_in", ANNA)
    shop.happen(replace(start, time=shop.now))
    answered(shop.ask_for_review(anna), 202)


def test_a_text_goes_out_as_it_was_written(shop: Shop) -> None:
    anna = shop.create(name="Anna", phone=ANNA)
    sent = answered(shop.ask("POST", f"/customers/{anna}/send-sms", json={"body": "See you at 5.\nBye"}), 202)
    [event] = shop.requested()
    assert event.data["body"] == "See you at 5.\nBye"
    assert event.data["request_id"] == sent["request_id"]
    shop.happen(event)
    [entry] = answered(shop.ask("GET", f"/customers/{anna}/timeline"), 200)["items"]
    assert (entry["kind"], entry["status"], entry["body"]) == ("sms", "requested", "See you at 5.\nBye")


def test_who_keeps_the_id_of_a_merged_record_texts_the_customer_it_is_now(shop: Shop) -> None:
    anna, bob = shop.create(name="Anna", phone=ANNA), shop.create(name="Bob", phone=BOB)
    answered(shop.ask("POST", f"/customers/{anna}/merge", json={"other_id": bob}), 200)
    answered(shop.ask_for_review(bob), 202)
    [event] = shop.requested()
    assert (event.data["customer_id"], event.data["recipient"]) == (anna, ANNA)
    refused(shop.ask_for_review(anna), 409, "cool_down")


@pytest.mark.parametrize("action", ["send-review-request", "send-sms"])
def test_another_business_s_customer_is_not_there(shop: Shop, action: str) -> None:
    anna = shop.create(name="Anna", phone=ANNA)
    answer = shop.ask("POST", f"/customers/{anna}/{action}", "owner", "other", json=BODIES[action])
    refused(answer, 404, "not_found")
    assert shop.requested() == []


BODIES: dict[str, Json] = {"send-review-request": {}, "send-sms": {"body": "Hi"}}


# Import and export.


def test_all_customers_of_a_business_are_exported_and_no_cell_is_a_formula(shop: Shop) -> None:
    anna = shop.create(name='=HYPERLINK("http://evil.example")', phone=ANNA, email="a@example.com")
    shop.create(name="Ünal, Bob", phone=BOB)
    rows = {row["id"]: row for row in shop.table()}
    assert len(rows) == 2
    assert tuple(rows[anna]) == EXPORTED
    assert rows[anna]["name"] == '\'=HYPERLINK("http://evil.example")'
    assert rows[anna]["phone"] == f"'{ANNA}"
    assert {row["name"] for row in rows.values()} >= {"Ünal, Bob"}
    assert shop.table(business="other") == []


def test_what_became_part_of_another_is_exported_with_it(shop: Shop) -> None:
    anna, bob = shop.create(name="Anna", phone=ANNA), shop.create(name="Bob", phone=BOB)
    answered(shop.ask("POST", f"/customers/{anna}/merge", json={"other_id": bob}), 200)
    assert [row["id"] for row in shop.table()] == [anna]


def test_a_file_is_brought_in_once(shop: Shop) -> None:
    anna = shop.create(name="Anna", phone=ANNA)
    file = f"Full name,Mobile\nAnna B.,{ANNA}\nBob,(415) 555-0101\nBob,4155550101\nCleo,12\n"
    assert answered(shop.bring_in(file), 200) == {
        "counts": {"created": 1, "exists": 1, "repeated": 1, "invalid": 1},
        "rows": [
            {"line": 4, "outcome": "repeated", "customer_id": found(shop, BOB), "why": "as line 3"},
            {"line": 5, "outcome": "invalid", "customer_id": None, "why": "the phone is no number"},
            {"line": 2, "outcome": "exists", "customer_id": anna, "why": None},
        ],
    }
    assert answered(shop.bring_in(file), 200)["counts"] == {"exists": 2, "repeated": 1, "invalid": 1}
    assert shop.database[CUSTOMERS].count_documents({}) == 2
    assert answered(shop.ask("GET", f"/customers/{anna}"), 200)["name"] == "Anna"


def found(shop: Shop, phone: str) -> str:
    answer = shop.ask("GET", "/customers/lookup", query_string={"phone": phone})
    return str(answered(answer, 200)["customer"]["id"])


def test_an_export_can_be_brought_in_elsewhere(shop: Shop) -> None:
    shop.create(name="=Anna", phone=ANNA, email="a@example.com")
    text = shop.ask("GET", "/customers/export", "owner").text
    answer = shop.ask("POST", "/customers/import", "owner", "other", data=text.encode(), content_type="text/csv")
    assert answered(answer, 200)["counts"] == {"created": 1}
    [there] = shop.table(business="other")
    assert (there["name"], there["phone"], there["email"]) == ("'=Anna", f"'{ANNA}", "a@example.com")


def test_a_dry_run_tells_what_would_be_and_changes_nothing(shop: Shop) -> None:
    answer = shop.bring_in(f"phone\n{ANNA}\n", "?dry_run=true")
    assert answered(answer, 200)["counts"] == {"created": 1}
    assert shop.database[CUSTOMERS].count_documents({}) == 0
    assert shop.database[OUTBOX].count_documents({}) == 0


@pytest.mark.parametrize("role", ["staff", "service"])
def test_only_an_owner_moves_all_customers(shop: Shop, role: str) -> None:
    refused(shop.ask("GET", "/customers/export", role), 403, "forbidden")
    refused(shop.bring_in(f"phone\n{ANNA}\n", role=role), 403, "forbidden")
    assert shop.database[CUSTOMERS].count_documents({}) == 0
