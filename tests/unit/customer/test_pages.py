"""The pages of customers: what they show, what forms lead to, and who is offered what."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from customer import store
from customer.app import MAX_BODY, create_app
from customer.domain import new_own, new_record, viewed
from customer.pages import history
from customer.segments import Rules
from customer.store import CUSTOMERS, TIMELINE, searchable
from ringback.web.formats import NOTHING
from ringback.web.sessions import Session
from tests.unit.fakes import CALLER, T0, Document, MemoryDatabase, at, sample_settings
from tests.unit.hostile import HOSTILE, LONG, SCRIPTS, is_harmless, seen
from tests.unit.signed_in import OLGA, STEFAN, Browser

OTHER = "+12125550177"
RULES = Rules(10, 6)
CALL, RECORDING = "CA" + "1" * 32, "RE" + "2" * 32


class PagesDatabase(MemoryDatabase):
    def ping(self) -> None:
        """What readiness asks."""


class Shop:
    """The customer service with a database in memory; `listed` is what lists find."""

    def __init__(self, app: Flask, database: PagesDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        self.app, self.database = app, database
        self.listed: list[Document] = []
        self.next: str | None = None
        monkeypatch.setattr(store, "list_customers", self._list)

    def _list(self, *_: Any) -> store.Page:
        return store.Page(self.listed, self.next, len(self.listed), False)

    def has(self, record_id: str = "anna", phone: str | None = CALLER, **own: Any) -> Document:
        facts = new_own(phone, "mobile" if phone else "withheld", "call", T0) | own
        root = viewed(new_record(record_id, "demo", facts) | {"version": 3}, [], "USD", RULES, T0)
        self.database.insert(CUSTOMERS, searchable(root))
        self.listed.append(root)
        return root

    def knows(self, *entries: Document) -> None:
        for number, entry in enumerate(entries):
            named = {
                "_id": f"demo:{entry['kind']}:{number}",
                "business": "demo",
                "customer_id": "anna",
                "at": at(-number),
            }
            self.database.insert(TIMELINE, named | entry)

    def stored(self, record_id: str = "anna") -> Document:
        return self.database.documents(CUSTOMERS)[record_id]

    def appointment(self) -> Document:
        [entry] = [entry for entry in self.database.documents(TIMELINE).values() if entry["kind"] == "appointment"]
        return entry

    def browser(self, session: Session = OLGA) -> Browser:
        return Browser(self.app, session)

    def post(
        self,
        path: str,
        fields: Mapping[str, Any],
        page: str = "/customers/anna",
        form: str = "",
        session: Session = OLGA,
    ) -> TestResponse:
        """A form of a page, sent."""
        return self.browser(session).send(path, _page=page, _form=form, **fields)

    def page(self, path: str, session: Session = OLGA) -> str:
        """The text of a page that there is."""
        answer = self.browser(session).get(path)
        assert (answer.status_code, answer.mimetype) == (200, "text/html"), answer.text
        return answer.text


@pytest.fixture(scope="module")
def front() -> tuple[Flask, PagesDatabase]:
    """One app for all: templates are compiled once."""
    database = PagesDatabase()
    return create_app(sample_settings(), database.as_database(), lambda: T0), database


@pytest.fixture
def shop(front: tuple[Flask, PagesDatabase], monkeypatch: pytest.MonkeyPatch) -> Shop:
    app, database = front
    database.collections.clear()
    database.commits = 0
    return Shop(app, database, monkeypatch)


def every_kind(text: str) -> list[Document]:
    """An entry of each kind, with `text` wherever somebody else decides what is in it."""
    call: Document = {
        "kind": "call",
        "call_sid": CALL,
        "outcome": "missed",
        "reason": "no-answer",
        "duration_seconds": None,
    }
    moment: dict[str, datetime] = {"starts_at": at(3600), "booked_at": T0}
    return [
        call | {"direction": "inbound", "started_at": T0, "ended_at": T0, "answered_at": None, "voicemail": True},
        {"kind": "voicemail", "call_sid": CALL, "recording_sid": RECORDING, "duration_seconds": 12},
        {
            "kind": "transcript",
            "call_sid": CALL,
            "recording_sid": RECORDING,
            "source": "voicemail",
            "text": text,
            "confidence": None,
        },
        {"kind": "sms", "direction": "inbound", "body": text, "media": [], "consent": None, "message_sid": "SM1"},
        {
            "kind": "sms",
            "direction": "outbound",
            "body": text,
            "status": "suppressed",
            "reason": text,
            "error_code": None,
            "status_at": T0,
            "purpose": None,
            "request_id": "r",
            "message_sid": None,
        },
        {
            "kind": "appointment",
            "appointment_id": "a1",
            "service": text,
            "price": 12_50,
            "currency": "USD",
            "status": "booked",
            **moment,
        },
        {"kind": "note", "text": text, "author": text},
        {"kind": "stage", "from": None, "to": "contacted", "cause": "manual", "actor": text},
        {"kind": "segment", "from": "lead", "to": "vip", "reason": text},
        {"kind": "review_request", "request_id": "r", "actor": text},
        {"kind": "merge", "action": "merged", "other_id": "bert", "name": text, "phones": [OTHER], "actor": text},
    ]


# What is shown.


def test_the_list_shows_who_there_is_and_leads_on(shop: Shop) -> None:
    shop.has(name="Anna")
    shop.has("nobody", phone=None)
    shop.next = "cursor-of-the-next"
    page = seen(shop.page("/customers?segment=lead&q=an"))
    assert "2 customers" in page
    assert 'href="/customers/anna"' in page
    assert "(212) 555-0123" in page
    assert "Number withheld" in page
    assert "/customers?segment=lead&q=an&cursor=cursor-of-the-next" in page
    assert 'href="/customers?segment=vip&q=an"' in page


def test_filters_that_are_left_empty_are_none(shop: Shop) -> None:
    """So a form without JavaScript sends them."""
    assert shop.browser().get("/customers?q=&segment=&source=&stage=&limit=").status_code == 200
    assert shop.browser().get("/customers?segment=nonsense").status_code == 422


@pytest.mark.parametrize(("query", "says"), [("", "No customers yet"), ("?q=zzz", "Nobody fits")])
def test_an_empty_list_says_why(shop: Shop, query: str, says: str) -> None:
    assert says in shop.page(f"/customers{query}")


def test_a_profile_shows_every_kind_of_entry(shop: Shop) -> None:
    shop.has(name="Anna", email="anna@example.com")
    shop.knows(*every_kind("Hello"))
    page = seen(shop.page("/customers/anna"))
    for words in ("Missed call", "Nobody answered", "Text from them", "Note by Hello", "Stage", "Segment", "Merged"):
        assert words in page
    assert f'src="/calls/{CALL}/recording?recording_sid={RECORDING}"' in page
    assert 'preload="none"' in page
    assert f'href="tel:{CALLER}"' in page
    assert "$12.50" in page
    assert "Not sent" in page


@pytest.mark.parametrize("text", [*HOSTILE, LONG, *SCRIPTS])
def test_what_strangers_say_stays_text(shop: Shop, text: str) -> None:
    shop.has(name=text)
    shop.has("bert", OTHER, name=text)
    shop.knows(*every_kind(text))
    for path in ("/customers/anna", "/customers", "/customers/anna/merge?q=x"):
        page = shop.page(path)
        assert is_harmless(page)
        assert seen(text) in seen(page)


def test_a_customer_of_whom_nothing_is_known(shop: Shop) -> None:
    shop.has(phone=None)
    page = seen(shop.page("/customers/anna"))
    assert "Number withheld" in page
    assert "The customer has no telephone number." in page
    assert "Nothing yet" in page


def test_the_history_goes_on_and_can_be_of_one_kind(shop: Shop) -> None:
    shop.has()
    shop.knows(*({"kind": "note", "text": f"Note {number}", "author": "sam"} for number in range(60)))
    page = seen(shop.page("/customers/anna?kind=note"))
    assert "Note 49" in page
    assert "Note 50" not in page
    assert re.search(r'href="/customers/anna\?kind=note&cursor=[\w-]+" data-more', page)
    assert "Nothing of this kind" in shop.page("/customers/anna?kind=call")


def test_what_is_heard_of_a_call_stands_with_it() -> None:
    heard = {"kind": "voicemail", "call_sid": CALL}
    call, note = {"kind": "call", "call_sid": CALL}, {"kind": "note"}
    assert history([heard, note, call]) == [note, {**call, "heard": [heard]}]
    assert history([heard, note]) == [heard, note]


@pytest.mark.parametrize("path", ["/customers/nobody", "/customers/nobody/merge"])
def test_who_is_not_there_is_a_page_too(shop: Shop, path: str) -> None:
    answer = shop.browser().get(path)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


# Forms.


def test_a_customer_is_entered(shop: Shop) -> None:
    answer = shop.post("/customers", {"name": "Bert", "phone": "212 555 0177", "email": "", "source": "referral"})
    assert answer.status_code == 303
    made = shop.stored(answer.location.removeprefix("/customers/"))
    assert (made["name"], made["phone"], made["email"], made["source"]) == ("Bert", OTHER, None, "referral")


def test_what_is_wrong_is_said_beside_what_was_typed(shop: Shop) -> None:
    fields = {"name": "Bert", "phone": "12", "email": "bert@", "source": "manual"}
    answer = shop.post("/customers", fields, page="/customers/create", form="create")
    assert answer.status_code == 422
    assert 'value="bert@"' in answer.text
    assert re.search(r'id="create-phone-error"[^>]*>Not a phone number\.<', answer.text)
    assert shop.database.commits == 0


def test_a_number_that_somebody_has_leads_to_them(shop: Shop) -> None:
    shop.has()
    fields = {"name": "Bert", "phone": CALLER}
    answer = shop.post("/customers", fields, page="/customers/create", form="create")
    assert answer.status_code == 409
    assert 'href="/customers/anna"' in answer.text
    assert 'value="Bert"' in answer.text


def test_who_is_second_sees_both_versions(shop: Shop) -> None:
    shop.has(name="Anna New", email="new@example.com")
    fields = {"version": "2", "name": "Anna Mine", "email": "", "phones": [OTHER, ""]}
    answer = shop.post("/customers/anna?_method=PUT", fields, form="edit")
    assert answer.status_code == 409
    page = seen(answer.text)
    assert "Somebody changed this customer" in page
    for now, wanted in (
        ("Anna New", "Anna Mine"),
        ("new@example.com", NOTHING),
        ("(212) 555-0123", "(212) 555-0177"),
    ):
        assert f"<dd>Now: <strong><bdi>{now}</bdi></strong></dd>" in page
        assert f"<dd>You typed: <strong><bdi>{wanted}</bdi></strong></dd>" in page
    assert 'name="version" value="3"' in page
    assert 'name="name" value="Anna Mine"' in page
    assert shop.stored()["name"] == "Anna New"


def test_who_is_first_changes_name_and_numbers(shop: Shop) -> None:
    shop.has(name="Anna")
    fields = {"version": "3", "name": "Anna B.", "email": "", "phones": [CALLER, OTHER, ""]}
    answer = shop.post("/customers/anna?_method=PUT", fields, form="edit")
    assert (answer.status_code, answer.location) == (303, "/customers/anna")
    assert (shop.stored()["name"], shop.stored()["phones"]) == ("Anna B.", [CALLER, OTHER])


def test_an_appointment_is_booked_by_local_time_and_typed_money(shop: Shop) -> None:
    shop.has()
    fields = {"starts_at": "2026-03-10T09:30", "service": "Check-up", "price": "12.50"}
    answer = shop.post("/customers/anna/appointments", fields, form="book")
    assert answer.status_code == 303
    entry = shop.appointment()
    assert entry["starts_at"].isoformat() == "2026-03-10T13:30:00+00:00"
    assert entry["price"] == 1250


def test_an_appointment_is_completed(shop: Shop) -> None:
    shop.has()
    shop.post("/customers/anna/appointments", {"starts_at": "2026-03-10T09:30", "service": "Check-up", "price": "5"})
    entry = shop.appointment()
    path = f"/customers/anna/appointments/{entry['appointment_id']}?_method=PATCH"
    assert shop.post(path, {"status": "completed"}).status_code == 303
    assert (shop.stored()["total_spent"], shop.stored()["currency"]) == (500, "USD")


def test_a_note_that_is_none_is_refused_where_it_was_typed(shop: Shop) -> None:
    shop.has()
    answer = shop.post("/customers/anna/notes", {"text": " "}, form="note")
    assert answer.status_code == 422
    assert re.search(r'id="note-text-error"[^>]*>Must not be empty\.<', answer.text)
    assert 'id="compose-note" open' in answer.text


def test_a_review_is_asked_for_once(shop: Shop) -> None:
    shop.has()
    assert "Ask for a review" in shop.page("/customers/anna", STEFAN)
    fields = {"force": "false"}
    assert shop.post("/customers/anna/send-review-request", fields, session=STEFAN).status_code == 303
    assert "only by an owner" in shop.page("/customers/anna", STEFAN)
    assert "Ask again all the same" in shop.page("/customers/anna")
    answer = shop.post("/customers/anna/send-review-request", fields, form="review", session=STEFAN)
    assert answer.status_code == 409


def test_two_become_one_and_two_again(shop: Shop) -> None:
    shop.has(name="Anna")
    shop.has("bert", OTHER, name="Bert")
    merged = shop.post("/customers/anna/merge", {"other_id": "bert"}, page="/customers/suggestions")
    assert (merged.status_code, merged.location) == (303, "/customers/anna")
    page = shop.page("/customers/anna")
    assert "Undo the merge" in page
    assert shop.post("/customers/anna/unmerge", {"other_id": "bert"}).status_code == 303
    assert "Undo the merge" not in shop.page("/customers/anna")


def test_erasing_leads_to_the_list(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    erased: list[str] = []
    monkeypatch.setattr("customer.lifecycle.Lifecycle.delete", lambda _self, _business, one: erased.append(one))
    answer = shop.post("/customers/anna?_method=DELETE", {"_sure": "on"}, form="erase")
    assert (answer.status_code, answer.location, erased) == (303, "/customers", ["anna"])


@pytest.mark.parametrize("token", ["", "of another session"])
def test_a_form_of_somebody_else_changes_nothing(shop: Shop, token: str) -> None:
    shop.has()
    answer = shop.post("/customers/anna/notes", {"text": "Hi", "csrf_token": token})
    assert answer.status_code == 403
    assert shop.database.commits == 0


# Who is offered what.


def test_staff_are_offered_nothing_that_is_an_owners(shop: Shop) -> None:
    shop.has()
    for path in ("/customers/anna", "/customers"):
        for_owner, for_staff = shop.page(path), shop.page(path, STEFAN)
        assert ("Delete customer" in for_owner) is (path == "/customers/anna")
        assert "/export" in for_owner
        assert not any(word in for_staff for word in ("Delete customer", "/export", "/customers/import"))
    answer = shop.post("/customers/anna?_method=DELETE", {}, form="erase", session=STEFAN)
    assert answer.status_code == 403


def test_who_is_not_signed_in_is_led_to_the_form(shop: Shop) -> None:
    answer = shop.app.test_client().get("/customers/anna?kind=call", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.location) == (303, "/login?next=/customers/anna%3Fkind%3Dcall")


# The part of the start page.


def counts(monkeypatch: pytest.MonkeyPatch, newest: Iterable[Document], total: int) -> None:
    monkeypatch.setattr(store, "count_segment", lambda *_: 7)
    monkeypatch.setattr(store, "count_made_since", lambda *_: 3)
    monkeypatch.setattr(store, "newest_customers", lambda *_: list(newest))
    visits = [{"status": "completed", "currency": "USD", "count": 2, "total": total}]
    canceled = [{"status": "canceled", "currency": "USD", "count": 9, "total": 900}]
    monkeypatch.setattr(store, "appointments_between", lambda *_: visits + canceled)
    monkeypatch.setattr(store, "totals_of_erased", lambda *_: [{"currency": "USD", "total": 50}])


@pytest.mark.parametrize("name", ["Anna", *HOSTILE])
def test_the_part_of_the_start_page_is_a_piece_of_a_page(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    counts(monkeypatch, [shop.has(name=name)], 12_000)
    page = shop.page("/parts/customers")
    assert "<html" not in page
    assert "$120.50" in page
    assert seen(name) in seen(page)
    assert is_harmless(page)


def test_a_month_is_the_business_s_own(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """New York's midnight, in winter and after the clock went forward in between."""
    counts(monkeypatch, [], 0)
    asked: list[tuple[datetime, datetime]] = []

    def appointments(_database: Any, _business: str, since: datetime, until: datetime) -> list[Document]:
        asked.append((since, until))
        return []

    monkeypatch.setattr(store, "appointments_between", appointments)
    shop.page("/parts/customers")
    today, _, month = asked
    assert [moment.isoformat() for moment in month] == ["2026-03-01T00:00:00-05:00", "2026-04-01T00:00:00-04:00"]
    assert today[1] - today[0] == timedelta(days=1)


