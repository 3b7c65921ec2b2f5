"""The pages of the call log: what they show of calls, and what the start page says of today."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from call_ingest import store
from call_ingest.app import create_app
from ringback.settings import Settings
from ringback.store.paging import Page
from ringback.web.sessions import Session
from tests.unit.fakes import ACCOUNT, CALLER, NUMBER, T0, Document, MemoryDatabase, at, sample_settings
from tests.unit.hostile import HOSTILE, LONG, SCRIPTS, is_harmless, seen
from tests.unit.signed_in import OLGA, STEFAN, Browser

CALL, RECORDING = "CA" + "1" * 32, "RE" + "2" * 32


def a_call(**values: Any) -> Document:
    ended: Document = {"outcome": "missed", "reason": "no-answer", "why": "Nobody answered.", "ended_at": at(20)}
    recordings = [{"sid": RECORDING, "seconds": 12, "at": at(20)}]
    return {
        "_id": CALL,
        "business": "demo",
        "caller": CALLER,
        "caller_kind": "mobile",
        "caller_name": "ANNA",
        "called": NUMBER,
        "started_at": T0,
        "duration_seconds": None,
        "voicemail": True,
        "recordings": recordings,
        "transcripts": [],
        **ended,
        **values,
    }


def transcript(text: str) -> Document:
    return {"source": "voicemail", "recording_sid": RECORDING, "text": text, "confidence": 0.5, "at": at(30)}


def webhook(kind: str, **params: str) -> Document:
    named = {"CallSid": CALL, "CallToken": "a-credential", **params}
    pairs = [[name, value] for name, value in named.items()]
    return {
        "_id": kind,
        "kind": kind,
        "target": "/",
        "received_at": T0,
        "known_at": T0,
        "params": pairs,
        "answer": "ring",
    }


class Log:
    """call-ingest with these calls."""

    def __init__(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        self.app, self.calls, self.webhooks = app, list[Document](), list[Document]()
        self.next: str | None = None
        self.asked: list[dict[str, Any]] = []
        self.counted: list[Document] = []
        monkeypatch.setattr(store, "list_calls", self._list)
        monkeypatch.setattr(store, "find_call", lambda *_: next(iter(self.calls), None))
        monkeypatch.setattr(store, "requests_of", lambda *_: self.webhooks)
        monkeypatch.setattr(store, "count_calls", self._count)

    def _list(self, _database: Any, _business: str, filters: dict[str, Any], *_: Any) -> Page:
        self.asked.append(filters)
        return Page(self.calls, self.next)

    def _count(self, _database: Any, _business: str, since: datetime, until: datetime, zone: str) -> list[Document]:
        assert (zone, until - since) == ("America/New_York", timedelta(days=7))
        return self.counted

    def get(self, path: str, session: Session | None = OLGA, **headers: str) -> TestResponse:
        """An answer that was read to its end: until then it counts as one that is being read."""
        answer = Browser(self.app, session).get(path, **headers)
        answer.get_data()
        answer.close()
        return answer

    def page(self, path: str) -> str:
        answer = self.get(path)
        assert (answer.status_code, answer.mimetype) == (200, "text/html"), answer.text
        return answer.text


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    settings: Settings = sample_settings(RINGBACK_DATA=str(tmp_path_factory.mktemp("data")))
    return create_app(settings, MemoryDatabase().as_database(), lambda: T0)


@pytest.fixture
def log(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Log:
    return Log(app, monkeypatch)


def test_the_list_shows_calls_and_leads_on(log: Log) -> None:
    log.calls = [
        a_call(),
        a_call(_id="CA2", caller="Anonymous", caller_kind="withheld", caller_name=None, outcome=None),
    ]
    log.next = "cursor-of-the-next"
    page = seen(log.page("/calls?outcome=missed"))
    assert f'href="/calls/{CALL}"' in page
    assert "Missed" in page
    assert "nobody answered" in page
    assert "(212) 555-0123" in page
    assert "Number withheld" in page
    assert "Not over yet" in page
    assert "/calls?outcome=missed&cursor=cursor-of-the-next" in page


def test_filters_are_by_the_business_s_time(log: Log) -> None:
    """And what is left empty is none."""
    log.page("/calls?outcome=&number=(212)+555-0123&since=2026-03-02T09:00&until=")
    [asked] = log.asked
    assert asked["number"] == CALLER
    assert asked["since"].isoformat() == "2026-03-02T14:00:00+00:00"
    assert set(asked) == {"number", "since"}


@pytest.mark.parametrize(("query", "says"), [("", "No calls yet"), ("?outcome=missed", "No call fits")])
def test_an_empty_log_says_why(log: Log, query: str, says: str) -> None:
    assert says in log.page(f"/calls{query}")


def test_a_call_shows_what_came_of_it_and_why(log: Log) -> None:
    log.calls = [a_call(transcripts=[transcript("Please call back.")])]
    log.webhooks = [webhook("voice", From=CALLER), webhook("dial", DialCallStatus="no-answer")]
    page = seen(log.page(f"/calls/{CALL}"))
    assert "Nobody answered." in page
    assert "A call came in; the telephones were rung." in page
    assert f'<audio controls preload="none" src="/calls/{CALL}/recording?recording_sid={RECORDING}"' in page
    assert "Please call back." in page
    assert "50 %" in page
    assert f'href="tel:{CALLER}"' in page
    assert f'href="/customers?q=%2B{CALLER[1:]}"' in page
    assert "a-credential" not in page


@pytest.mark.parametrize("text", [*HOSTILE, LONG, *SCRIPTS])
def test_what_strangers_say_stays_text(log: Log, text: str) -> None:
    nameless = {"caller": text, "caller_kind": "sip"}
    log.calls = [a_call(caller_name=text, why=text, transcripts=[transcript(text)], **nameless)]
    log.webhooks = [webhook("status", CallStatus=text, From=text)]
    for path in ("/calls", f"/calls/{CALL}"):
        page = log.page(path)
        assert is_harmless(page)
        assert seen(text) in seen(page)


@pytest.mark.parametrize("kind", ["withheld", "sip", "client", "short", "malformed"])
def test_who_cannot_be_called_is_not_offered_to_be(log: Log, kind: str) -> None:
    log.calls = [a_call(caller="javascript:alert(1)", caller_kind=kind)]
    page = log.page(f"/calls/{CALL}")
    assert "Call back" not in page
    assert "Show customer" not in page


def test_a_call_that_still_rings(log: Log) -> None:
    running = dict.fromkeys(("outcome", "reason", "why", "ended_at"))
    log.calls = [a_call(**running, recordings=[], voicemail=False)]
    assert "The call is not over yet." in log.page(f"/calls/{CALL}")


def test_a_call_that_is_not_there_is_a_page_too(log: Log) -> None:
    answer = log.get("/calls/CA404")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


@pytest.mark.parametrize("path", ["/calls", f"/calls/{CALL}", "/parts/calls"])
def test_staff_see_them_and_strangers_do_not(log: Log, path: str) -> None:
    log.calls = [a_call()]
    assert log.get(path, STEFAN).status_code == 200
    assert log.get(path, None).status_code == 303


def test_what_twilio_posts_is_no_page(log: Log) -> None:
    answer = Browser(log.app, OLGA).send("/twilio/voice", AccountSid=ACCOUNT)
    assert (answer.status_code, answer.mimetype) == (403, "text/xml")


# The part of the start page.


def counted(hour: datetime, outcome: str | None, count: int) -> Document:
    return {"hour": hour, "outcome": outcome, "count": count}


def test_today_is_counted_by_the_business_s_clock(log: Log) -> None:
    """T0 is ten in the morning of the 2nd of March in New York."""
    yesterday = T0 - timedelta(hours=11)
    log.counted = [
        counted(T0, "completed", 3),
        counted(T0, "missed", 1),
        counted(at(-3600), None, 2),
        counted(yesterday, "missed", 5),
    ]
    answer = log.get("/parts/calls", Accept="application/json").get_json()
    assert answer["today"] == {"calls": 6, "answered": 3, "missed": 1, "open": 2, "answered_share": 0.75}
    assert [row["hour"] for row in answer["hours"] if row["calls"]] == [9, 10]
    assert [day["calls"] for day in answer["days"]] == [0, 0, 0, 0, 0, 5, 6]
    assert answer["days"][-1]["starts_at"] == "2026-03-02T05:00:00.000Z"


def test_the_chart_says_its_numbers(log: Log) -> None:
    log.counted = [counted(T0, "completed", 3), counted(T0, "missed", 1), counted(at(3600 * 12), "missed", 4)]
    page = seen(log.page("/parts/calls"))
    assert "<html" not in page
    assert 'aria-label="Calls today by hour: 10 h 4, 22 h 4"' in page
    assert "<span>8:00</span><span>at most 4 an hour</span><span>23:00</span>" in page
    assert "Answered 3" in page
    assert "Missed 5" in page


def test_a_day_without_calls_has_no_chart(log: Log) -> None:
    page = log.page("/parts/calls")
    assert "No calls yet today." in page
    assert 'role="img"' not in page
