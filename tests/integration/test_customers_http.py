"""The customer API on a real MongoDB: profiles, history, appointments, their walls, and what serves its queries."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from werkzeug.test import TestResponse

from customer import store
from customer.app import create_app
from customer.handlers import RecordEvents
from customer.store import CUSTOMERS, INDEXES, TIMELINE
from ringback.clock import system_clock
from ringback.contracts.envelope import Event, new_event
from ringback.seals import seal_with
from ringback.settings import load_settings
from ringback.store.database import OUTBOX, Database, open_database
from ringback.store.idempotency import KEYS
from ringback.store.unit_of_work import UnitOfWork
from ringback.web.access import Principal, make_token
from tests.support.events import NOON, call_event, call_sid

SECRET = "s" * 40
ANNA = "+12125550123"
BOB = "+14155550101"
IN_LONDON = "+442079460018"
Json = dict[str, Any]


class Front:
    """The API as clients of two businesses see it; the other one's numbers are British."""

    def __init__(self, database: Database) -> None:
        settings = load_settings({"RINGBACK_SECRET_KEY": SECRET})
        demo = settings.businesses["demo"]
        businesses = {"demo": demo, "other": replace(demo, key="other", country="GB", currency="GBP")}
        self.database = database
        self.now = NOON
        self.businesses = businesses
        self.app = create_app(replace(settings, businesses=businesses), database, lambda: self.now)

    def ask(
        self, method: str, path: str, body: Any = None, *, role: str = "staff", business: str = "demo", **headers: str
    ) -> TestResponse:
        token = make_token(SECRET, Principal("olga", business, role), system_clock(), timedelta(hours=1))
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"json": body} if body is not None else {}
        headers_sent = {"Authorization": f"Bearer {token}", **given}
        return self.app.test_client().open(path, method=method, headers=headers_sent, **sent)

    def get(self, path: str, **who: Any) -> Json:
        return answered(self.ask("GET", path, **who), 200)

    def create(self, **values: Any) -> Json:
        return answered(self.ask("POST", "/customers", values), 201)

    def book(self, customer_id: str, price: int = 5000, **values: Any) -> Json:
        asked = {"starts_at": "2026-03-10T15:00:00Z", "service": "Cleaning", "price": price, **values}
        return answered(self.ask("POST", f"/customers/{customer_id}/appointments", asked), 201)

    def happen(self, *events: Event) -> None:
        work = UnitOfWork(self.database, lambda: self.now)
        RecordEvents(self.businesses, lambda: self.now, seal_with(SECRET))(work, events)
        work.commit()

    def names(self, query: str = "") -> list[str]:
        return [item["name"] for item in self.get(f"/customers{query}")["items"]]


def answered(answer: TestResponse, status: int) -> Json:
    assert answer.status_code == status, answer.text
    assert isinstance(answer.json, dict)
    return answer.json


def refused(answer: TestResponse, status: int, code: str) -> Json:
    problem = answered(answer, status)
    assert (answer.content_type, problem["code"]) == ("application/problem+json", code)
    return problem


def text_event(event_type: str, request_id: str, to: str, at: datetime = NOON, **data: Any) -> Event:
    body = {"request_id": request_id, "recipient": to, **data}
    return new_event(
        event_type, business="demo", subject=request_id, time=at, data=body, cause=(event_type, request_id)
    )


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, "customer")
    database.ensure_indexes(INDEXES)
    yield database
    database.close()


@pytest.fixture
def front(database: Database) -> Front:
    return Front(database)


# Profiles.


