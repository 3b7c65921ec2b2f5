"""The notifier's pages: texts and what came of them, who opted out, and what the start page says."""

from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any, cast

import pytest
from flask import Flask, Response
from werkzeug.test import TestResponse

from notifier import store
from notifier.app import create_app
from notifier.consent import SCOPES, SOURCES
from notifier.domain import STATES
from notifier.outcomes import VERDICTS, Accepted, Ambiguous, Pause, Refused
from notifier.pages import FORMS, PAGES
from notifier.routes import ACCESS
from notifier.rules import REASONS
from notifier.store import CONTACTS, MESSAGES
from ringback.store.paging import Page
from ringback.web.sessions import CSRF_FIELD, Session, csrf_token, set_session
from tests.unit.fakes import SECRET, Document, MemoryDatabase, sample_settings
from tests.unit.notifier.shop import ANNA, SID, Shop, deleted, received, requested, status_changed

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
OLGA = Session("sid-olga", "Olga", "demo", "owner")
STEFAN = Session("sid-stefan", "Stefan", "demo", "staff")
HOSTILE = '</textarea><script>alert(1)</script>"><img src=x onerror=alert(1)>{{ 7 * 7 }}'
LONG = "Wolfeschlegelsteinhausenbergerdorff" * 5
# So long nobody knows what became of a text.
UNKNOWN = {"minutes": 11}


class WebDatabase(MemoryDatabase):
    def ping(self) -> None:
        """What readiness asks."""


