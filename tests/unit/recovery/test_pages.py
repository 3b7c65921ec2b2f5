"""The queue's pages: what they show of missed calls, what their forms lead to, and what the start page says."""

from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask, Response
from werkzeug.test import TestResponse

from recovery import store
from recovery.app import create_app
from recovery.clock import clock_of
from recovery.hours import Opening
from recovery.pages import FORMS, PAGES
from recovery.periods import every_period, latest_spans, span_of
from recovery.routes import ACCESS, PAGE_ITEMS
from ringback.store.paging import Page
from ringback.web.sessions import CSRF_FIELD, Session, csrf_token, set_session
from tests.unit.fakes import SECRET, T0, Document, MemoryDatabase, sample_settings
from tests.unit.recovery.queue import (
    BUSINESSES,
    Queue,
    appointment,
    at,
    consent,
    created,
    missed,
    outcome,
    received,
    recorded,
    transcribed,
)

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
STEFAN = Session("sid-stefan", "Stefan", "demo", "staff")
HOSTILE = '</textarea><script>alert(1)</script>"><img src=x onerror=alert(1)>{{ 7 * 7 }}'
LONG = "Wolfeschlegelsteinhausenbergerdorff" * 5
ZONE = BUSINESSES["demo"].timezone


class WebDatabase(MemoryDatabase):
    def ping(self) -> None:
        """What readiness asks."""