def test_a_customer_is_created_and_shown_as_the_contract_has_it(front: Front) -> None:
    made = front.ask("POST", "/customers", {"name": " Anna Nováková ", "phone": "(212) 555-0123", "email": "a@b.cz"})
    profile = answered(made, 201)
    assert made.headers["Location"] == f"/customers/{profile['id']}"
    assert made.headers["ETag"] == f'"{profile["version"]}"' == '"1"'
    moment = "2026-03-02T17:00:00.000Z"
    assert {name: value for name, value in profile.items() if name != "id"} == {
        "business": "demo",
        "name": "Anna Nováková",
        "phone": ANNA,
        "phones": [ANNA],
        "phone_kind": "landline_or_mobile",
        "email": "a@b.cz",
        "segment": "lead",
        "segment_reason": "No appointment yet",
        "pipeline_stage": "new_lead",
        "source": "manual",
        "total_appointments": 0,
        "total_spent": 0,
        "currency": "USD",
        "spend": [],
        "total_calls": 0,
        "missed_calls": 0,
        "total_texts": 0,
        "merged_ids": [],
        "last_visit_at": None,
        "last_activity_at": moment,
        "review_requested_at": None,
        "created_at": moment,
        "updated_at": moment,
        "version": 1,
        "suppressed": {"text": None, "review": None},
        "timeline": [],
        "timeline_next": None,
    }
    shown = front.ask("GET", made.headers["Location"])
    assert (shown.json, shown.headers["ETag"]) == (profile, '"1"')


def test_a_number_belongs_to_one_customer_however_it_is_written(front: Front) -> None:
    anna = front.create(name="Anna", phone=ANNA)
    for written in ("212-555-0123", "+1 (212) 555 0123", "tel:+12125550123"):
        problem = refused(front.ask("POST", "/customers", {"phone": written}), 409, "duplicate_phone")
        assert problem["customer_id"] == anna["id"]
    bob = front.create(name="Bob", phones=[BOB, IN_LONDON])
    problem = refused(front.ask("PUT", f"/customers/{bob['id']}", {"phones": [BOB, ANNA]}), 409, "duplicate_phone")
    assert problem["customer_id"] == anna["id"]
    assert front.get(f"/customers/{bob['id']}")["phones"] == [BOB, IN_LONDON]
    assert answered(front.ask("POST", "/customers", {"phone": ANNA}, business="other"), 201)["phone"] == ANNA


def test_of_two_who_create_the_same_customer_at_once_one_is_told_of_the_other(front: Front) -> None:
    answers = at_once(4, lambda _number: front.ask("POST", "/customers", {"name": "Anna", "phone": ANNA}))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert front.database[CUSTOMERS].count_documents({}) == 1


def test_numbers_are_read_as_at_home(front: Front) -> None:
    made = answered(front.ask("POST", "/customers", {"phone": "020 7946 0018"}, business="other"), 201)
    assert (made["phone"], made["currency"]) == (IN_LONDON, "GBP")


def test_what_is_absent_from_a_change_stays(front: Front) -> None:
    made = front.create(name="Anna", phones=[ANNA, BOB], email="a@b.cz")
    front.now += timedelta(minutes=1)
    changed = front.ask("PUT", f"/customers/{made['id']}", {"name": "Anna N."})
    profile = answered(changed, 200)
    assert (profile["name"], profile["phones"], profile["email"]) == ("Anna N.", [ANNA, BOB], "a@b.cz")
    assert (profile["version"], changed.headers["ETag"]) == (2, '"2"')
    assert profile["updated_at"] == "2026-03-02T17:01:00.000Z"
    assert profile == front.get(f"/customers/{made['id']}")
    emptied = answered(front.ask("PUT", f"/customers/{made['id']}", {"email": None, "phone": ""}), 200)
    assert (emptied["email"], emptied["phones"]) == (None, [BOB])


def test_a_change_that_changes_nothing_is_none(front: Front) -> None:
    made = front.create(name="Anna", phone=ANNA)
    for body in ({}, {"name": "Anna"}, {"phones": ["212 555 0123"]}):
        assert answered(front.ask("PUT", f"/customers/{made['id']}", body), 200) == made


@pytest.mark.parametrize("given", ['"1"', '"7", "1"', "*"])
def test_who_changes_what_they_read_may(front: Front, given: str) -> None:
    made = front.create(name="Anna")
    assert front.ask("PUT", f"/customers/{made['id']}", {"name": "B"}, If_Match=given).status_code == 200


@pytest.mark.parametrize("given", ['"2"', 'W/"1"', '""', "nonsense"])
def test_who_changes_what_somebody_changed_since_may_not(front: Front, given: str) -> None:
    made = front.create(name="Anna")
    refused(front.ask("PUT", f"/customers/{made['id']}", {"name": "B"}, If_Match=given), 412, "stale_version")
    assert front.get(f"/customers/{made['id']}") == made