def test_an_empty_business_has_a_part_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    counts(monkeypatch, [], 0)
    assert "Nobody yet" in shop.page("/parts/customers")


# Files.


def test_a_file_is_tried_and_then_brought_in(shop: Shop) -> None:
    assert "A CSV file" in shop.page("/customers/import")
    for dry_run, says in (("true", "nothing was changed yet"), ("false", "Done")):
        before = shop.database.commits
        answer = shop.post(
            "/customers/import", upload(b"name,phone\nBert,212 555 0177\nNobody,12\n") | {"dry_run": dry_run}
        )
        assert answer.status_code == 200
        assert says in answer.text
        assert "the phone is no number" in answer.text
        assert (shop.database.commits > before) is (dry_run == "false")


def test_a_file_that_is_no_table_is_refused_beside_its_field(shop: Shop) -> None:
    answer = shop.post(
        "/customers/import", upload(b"") | {"dry_run": "true"}, page="/customers/import", form="import"
    )
    assert answer.status_code == 422
    assert "The file is empty." in answer.text


def test_a_large_file_is_taken_and_its_token_looked_at_first(shop: Shop) -> None:
    large = b"name,phone\n" + b"Bert,12\n" * 40_000
    assert len(large) > MAX_BODY
    assert shop.post("/customers/import", upload(large) | {"dry_run": "true"}).status_code == 200
    assert shop.post("/customers/import", upload(large) | {"csrf_token": ""}).status_code == 403


def upload(content: bytes) -> dict[str, Any]:
    return {"file": (BytesIO(content), "customers.csv", "text/csv")}
