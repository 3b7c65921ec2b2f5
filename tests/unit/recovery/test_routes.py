"""The queue's API refuses what it must before anything is looked up or written."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from werkzeug.test import TestResponse

from recovery.app import create_app
from recovery.routes import ACCESS
from recovery.schemas import LONGEST_TEXT, period_of
from ringback.clock import system_clock
from ringback.web.access import ROLES, Principal, make_token
from tests.unit.fakes import SECRET, T0, MemoryDatabase, sample_settings

ROUTES: dict[str, tuple[str, str, Any]] = {
    "list_items": ("GET", "/missed-calls", None),
    "summarize": ("GET", "/missed-calls/summary", None),
    "show": ("GET", "/missed-calls/x", None),
    "send_sms": ("POST", "/missed-calls/x/send-sms", {"body": "Hello"}),
    "mark_handled": ("POST", "/missed-calls/x/mark-handled", {"note": "Done"}),
    "claim": ("POST", "/missed-calls/x/claim", {"assignee": "olga"}),
    "release": ("POST", "/missed-calls/x/release", None),
}
READS = {"list_items", "summarize", "show"}


class WebDatabase(MemoryDatabase):
    def ping(self) -> None:
        """What readiness asks."""


class Front:
    def __init__(self) -> None:
        self.database = WebDatabase()
        self.app = create_app(sample_settings(), self.database.as_database(), lambda: T0)

    def send(self, name: str, role: str = "owner", **request: Any) -> TestResponse:
        method, path, _ = ROUTES[name]
        token = make_token(SECRET, Principal("olga", "demo", role), system_clock(), timedelta(hours=1))
        headers = {"Authorization": f"Bearer {token}", **request.pop("headers", {})}
        return self.app.test_client().open(path, method=method, headers=headers, **request)

    def refuses(self, name: str, field: str, **request: Any) -> None:
        answer = self.send(name, **request)
        assert (answer.status_code, answer.content_type) == (422, "application/problem+json"), answer.text
        assert answer.json is not None
        assert list(answer.json["errors"]) == [field]
        assert self.database.commits == 0


@pytest.fixture(scope="module")
def front() -> Front:
    return Front()


def test_every_route_is_in_the_table() -> None:
    assert {f"missed_calls.{name}" for name in ROUTES} == set(ACCESS)


def test_systems_read_and_people_write() -> None:
    allowed = {name: ACCESS[f"missed_calls.{name}"] for name in ROUTES}
    assert {name for name, roles in allowed.items() if "service" in roles} == READS
    assert all({"owner", "staff"} <= roles <= set(ROLES) for roles in allowed.values())


@pytest.mark.parametrize("name", sorted(set(ROUTES) - READS))
def test_a_system_may_not_write(front: Front, name: str) -> None:
    answer = front.send(name, "service", json=ROUTES[name][2])
    assert answer.status_code == 403


@pytest.mark.parametrize("name", ROUTES)
def test_nobody_gets_in_without_a_token(front: Front, name: str) -> None:
    method, path, body = ROUTES[name]
    assert front.app.test_client().open(path, method=method, json=body).status_code == 401


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"state": "lost"}, "state"),
        ({"min_age": "-1"}, "min_age"),
        ({"min_age": "soon"}, "min_age"),
        ({"overdue": "perhaps"}, "overdue"),
        ({"limit": "1000"}, "limit"),
        ({"assignee": "x" * 300}, "assignee"),
        ({"other": "1"}, "other"),
    ],
)
def test_a_list_is_not_asked_for_what_there_is_not(front: Front, query: dict[str, str], field: str) -> None:
    front.refuses("list_items", field, query_string=query)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-03-02T10:00:00"}, "from"),
        ({"to": "2026-13-01"}, "to"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "to"),
        ({"from": "2024-03-02", "to": "2026-03-01"}, "to"),
        ({"to": "9999-12-31"}, "to"),
        ({"to": "0001-01-05"}, "to"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "from"),
        ({"from": "9999-12-30", "to": "9999-12-31T23:59:59-14:00"}, "to"),
        ({"by": "hour"}, "by"),
    ],
)
def test_a_summary_is_of_a_period(front: Front, query: dict[str, str], field: str) -> None:
    front.refuses("summarize", field, query_string=query)


def test_the_last_thirty_days_begin_at_midnight_whatever_the_clock_did_since() -> None:
    zone = ZoneInfo("America/New_York")
    nothing = {"since": None, "until": None}
    since, until = period_of(nothing, datetime(2026, 3, 20, 12, tzinfo=zone), zone)
    assert (since, until) == (datetime(2026, 2, 19, tzinfo=zone), datetime(2026, 3, 21, tzinfo=zone))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"body": "Hi", "template": "thanks"}, "body"),
        ({"body": " "}, "body"),
        ({"body": "x" * (LONGEST_TEXT + 1)}, "body"),
        ({"body": "Hi", "to": "+12125550123"}, "to"),
    ],
)
def test_a_text_has_words_or_a_template(front: Front, body: Any, field: str) -> None:
    front.refuses("send_sms", field, json=body)


@pytest.mark.parametrize(("body", "field"), [({"resolution": "expired"}, "resolution"), ({"note": 1}, "note")])
def test_only_some_ends_are_a_persons_to_say(front: Front, body: Any, field: str) -> None:
    front.refuses("mark_handled", field, json=body)