def test_a_stale_version_in_the_body_is_a_conflict(front: Front) -> None:
    made = front.create(name="Anna")
    assert answered(front.ask("PUT", f"/customers/{made['id']}", {"name": "B", "version": 1}), 200)["version"] == 2
    refused(front.ask("PUT", f"/customers/{made['id']}", {"name": "C", "version": 1}), 409, "stale_version")
    assert front.get(f"/customers/{made['id']}")["name"] == "B"


def test_of_many_who_change_the_same_version_one_does(front: Front) -> None:
    made = front.create(name="Anna")
    path = f"/customers/{made['id']}"
    answers = at_once(6, lambda number: front.ask("PUT", path, {"name": f"Anna {number}"}, If_Match='"1"'))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412, 412]
    [won] = [answer.json for answer in answers if answer.status_code == 200]
    assert front.get(path) == won


def test_a_number_that_was_taken_away_is_free(front: Front) -> None:
    anna = front.create(name="Anna", phones=[ANNA, BOB])
    assert answered(front.ask("PUT", f"/customers/{anna['id']}", {"phones": [BOB]}), 200)["phone"] == BOB
    other = front.create(name="Other", phone=ANNA)
    assert other["id"] != anna["id"]
    assert front.get(f"/customers/lookup?phone=%2B{ANNA[1:]}")["customer"]["id"] == other["id"]
    front.happen(call_event("call.missed", call_sid(1), ANNA))
    assert front.get(f"/customers/{other['id']}")["missed_calls"] == 1
    assert front.get(f"/customers/{anna['id']}")["total_calls"] == 0


def test_texts_that_went_to_a_number_come_to_whoever_turns_out_to_have_it(front: Front) -> None:
    requested: Json = {"body": "Hello", "purpose": "transactional", "reason": "text_back"}
    front.happen(
        text_event("sms.requested", "r1", ANNA, **requested), text_event("sms.requested", "r2", BOB, **requested)
    )
    made = front.create(name="Anna", phone=ANNA)
    assert [(entry["kind"], entry["body"]) for entry in made["timeline"]] == [("sms", "Hello")]
    changed = answered(front.ask("PUT", f"/customers/{made['id']}", {"phones": [ANNA, BOB]}), 200)
    assert (changed["total_texts"], len(changed["timeline"])) == (2, 2)
    front.happen(text_event("sms.delivered", "r2", BOB))
    statuses = {entry["request_id"]: entry["status"] for entry in front.get(f"/customers/{made['id']}")["timeline"]}
    assert statuses == {"r1": "requested", "r2": "delivered"}


# Notes and appointments.


def test_a_note_stands_on_the_timeline_with_its_author(front: Front) -> None:
    made = front.create(name="Anna")
    text = "Prefers mornings.\r\nAllergic to latex; $where {}"
    note = answered(front.ask("POST", f"/customers/{made['id']}/notes", {"text": text}), 201)
    assert (note["kind"], note["author"], note["at"]) == ("note", "olga", "2026-03-02T17:00:00.000Z")
    assert note["text"] == text.replace("\r\n", "\n")
    assert front.get(f"/customers/{made['id']}")["timeline"] == [note]