class Front:
    """The service on what a queue has; lists find all of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queue = Queue(database=WebDatabase())
        self.app: Flask = create_app(sample_settings(), self.queue.database.as_database(), lambda: self.queue.now)
        self.asked: list[Any] = []
        self.next: str | None = None
        self.figures: list[Document] = []
        self.gains: list[Document] = []
        monkeypatch.setattr(store, "list_items", self._list)
        monkeypatch.setattr(store, "count_open", lambda *_: sum(one["open"] for one in self.queue.items))
        monkeypatch.setattr(store, "count_overdue", lambda *_: 0)
        monkeypatch.setattr(store, "figures", lambda *_: self.figures)
        monkeypatch.setattr(store, "gains", lambda *_: self.gains)

    def _list(self, _database: Any, query: Document, _cursor: Any, limit: int, *, newest_first: bool = False) -> Page:
        self.asked.append((query, limit, newest_first))
        return Page(self.queue.items, self.next)

    @property
    def id(self) -> str:
        return str(self.queue.item["_id"])

    def _headers(self) -> dict[str, str]:
        response = Response()
        set_session(response, SECRET, STEFAN, datetime.now(UTC), secure=True)
        return {"Accept": ACCEPT, "Cookie": response.headers["Set-Cookie"].partition(";")[0]}

    def get(self, path: str) -> TestResponse:
        client = self.app.test_client(use_cookies=False)
        return client.get(path, base_url="https://ring.example", headers=self._headers())

    def page(self, path: str) -> str:
        answer = self.get(path)
        assert (answer.status_code, answer.mimetype) == (200, "text/html"), answer.text
        return answer.text

    def send(self, action: str, form: str, page: str = "/missed-calls", **fields: str) -> TestResponse:
        own = {CSRF_FIELD: csrf_token(SECRET, STEFAN.id), "_form": f"{form}-{self.id}", "_page": page}
        client = self.app.test_client(use_cookies=False)
        path = f"/missed-calls/{self.id}/{action}"
        return client.post(path, base_url="https://ring.example", headers=self._headers(), data=own | fields)


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Front:
    return Front(monkeypatch)


def seen(page: str) -> str:
    return " ".join(unescape(page).split())


def a_row(**values: Any) -> Document:
    names = ("items", "missed_calls", "open", "texts", "replies", "met", "not_met")
    resolutions = ("replied", "called_back", "booked", "handled", "expired")
    return {"_id": at(0), "response_seconds": [], **dict.fromkeys((*names, *resolutions), 0), **values}


def test_every_page_and_form_is_a_route_of_the_service() -> None:
    assert {*PAGES, *FORMS} == {*ACCESS, "parts.missed_calls"}


def test_an_item_says_who_called_what_they_said_and_what_can_be_done(front: Front) -> None:
    front.queue.take(created(), missed("CA1"), recorded("CA1"), transcribed("CA1", text="Please call")).wait(
        minutes=3
    )
    page = seen(front.page("/missed-calls"))
    assert 'href="/customers/anna"><bdi>Anna</bdi>' in page
    assert 'href="tel:+12125550123"' in page
    assert "(212) 555-0123" in page
    assert 'preload="none" src="/calls/CA1/recording?recording_sid=RECA1"' in page
    assert "Please call" in page
    assert "Due in 2 min" in page
    assert "Text back, by itself" in page
    for action in ("claim", "send-sms", "mark-handled"):
        assert f'action="/missed-calls/{front.id}/{action}"' in page


def test_what_is_overdue_says_so_in_words(front: Front) -> None:
    front.queue.take(missed("CA1")).wait(minutes=17)
    page = seen(front.page("/missed-calls"))
    assert "Overdue by 12 min" in page
    assert 'class="missed overdue"' in page


def test_a_caller_without_a_number_is_not_called_or_texted(front: Front) -> None:
    front.queue.take(missed("CA1", caller="Anonymous", kind="withheld"), recorded("CA1"))
    page = seen(front.page("/missed-calls"))
    assert "Number withheld" in page
    assert "Not texted: the number is withheld." in page
    assert "tel:" not in page
    assert "/send-sms" not in page


def test_what_became_of_it_is_told(front: Front) -> None:
    visit = appointment("booked", 20, price=12_500), appointment("completed", 30, price=12_500)
    front.queue.take(created(), missed("CA1"), received("SM1", 2), *visit)
    page = seen(front.page("/missed-calls?state=all"))
    assert "Replied" in page
    assert "Answered after 2 min" in page
    assert "$125.00, took place" in page
    assert "/mark-handled" not in page


@pytest.mark.parametrize("name", [HOSTILE, LONG, "محمد عبد الرحمن", "李小龍", "👩‍⚕️ Dr. مريم"])
def test_whatever_people_are_called_and_say_is_text(front: Front, name: str) -> None:
    front.queue.take(created(name=name), missed("CA1"), recorded("CA1"), transcribed("CA1", text=name))
    front.send("mark-handled", "handled", note=name)
    for path in ("/missed-calls", f"/missed-calls/{front.id}", "/parts/missed-calls"):
        page = front.page(path)
        assert name in unescape(page)
        assert "<script>" not in page
        assert "<img src=x" not in page
        assert "49" not in page.partition("<main")[2].partition("csrf_token")[0]


@pytest.mark.parametrize(
    ("query", "words"),
    [("", "Nobody is waiting"), ("?overdue=true", "Nothing is overdue"), ("?state=booked", "There is nothing here")],
)
def test_an_empty_queue_says_so(front: Front, query: str, words: str) -> None:
    assert words in front.page(f"/missed-calls{query}")


def test_pages_are_short_and_lead_on_with_what_was_asked_for(front: Front) -> None:
    front.next = "cursor-of-the-next"
    front.queue.take(missed("CA1"))
    page = front.page("/missed-calls?state=handled&newest_first=true&limit=100")
    [(query, limit, newest_first)] = front.asked
    assert (query["state"], limit, newest_first) == ({"$eq": "handled"}, PAGE_ITEMS, True)
    assert 'href="/missed-calls?cursor=cursor-of-the-next&amp;state=handled&amp;newest_first=true"' in page


def test_one_item_has_its_calls_texts_history_and_templates(front: Front) -> None:
    front.queue.take(created(), missed("CA1"), missed("CA2", 1)).wait(minutes=3)
    page = seen(front.page(f"/missed-calls/{front.id}"))
    assert "Called twice" in page
    assert 'href="/calls/CA2"' in page
    assert "Hi Anna, this is Bright Smile Dental. When is a good time to call you back?" in page
    assert "Waiting" in page
    assert "Texted" in page


def test_what_is_not_there_is_a_page_that_says_so(front: Front) -> None:
    answer = front.get("/missed-calls/none")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


def test_a_text_of_a_person_is_asked_for_and_leads_back(front: Front) -> None:
    front.queue.take(missed("CA1"))
    answer = front.send("send-sms", "text", "/missed-calls?overdue=true", body="Hello", template="")
    assert (answer.status_code, answer.location) == (303, "/missed-calls?overdue=true")
    [asked] = front.queue.told("sms.requested")
    assert (asked.data["body"], asked.data["reason"]) == ("Hello", "manual")


def test_a_template_is_sent_with_names_filled_in(front: Front) -> None:
    front.queue.take(created(), missed("CA1"))
    front.send("send-sms", "template", body="", template="thanks")
    [asked] = front.queue.told("sms.requested")
    assert asked.data["body"] == "Hi Anna, thank you for visiting Bright Smile Dental!"


def test_a_text_that_is_two_things_comes_back_as_it_was_typed(front: Front) -> None:
    front.queue.take(missed("CA1"))
    answer = front.send("send-sms", "text", body="My own words", template="thanks")
    page = seen(answer.text)
    assert answer.status_code == 422
    assert ">My own words</textarea>" in page
    assert '<option value="thanks" selected>' in page
    assert f'<details id="text-{front.id}" name="do-{front.id}" open>' in page
    assert "one of the two" in page.partition(f'id="text-{front.id}-body-error"')[2].partition("</span>")[0]
    assert not front.queue.told("sms.requested")


def test_who_opted_out_is_not_texted_and_the_reason_is_said(front: Front) -> None:
    front.queue.take(missed("CA1"), consent("opted_out", 0.5))
    answer = front.send("send-sms", "text", body="Hello?")
    assert answer.status_code == 409
    assert "The caller asked for no more texts." in answer.text
    assert ">Hello?</textarea>" in answer.text


def test_marking_as_handled_keeps_what_was_said_of_it(front: Front) -> None:
    """The token stands in the form: it was read before the route looks whether there is a body."""
    front.queue.take(missed("CA1"))
    answer = front.send("mark-handled", "handled", resolution="called_back", note="Wants Tuesday")
    assert answer.status_code == 303
    item = front.queue.item
    assert (item["resolution"], item["note"], item["closed_by"]) == ("called_back", "Wants Tuesday", "Stefan")


def test_a_note_that_is_too_long_is_refused_beside_its_field(front: Front) -> None:
    front.queue.take(missed("CA1"))
    answer = front.send("mark-handled", "handled", note="x" * 2001)
    assert answer.status_code == 422
    assert "Longer than maximum length 2000." in answer.text
    assert front.queue.item["open"]


def test_somebody_takes_an_item_and_gives_it_back(front: Front) -> None:
    front.queue.take(missed("CA1"))
    front.send("claim", "claim")
    assert front.queue.item["assignee"] == "Stefan"
    page = front.page("/missed-calls?assignee=Stefan")
    assert "Yours" in page
    assert f"/missed-calls/{front.id}/release" in page
    front.send("release", "release")
    assert front.queue.item["assignee"] is None


def test_a_text_that_failed_shows_it(front: Front) -> None:
    front.queue.take(missed("CA1")).wait(minutes=2)
    [asked] = front.queue.told("sms.requested")
    front.queue.take(outcome("failed", asked.data["request_id"], 3, reason="undelivered"))
    page = seen(front.page("/missed-calls"))
    assert "Failed" in page
    assert "Not texted: the carrier did not deliver it." in page


def test_a_summary_says_what_became_of_missed_calls(front: Front) -> None:
    rows = {"items": 4, "missed_calls": 9, "called_back": 2, "booked": 1, "open": 1, "met": 3, "not_met": 1}
    front.figures = [a_row(_id=datetime(2026, 3, 2, 5, tzinfo=UTC), response_seconds=[60, 150, 600], **rows)]
    front.gains = [{"bucket": at(0), "status": "completed", "price": 25_000, "currency": "USD"}]
    page = seen(front.page("/missed-calls/summary?from=2026-02-24&to=2026-03-02"))
    assert "75 % of callers" in page
    assert "2 min 30 s" in page
    assert "$250.00" in page
    assert "Missed calls: 0, 0, 0, 0, 0, 0, 9" in page
    assert '<th scope="row">Today</th>' in page
    assert 'value="2026-02-24"' in page
    assert 'value="2026-03-02"' in page


def test_a_summary_of_nothing_says_so(front: Front) -> None:
    assert "No call was missed then" in front.page("/missed-calls/summary?by=month")


def test_the_start_page_has_who_waits_longest_and_what_was_recovered(front: Front) -> None:
    front.queue.take(created(), missed("CA1")).wait(minutes=30)
    front.figures = [a_row(items=3, called_back=2, response_seconds=[240])]
    front.gains = [{"status": "completed", "price": 9900, "currency": "EUR"}]
    page = seen(front.page("/parts/missed-calls"))
    assert page.startswith("<article")
    assert f'href="/missed-calls/{front.id}"><bdi>Anna</bdi>' in page
    assert "Overdue by 25 min" in page
    assert "of 3; in 7 days 2 of 3" in page
    assert "4 min" in page
    assert "€99.00" in page


def test_the_start_page_says_that_nobody_waits(front: Front) -> None:
    assert "Nobody waits for an answer." in front.page("/parts/missed-calls")


# The clock and the periods that pages draw.

OPEN_MONDAY = Opening({"mon": ((600, 720),)}, ZONE)


def item(
    missed_at: datetime, due_at: datetime, responded_at: datetime | None = None, is_open: bool = True
) -> Document:
    times = {"first_missed_at": missed_at, "due_at": due_at, "responded_at": responded_at}
    return {**{name: time and time.isoformat() for name, time in times.items()}, "open": is_open}


@pytest.mark.parametrize(
    ("shown", "minutes", "expected"),
    [
        (item(at(0), at(5)), 3, ("due", 120)),
        (item(at(0), at(5)), 17.5, ("overdue", 720)),
        (item(at(0), at(5), at(4)), 30, ("answered", 240)),
        (item(at(0), at(5), at(8)), 30, ("late", 480)),
        (item(at(0), at(5), is_open=False), 30, ("over", 0)),
        # T0 is 10:00 on a Monday in New York; it closes at noon; clocks change before the next.
        (item(at(118), at(118) + timedelta(days=7, minutes=-175)), 130, ("later", 180)),
        (item(at(0), at(5)), 24 * 60, ("overdue", 115 * 60)),
    ],
)
def test_the_clock_runs_in_opening_hours(shown: Document, minutes: float, expected: tuple[str, int]) -> None:
    assert clock_of(shown, OPEN_MONDAY, at(minutes)) == expected


def summary_of(since: str, until: str, by: str, *buckets: str) -> dict[str, Any]:
    return {"from": since, "to": until, "by": by, "periods": [{"from": bucket} for bucket in buckets]}


def test_days_without_a_missed_call_are_drawn_too() -> None:
    document = summary_of("2026-03-07T05:00:00Z", "2026-03-10T04:00:00Z", "day", "2026-03-08T05:00:00Z")
    days = [(one["day"].isoformat(), one["row"] is not None) for one in every_period(document, ZONE)]
    assert days == [("2026-03-07", False), ("2026-03-08", True), ("2026-03-09", False)]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("week", ["2026-01-26", "2026-02-02", "2026-02-09", "2026-02-16", "2026-02-23"]),
        ("month", ["2026-01-01", "2026-02-01", "2026-03-01"]),
    ],
)
def test_weeks_begin_on_monday_and_months_on_their_first(by: str, expected: list[str]) -> None:
    document = summary_of("2026-01-31T05:00:00Z", "2026-03-02T05:00:00Z", by)
    assert [one["day"].isoformat() for one in every_period(document, ZONE)] == expected


def test_a_span_ends_with_its_last_day() -> None:
    span = span_of({"from": "2026-03-01T05:00:00Z", "to": T0.isoformat()}, ZONE)
    assert (span.since, span.until) == (date(2026, 3, 1), date(2026, 3, 2))
    assert latest_spans(date(2026, 3, 2), [2]) == [span]