class Front:
    """The service on what a shop has; lists find all of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, dry_run: bool = False) -> None:
        self.database = WebDatabase()
        self.shop = Shop(self.database.as_database(), listed=lambda *_: [], dry_run=dry_run)
        self.app: Flask = create_app(sample_settings(), self.database.as_database(), self.shop.clock)
        self.asked: list[Any] = []
        self.next: str | None = None
        monkeypatch.setattr(store, "list_messages", self._list_messages)
        monkeypatch.setattr(store, "list_opt_outs", self._list_opt_outs)
        monkeypatch.setattr(store, "count_in_state", self._count)

    def _list_messages(self, _database: Any, _business: str, filters: Document, *_: Any) -> Page:
        self.asked.append(filters)
        return Page(list(self.database.documents(MESSAGES).values()), self.next)

    def _list_opt_outs(self, *_: Any, **__: Any) -> Page:
        return Page([one for one in self.database.documents(CONTACTS).values() if one["opted_out"]], self.next)

    def _count(self, _database: Any, _business: str, state: str, since: datetime | None = None) -> int:
        found = [one for one in self.database.documents(MESSAGES).values() if one["state"] == state]
        return sum(since is None or one["requested_at"] >= since for one in found)

    def _headers(self, session: Session) -> dict[str, str]:
        response = Response()
        set_session(response, SECRET, session, datetime.now(UTC), secure=True)
        return {"Accept": ACCEPT, "Cookie": response.headers["Set-Cookie"].partition(";")[0]}

    def get(self, path: str, session: Session = OLGA) -> TestResponse:
        client = self.app.test_client(use_cookies=False)
        return client.get(path, base_url="https://ring.example", headers=self._headers(session))

    def page(self, path: str, session: Session = OLGA) -> str:
        """As a reader sees it: entities read, blanks made one."""
        answer = self.get(path, session)
        assert (answer.status_code, answer.mimetype) == (200, "text/html"), answer.text
        return seen(answer.text)

    def send(self, path: str, page: str, form: str, session: Session = OLGA, **fields: Any) -> TestResponse:
        own = {CSRF_FIELD: csrf_token(SECRET, session.id), "_form": form, "_page": page}
        client = self.app.test_client(use_cookies=False)
        return client.post(path, base_url="https://ring.example", headers=self._headers(session), data=own | fields)

    def words(self, template: str, name: str) -> dict[Any, Any]:
        """A table of words that templates have."""
        with self.app.test_request_context():
            module = self.app.jinja_env.get_template(template).make_module(
                {"path": "/", "failed": None, "here": "/", "csrf_token": ""}
            )
        return cast(dict[Any, Any], getattr(module, name))


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Front:
    return Front(monkeypatch)


def seen(page: str) -> str:
    return " ".join(unescape(page).split())


def unclear(front: Front) -> None:
    """A text of which nobody knows whether it was sent."""
    front.shop.happen(requested())
    front.shop.send(Ambiguous("ReadTimeout"))
    front.shop.wait(**UNKNOWN)
    front.shop.settle()
    assert front.shop.state()[0] == "unknown"


def test_every_page_and_form_is_a_route_of_the_service() -> None:
    assert {*PAGES, *FORMS} == {*ACCESS, "parts.messages"} - {"texts.preview"}


def test_every_state_and_reason_has_words(front: Front) -> None:
    assert set(front.words("texting.html", "STATES")) == set(STATES) == set(front.words("texting.html", "MEANINGS"))
    assert set(REASONS) <= set(front.words("texting.html", "WHY"))
    pauses = {verdict.reason for verdict in VERDICTS.values() if isinstance(verdict, Pause)}
    assert pauses <= set(front.words("texting.html", "PAUSES"))
    assert set(front.words("texting.html", "SCOPES")) == set(SCOPES)
    assert set(front.words("texting.html", "SOURCES")) == {source for _, source in SOURCES}


def test_the_log_says_whom_what_and_what_came_of_it(front: Front) -> None:
    front.shop.happen(requested(customer_id="c1"))
    front.shop.send(Accepted(SID, "queued"))
    front.shop.happen(status_changed("undelivered", error_code=30003))
    page = front.page("/messages")
    assert 'href="/customers/c1"><bdi>(212) 555-0123</bdi>' in page
    assert "Failed" in page
    assert "The carrier did not deliver it. The telephone is off or out of reach." in page
    assert ">30003</a>" in page
    assert "Text back" in page
    assert 'href="/messages/r1"' in page


def test_what_was_held_back_says_why(front: Front) -> None:
    front.shop.happen(received("opt_out", "STOP"), requested())
    front.shop.reserve()
    page = front.page("/messages?state=suppressed")
    assert "They asked for no more texts." in page
    assert front.asked == [{"state": "suppressed"}]


def test_what_was_not_sent_for_want_of_an_account_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    front = Front(monkeypatch, dry_run=True)
    front.shop.happen(requested())
    front.shop.send(Accepted(None, "sent"))
    assert "Dry run" in front.page("/messages")
    assert "no account at Twilio is set, nothing was sent" in front.page("/messages/r1")


@pytest.mark.parametrize("text", [HOSTILE, LONG, "محمد عبد الرحمن", "李小龍", "👩‍⚕️ Dr. مريم"])
def test_whatever_is_written_is_text(front: Front, text: str) -> None:
    front.shop.happen(requested(body=text), received("opt_out", "STOP"))
    put: Document = {"phone": ANNA, "opted_out": "true", "reason": text}
    assert front.send("/opt-outs?_method=PUT", "/opt-outs", "said", **put).status_code == 303
    for path in ("/messages", "/messages/r1", "/opt-outs"):
        page = front.get(path).text
        assert text in unescape(page)
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_an_erased_text_is_shown_without_what_was_erased(front: Front) -> None:
    front.shop.happen(requested(customer_id="c1"), deleted())
    for path in ("/messages", "/messages/r1"):
        page = front.page(path)
        assert "rased" in page
        assert "555-0123" not in page


def test_pages_lead_on_with_what_was_asked_for(front: Front) -> None:
    front.shop.happen(requested())
    front.next = "cursor-of-the-next"
    assert "/messages?state=pending&to=555&cursor=cursor-of-the-next" in front.page("/messages?state=pending&to=555")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/messages", "No texts yet"),
        ("/messages?state=failed", "No text fits"),
        ("/opt-outs", "Nobody opted out"),
        ("/messages/status", "Texts go out."),
    ],
)
def test_an_empty_page_says_so(front: Front, path: str, words: str) -> None:
    assert words in front.page(path)


def test_a_text_has_its_history(front: Front) -> None:
    front.shop.happen(requested())
    front.shop.send(Accepted(SID, "queued"))
    front.shop.happen(status_changed("delivered"))
    page = front.page("/messages/r1")
    for words in ("It arrived.", "Twilio queued it", "Delivered", "1 segment, GSM-7", SID):
        assert words in page


def test_an_owner_says_what_became_of_an_unclear_text(front: Front) -> None:
    unclear(front)
    assert "It was not sent" in front.page("/messages/r1")
    answer = front.send("/messages/r1/resolve", "/messages/r1", "resolve", outcome="failed")
    assert (answer.status_code, answer.location) == (303, "/messages/r1")
    assert front.shop.state() == ("failed", "resolved_by_hand")


def test_staff_is_told_that_an_owner_has_to_say_it(front: Front) -> None:
    unclear(front)
    page = front.page("/messages/r1", STEFAN)
    assert "An owner has to say whether it was sent." in page
    assert "/resolve" not in page
    refused = front.send("/messages/r1/resolve", "/messages/r1", "resolve", STEFAN, outcome="failed")
    assert (refused.status_code, front.shop.state()[0]) == (403, "unknown")


def test_what_somebody_said_is_written_down_and_taken_back(front: Front) -> None:
    said: Document = {"phone": "(212) 555-0123", "scope": "business"}
    front.send("/opt-outs?_method=PUT", "/opt-outs", "said", opted_out="true", reason="On the phone", **said)
    page = front.page("/opt-outs")
    assert "(212) 555-0123" in page
    assert "Gets no texts" in page
    assert "No more texts of this business, told to a person" in page
    assert "On the phone" in page
    front.shop.wait(minutes=1)
    front.send("/opt-outs?_method=PUT", "/opt-outs", "said", opted_out="false", reason="", **said)
    assert "Nobody opted out" in front.page("/opt-outs")
    assert "May be texted" in front.page("/opt-outs?phone=2125550123")


def test_what_is_no_number_comes_back_as_it_was_typed(front: Front) -> None:
    answer = front.send(
        "/opt-outs?_method=PUT", "/opt-outs", "said", STEFAN, phone="12", opted_out="false", reason="Hm"
    )
    page = seen(answer.text)
    assert answer.status_code == 422
    assert 'value="12"' in page
    assert 'value="Hm"' in page
    assert '<option value="false" selected>' in page
    assert "Not a phone number." in page


def test_templates_are_shown_with_what_they_take(front: Front) -> None:
    page = front.page("/templates")
    assert "Hi {name}, thank you for visiting {business}!" in page
    assert "Text back, while closed" in page
    assert "1 segment without a name, GSM-7" in page


def test_a_pause_is_said_in_words(front: Front) -> None:
    front.shop.happen(requested())
    front.shop.send(Refused(401, 20003))
    for path in ("/messages/status", "/parts/messages"):
        page = front.page(path)
        assert "No texts go out" in page
        assert "Twilio does not accept the account's credentials." in page


def test_the_start_page_counts_the_texts_of_today(front: Front) -> None:
    front.shop.happen(requested("old", at=front.shop.now - timedelta(days=1)), requested("new"))
    page = front.page("/parts/messages")
    assert page.startswith("<article")
    waiting = page.partition("Waiting</a>")[2].partition("Failed</a>")[0]
    assert '<span class="figure-value">1</span>' in waiting
    assert "nothing stops them now" in page


def test_the_start_page_says_what_somebody_has_to_look_at(front: Front) -> None:
    unclear(front)
    assert 'href="/messages?state=unknown">Look at it</a>' in front.page("/parts/messages")