def test_an_appointment_is_booked_moved_and_completed_and_adds_up(front: Front) -> None:
    made = front.create(name="Anna", phone=ANNA)
    booked = front.book(made["id"], 5000)
    assert {name: booked[name] for name in ("kind", "status", "price", "currency", "starts_at", "service")} == {
        "kind": "appointment",
        "status": "booked",
        "price": 5000,
        "currency": "USD",
        "starts_at": "2026-03-10T15:00:00.000Z",
        "service": "Cleaning",
    }
    path = f"/customers/{made['id']}/appointments/{booked['id']}"
    moved = answered(front.ask("PATCH", path, {"starts_at": "2026-03-11T17:30:00+01:00"}), 200)
    assert (moved["starts_at"], moved["status"], moved["price"]) == ("2026-03-11T16:30:00.000Z", "booked", 5000)
    done = answered(front.ask("PATCH", path, {"status": "completed", "price": 6001}), 200)
    assert (done["status"], done["price"], done["id"]) == ("completed", 6001, booked["id"])
    front.book(made["id"], 1000, status="completed")
    front.book(made["id"], 700, status="completed", currency="EUR")
    profile = front.get(f"/customers/{made['id']}")
    assert (profile["total_appointments"], profile["total_spent"], profile["segment"]) == (3, 7001, "active")
    assert profile["last_visit_at"] == "2026-03-11T16:30:00.000Z"
    assert profile["spend"] == [
        {"currency": "EUR", "total": 700, "visits": 1, "average": 700},
        {"currency": "USD", "total": 7001, "visits": 2, "average": 3501},
    ]
    answered(front.ask("PATCH", path, {"status": "canceled"}), 200)
    assert front.get(f"/customers/{made['id']}")["total_spent"] == 1000


def test_appointments_made_at_once_are_all_counted(front: Front) -> None:
    made = front.create(name="Anna")
    booked = at_once(6, lambda number: front.book(made["id"], 100 + number, status="completed"))
    profile = front.get(f"/customers/{made['id']}")
    assert (profile["total_appointments"], profile["total_spent"]) == (6, sum(one["price"] for one in booked))


@pytest.mark.parametrize("appointment_id", ["nothing", "%24ne", "x" * 3000, "demo:appointment:x"])
def test_an_appointment_that_is_not_there_is_not_there(front: Front, appointment_id: str) -> None:
    made = front.create(name="Anna")
    path = f"/customers/{made['id']}/appointments/{appointment_id}"
    refused(front.ask("PATCH", path, {"status": "completed"}), 404, "not_found")


def test_another_customers_appointment_is_not_there(front: Front) -> None:
    anna, bob = front.create(name="Anna"), front.create(name="Bob")
    booked = front.book(anna["id"])
    path = f"/customers/{bob['id']}/appointments/{booked['id']}"
    refused(front.ask("PATCH", path, {"status": "completed"}), 404, "not_found")
    assert front.get(f"/customers/{anna['id']}")["timeline"][0]["status"] == "booked"


# Sent again.

REPEATABLE: dict[str, Json] = {
    "": {"name": "Anna", "phone": ANNA},
    "/notes": {"text": "Hello"},
    "/appointments": {"starts_at": "2026-03-10T15:00:00Z", "service": "Cleaning", "price": 5000},
}


def repeatable(front: Front, path: str) -> str:
    return f"/customers/{front.create(name='Cleo')['id']}{path}" if path else "/customers"


@pytest.mark.parametrize("path", REPEATABLE)
def test_a_request_sent_again_has_its_effect_once(front: Front, path: str) -> None:
    where, body = repeatable(front, path), REPEATABLE[path]
    first = front.ask("POST", where, body, Idempotency_Key="k-1")
    answered(first, 201)
    counts = everything(front)
    again = front.ask("POST", where, dict(reversed(body.items())), Idempotency_Key="k-1")
    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers.get("Location") == first.headers.get("Location")
    assert everything(front) == counts
    assert "Anna" not in str(list(front.database[KEYS].find()))


@pytest.mark.parametrize("path", ["/notes", "/appointments"])
def test_requests_with_the_same_key_at_once_have_one_effect(front: Front, path: str) -> None:
    where = repeatable(front, path)
    answers = at_once(5, lambda _number: front.ask("POST", where, REPEATABLE[path], Idempotency_Key="k-1"))
    assert [answer.status_code for answer in answers] == [201] * 5
    assert len({answer.json["id"] for answer in answers if answer.json}) == 1
    assert front.database[TIMELINE].count_documents({"kind": {"$in": ["note", "appointment"]}}) == 1


def test_a_key_is_for_one_request_of_one_business_for_a_day(front: Front) -> None:
    where = repeatable(front, "/notes")
    first = answered(front.ask("POST", where, {"text": "Hello"}, Idempotency_Key="k-1"), 201)
    other = front.ask("POST", where, {"text": "Other"}, Idempotency_Key="k-1")
    refused(other, 422, "idempotency_key_reused")
    assert front.ask("POST", "/customers", {"name": "X"}, business="other", Idempotency_Key="k-1").status_code == 201
    front.now += timedelta(hours=23, minutes=59)
    assert answered(front.ask("POST", where, {"text": "Hello"}, Idempotency_Key="k-1"), 201) == first
    front.now += timedelta(minutes=1)
    later = answered(front.ask("POST", where, {"text": "Other"}, Idempotency_Key="k-1"), 201)
    assert later["id"] != first["id"]


def test_what_was_refused_may_be_tried_again_under_its_key(front: Front) -> None:
    anna = front.create(name="Anna", phone=ANNA)
    body = {"name": "Bob", "phone": ANNA}
    refused(front.ask("POST", "/customers", body, Idempotency_Key="k-1"), 409, "duplicate_phone")
    answered(front.ask("PUT", f"/customers/{anna['id']}", {"phones": []}), 200)
    assert answered(front.ask("POST", "/customers", body, Idempotency_Key="k-1"), 201)["name"] == "Bob"


# History.


def test_history_is_one_line_newest_first_page_by_page_and_by_kind(front: Front) -> None:
    made = front.create(name="Anna", phone=ANNA)
    for number in range(3):
        front.now = NOON + timedelta(hours=number)
        front.happen(call_event("call.missed", call_sid(number), ANNA, front.now + timedelta(minutes=5)))
        front.ask("POST", f"/customers/{made['id']}/notes", {"text": str(number)})
    path = f"/customers/{made['id']}/timeline"
    whole = front.get(path)
    assert (whole["next"], [entry["kind"] for entry in whole["items"]]) == (None, ["call", "note"] * 3)
    assert whole["items"] == front.get(f"/customers/{made['id']}")["timeline"]
    first = front.get(f"{path}?limit=4")
    front.ask("POST", f"/customers/{made['id']}/notes", {"text": "written meanwhile"})
    assert first["items"] + front.get(f"{path}?limit=4&cursor={first['next']}")["items"] == whole["items"]
    assert [entry["call_sid"] for entry in front.get(f"{path}?kind=call")["items"]] == [
        call_sid(number) for number in (2, 1, 0)
    ]


def test_entries_show_no_book_keeping(front: Front) -> None:
    made = front.create(name="Anna", phone=ANNA)
    front.book(made["id"])
    requested: Json = {"body": "Hello", "purpose": "transactional", "reason": "text_back"}
    front.happen(text_event("sms.requested", "r1", ANNA, **requested), text_event("sms.sent", "r1", ANNA))
    for entry in front.get(f"/customers/{made['id']}")["timeline"]:
        assert not {"_id", "customer_id", "version", "told", "told_at", "told_by", "changes", "awaits"} & set(entry)
        assert all(value.endswith("Z") for name, value in entry.items() if name.endswith("at"))


def test_records_that_were_merged_show_as_one(front: Front) -> None:
    anna = front.create(name="Anna", phone=ANNA)
    other = front.create(name="A. Nováková", phone=BOB)
    front.book(other["id"], 5000, status="completed")
    front.ask("POST", f"/customers/{anna['id']}/notes", {"text": "Hello"})
    merged = answered(front.ask("POST", f"/customers/{anna['id']}/merge", {"other_id": other["id"]}), 200)
    assert (merged["id"], merged["phones"], merged["merged_ids"]) == (anna["id"], [ANNA, BOB], [other["id"]])
    assert merged["total_spent"] == 5000
    assert {"note", "appointment"} <= {entry["kind"] for entry in merged["timeline"]}
    assert front.get(f"/customers/{other['id']}") == merged
    assert front.names() == front.names("?q=anna") == ["Anna"]
    answered(front.ask("POST", f"/customers/{other['id']}/notes", {"text": "By the old id"}), 201)
    assert answered(front.ask("PUT", f"/customers/{other['id']}", {"email": "a@b.cz"}), 200)["id"] == anna["id"]
    assert len(front.get(f"/customers/{anna['id']}/timeline?kind=note")["items"]) == 2


def test_numbers_of_a_merged_record_can_be_taken_away_but_not_put_first(front: Front) -> None:
    anna, other = front.create(name="Anna", phone=ANNA), front.create(name="A.", phones=[BOB, IN_LONDON])
    answered(front.ask("POST", f"/customers/{anna['id']}/merge", {"other_id": other["id"]}), 200)
    path = f"/customers/{anna['id']}"
    problem = refused(front.ask("PUT", path, {"phones": [BOB, ANNA]}), 422, "invalid")
    assert list(problem["errors"]) == ["phones"]
    assert front.get(path)["phones"] == [ANNA, BOB, IN_LONDON]
    assert answered(front.ask("PUT", path, {"phones": [ANNA, IN_LONDON]}), 200)["phones"] == [ANNA, IN_LONDON]
    assert front.create(name="Bob", phone=BOB)["phones"] == [BOB]
    added = answered(front.ask("PUT", path, {"phones": [ANNA, IN_LONDON, "+12125550199"]}), 200)
    assert added["phones"] == [ANNA, "+12125550199", IN_LONDON]
    answered(front.ask("POST", f"{path}/unmerge", {"other_id": other["id"]}), 200)
    assert front.get(f"/customers/{other['id']}")["phones"] == [IN_LONDON]


def test_an_erased_customer_is_gone(front: Front) -> None:
    made = front.create(name="Anna", phone=ANNA)
    path = f"/customers/{made['id']}"
    exported = answered(front.ask("GET", f"{path}/export", role="owner"), 200)
    assert ANNA in str(exported)
    assert front.ask("DELETE", path).status_code == 403
    gone = front.ask("DELETE", path, role="owner")
    assert (gone.status_code, gone.data) == (204, b"")
    refused(front.ask("GET", path), 404, "not_found")
    refused(front.ask("DELETE", path, role="owner"), 404, "not_found")
    again = front.create(name="Anna", phone=ANNA)
    assert again["id"] != made["id"]
    assert again["timeline"] == []


def test_likely_duplicates_are_suggested(front: Front) -> None:
    ids = {front.create(name=name, phone=phone, email="a@b.cz")["id"] for name, phone in (("A", ANNA), ("B", BOB))}
    assert front.get("/customers/suggestions", business="other")["items"] == []
    [found] = front.get("/customers/suggestions")["items"]
    assert set(found["customer_ids"]) == ids
    assert found["reason"]


# Lists and lookups.


@pytest.fixture(params=["few", "many"])
def matches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of finding: by word when few match, along the list when many do."""
    monkeypatch.setattr(store, "MANY_FOUND", 0 if request.param == "many" else store.MANY_FOUND)


@pytest.mark.usefixtures("matches")
def test_customers_are_found_by_name_number_and_address(front: Front) -> None:
    front.create(name="Anna Nováková", phone=ANNA, email="Anna@Example.com")
    front.create(name="Bob", phone=BOB, source="referral")
    for query in ("anna", "nov ann", "NOVÁK", "212-555-0123", "(212) 555", "%2B1 212 555 0123", "0123", "anna@exam"):
        assert front.names(f"?q={query}") == ["Anna Nováková"], query
    assert front.names("?q=anna bob") == []
    assert front.names("?source=referral") == ["Bob"]
    assert front.names("?source=referral&q=anna") == []
    assert front.names("?segment=lead&stage=new_lead&source=manual") == ["Anna Nováková"]
    assert front.names("?segment=vip") == []


@pytest.mark.usefixtures("matches")
def test_what_is_found_comes_page_by_page_with_the_latest_activity_first(front: Front) -> None:
    for number in range(5):
        front.now = NOON + timedelta(minutes=number)
        front.create(name=f"Anna Nov{number}", email=f"a{number}@b.cz")
        front.create(name=f"Bob Nov{number}", email=f"b{number}@b.cz")
    found, cursor = list[str](), ""
    for _ in range(3):
        page = front.get(f"/customers?q=nov ann&segment=lead&limit=2{cursor}")
        assert page["total"] == 5
        found += [item["name"] for item in page["items"]]
        cursor = f"&cursor={page['next']}"
    assert page["next"] is None
    assert found == [f"Anna Nov{number}" for number in (4, 3, 2, 1, 0)]


@pytest.mark.usefixtures("matches")
@pytest.mark.parametrize("query", ["a.", "^anna", "%00", "anna%00", "a|b", "(", "\\", "an*", "%24ne", ".", "anna ."])
def test_what_is_looked_for_is_no_expression(front: Front, query: str) -> None:
    front.create(name="Anna Bob", phone=ANNA)
    assert front.names(f"?q={query}") == []


def test_pages_of_customers_hold_still_while_others_come(front: Front) -> None:
    for number in range(5):
        front.now += timedelta(minutes=1)
        front.create(name=str(number))
    first = front.get("/customers?limit=2")
    assert (first["total"], [item["name"] for item in first["items"]]) == (5, ["4", "3"])
    front.now += timedelta(minutes=1)
    front.create(name="new")
    second = front.get(f"/customers?limit=2&cursor={first['next']}")
    third = front.get(f"/customers?limit=2&cursor={second['next']}")
    assert [item["name"] for item in second["items"] + third["items"]] == ["2", "1", "0"]
    assert third["next"] is None


def test_a_lookup_says_whose_number_it_is(front: Front) -> None:
    made = front.create(name="Anna", phones=[BOB, ANNA])
    found = front.get("/customers/lookup?phone=212.555.0123", role="service")
    of_profiles = ("timeline", "timeline_next", "suppressed")
    assert found == {"found": True, "customer": {name: made[name] for name in made if name not in of_profiles}}
    assert front.get("/customers/lookup?phone=2125550199") == {"found": False}
    assert front.get(f"/customers/lookup?phone=%2B{ANNA[1:]}", business="other") == {"found": False}


# Walls.

OF_ONE: tuple[tuple[str, str, Any], ...] = (
    ("GET", "", None),
    ("PUT", "", {"name": "B"}),
    ("DELETE", "", None),
    ("GET", "/timeline", None),
    ("GET", "/export", None),
    ("POST", "/notes", {"text": "Hello"}),
    ("POST", "/appointments", REPEATABLE["/appointments"]),
    ("POST", "/merge", {"other_id": "x"}),
    ("POST", "/unmerge", {"other_id": "x"}),
)


@pytest.mark.parametrize(("method", "path", "body"), OF_ONE)
def test_another_business_s_customer_is_not_there(front: Front, method: str, path: str, body: Any) -> None:
    made = front.create(name="Anna", phone=ANNA)
    before = everything(front)
    for customer_id in (made["id"], "nobody", "%24ne", "x" * 3000):
        answer = front.ask(method, f"/customers/{customer_id}{path}", body, role="owner", business="other")
        refused(answer, 404, "not_found")
    assert everything(front) == before
    assert front.get(f"/customers/{made['id']}") == made


def test_another_business_s_customer_cannot_be_merged_or_changed_through_ours(front: Front) -> None:
    ours = front.create(name="Anna")
    theirs = answered(front.ask("POST", "/customers", {"name": "B", "phone": BOB}, business="other"), 201)
    asked = {"starts_at": "2026-03-10T15:00:00Z", "service": "Cleaning"}
    where = f"/customers/{theirs['id']}/appointments"
    booked = answered(front.ask("POST", where, asked, business="other"), 201)
    refused(front.ask("POST", f"/customers/{ours['id']}/merge", {"other_id": theirs["id"]}), 404, "not_found")
    path = f"/customers/{ours['id']}/appointments/{booked['id']}"
    refused(front.ask("PATCH", path, {"status": "completed"}), 404, "not_found")


# What serves the queries: the server's own record of the plans it chose.


@pytest.fixture
def plans(front: Front) -> Iterator[Callable[[], list[Json]]]:
    mongo = front.database.client[front.database.name]
    mongo.command("profile", 2)
    operations = {"$in": ["query", "getmore", "command", "update", "remove"]}
    collections = [f"{front.database.name}.{name}" for name in (CUSTOMERS, TIMELINE, KEYS)]
    # What it says of each stage may hold the latest time there is, which Python's cannot.
    seen = {"op": operations, "ns": {"$in": collections}}
    yield lambda: list(mongo["system.profile"].find(seen, {"execStats": 0}))
    mongo.command("profile", 0)


def assert_indexed(found: list[Json], *, sorted_by_index: bool = True) -> None:
    planned = [one for one in found if "planSummary" in one]
    assert planned
    for one in planned:
        assert "COLLSCAN" not in one["planSummary"], one["command"]
        assert not (sorted_by_index and one.get("hasSortStage")), one["command"]


FILTERS = [
    "&".join(part for part in parts if part)
    for parts in product(("", "segment=lead"), ("", "source=manual"), ("", "stage=new_lead"))
]


@pytest.mark.parametrize("query", FILTERS)
@pytest.mark.parametrize("words", ["", "q=anna", "q=anna 555", "q=%2B1212555"])
def test_every_list_is_served_by_an_index(
    front: Front, plans: Callable[[], list[Json]], query: str, words: str
) -> None:
    for number in range(3):
        front.create(name=f"Anna {number}", phone=f"+1212555012{number}")
    before = len(plans())
    where = f"/customers?limit=1&{query}&{words}"
    front.get(f"{where}&cursor={front.get(where)['next']}")
    assert_indexed(plans()[before:], sorted_by_index=not words)


def test_every_other_query_is_served_by_an_index(front: Front, plans: Callable[[], list[Json]]) -> None:
    made, other = front.create(name="Anna", phone=ANNA), front.create(name="Bob", phone=BOB)
    path = f"/customers/{made['id']}"
    booked = front.book(other["id"])
    for number in range(3):
        front.ask("POST", f"{path}/notes", {"text": str(number)}, Idempotency_Key=str(number))
    answered(front.ask("POST", f"{path}/merge", {"other_id": other["id"]}), 200)
    before = len(plans())
    for kind in ("", "&kind=note"):
        first = front.get(f"{path}/timeline?limit=1{kind}")
        front.get(f"{path}/timeline?limit=1{kind}&cursor={first['next']}")
    front.get(path)
    front.get(f"/customers/{other['id']}")
    front.get("/customers/lookup?phone=2125550123")
    assert_indexed(plans()[before:])
    answered(front.ask("PATCH", f"{path}/appointments/{booked['id']}", {"status": "completed"}), 200)
    answered(front.ask("PUT", path, {"phones": [ANNA, BOB, IN_LONDON], "name": "N"}), 200)
    front.create(name="C", phone="+12125550199")
    assert_indexed(plans()[before:])


def test_a_page_of_a_long_history_looks_at_no_more_than_it_shows(
    front: Front, plans: Callable[[], list[Json]]
) -> None:
    made, other = front.create(name="Anna", phone=ANNA), front.create(name="Bob", phone=BOB)
    front.database[TIMELINE].insert_many(
        {
            "_id": f"n{number}",
            "business": "demo",
            "customer_id": (made, other)[number % 2]["id"],
            "kind": ("note", "call")[number % 3 // 2],
            "at": NOON + timedelta(seconds=number),
            "version": 1,
        }
        for number in range(400)
    )
    answered(front.ask("POST", f"/customers/{made['id']}/merge", {"other_id": other["id"]}), 200)
    for kind in ("", "&kind=note"):
        cursor, path = "", f"/customers/{made['id']}/timeline?limit=50{kind}"
        for _ in range(3):
            before = len(plans())
            cursor = f"&cursor={front.get(path + cursor)['next']}"
            [read] = [one for one in plans()[before:] if one["ns"].endswith(TIMELINE)]
            assert read["docsExamined"] <= 60, (kind, read["planSummary"], read["docsExamined"])


# Helpers.


def everything(front: Front) -> dict[str, int]:
    return {name: front.database[name].count_documents({}) for name in (CUSTOMERS, TIMELINE, OUTBOX, KEYS)}


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What each of so many threads got that began together."""
    start = threading.Barrier(count)

    def begin(number: int) -> Any:
        start.wait()
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))
