"""The API of leads refuses what it must before anything is looked up or written."""

import base64
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from pipeline.app import create_app
from pipeline.routes import ACCESS, MOST_DAYS
from pipeline.schemas import LONGEST_REASON, MOST_CARDS, OLDEST_DAYS, FunnelQuery
from ringback.clock import system_clock
from ringback.web.access import ROLES, Principal, make_token
from tests.unit.fakes import SECRET, T0, MemoryDatabase, sample_settings

ROUTES: dict[str, tuple[str, str, Any]] = {
    "leads.board": ("GET", "/leads", None),
    "leads.show": ("GET", "/leads/x", None),
    "leads.funnel": ("GET", "/leads/funnel", None),
    "leads.move_stage": ("POST", "/customers/x/move-stage", {"stage": "contacted"}),
}


# JSON that is nested deeper than Python reads it.
DEEP = base64.urlsafe_b64encode(b"[" * 1500).decode()


class Untouchable(MemoryDatabase):
    """Nothing may be asked of it."""

    def __getitem__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for.")

    def ping(self) -> None:
        """What readiness asks."""


class Front:
    def __init__(self) -> None:
        self.app = create_app(sample_settings(), Untouchable().as_database(), lambda: T0)

    def send(self, name: str, role: str | None = "owner", query: str = "", **request: Any) -> TestResponse:
        method, path, _ = ROUTES[name]
        headers = {}
        if role is not None:
            token = make_token(SECRET, Principal("olga", "demo", role), system_clock(), timedelta(hours=1))
            headers = {"Authorization": f"Bearer {token}"}
        return self.app.test_client().open(f"{path}{query}", method=method, headers=headers, **request)

    def refuses(self, name: str, field: str, **request: Any) -> None:
        answer = self.send(name, **request)
        assert answer.status_code == 422, answer.text
        assert answer.content_type == "application/problem+json"
        assert answer.json is not None
        assert (answer.json["code"], list(answer.json["errors"])) == ("invalid", [field])


@pytest.fixture(scope="module")
def front() -> Front:
    return Front()


def test_every_route_of_leads_is_in_the_table(front: Front) -> None:
    rules = {rule.endpoint for rule in front.app.url_map.iter_rules() if rule.endpoint.startswith("leads.")}
    assert rules == set(ACCESS) == set(ROUTES)
    assert all(ACCESS[name] == frozenset(ROLES) for name in ROUTES)


@pytest.mark.parametrize("name", ROUTES)
def test_who_is_not_signed_in_sees_nothing(front: Front, name: str) -> None:
    assert front.send(name, role=None, json=ROUTES[name][2]).status_code == 401


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("stage", {}),
        ("stage", {"stage": "won"}),
        ("stage", {"stage": None}),
        ("stage", {"stage": {"$ne": "lost"}}),
        ("lost_reason", {"stage": "contacted", "lost_reason": "Too expensive"}),
        ("lost_reason", {"stage": "lost", "lost_reason": "x" * (LONGEST_REASON + 1)}),
        ("lost_reason", {"stage": "lost", "lost_reason": "two\nlines"}),
        ("after", {"stage": "lost", "after": {"$gt": ""}}),
        ("before", {"stage": "lost", "before": 7}),
        ("version", {"stage": "lost", "version": "1"}),
        ("version", {"stage": "lost", "version": 1.5}),
        ("actor", {"stage": "lost", "actor": "somebody else"}),
    ],
)
def test_a_move_that_makes_no_sense_is_refused_with_the_field(front: Front, field: str, body: Any) -> None:
    front.refuses("leads.move_stage", field, json=body)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"lost"'])
def test_a_body_that_is_no_object_is_refused(front: Front, body: bytes) -> None:
    answer = front.send("leads.move_stage", data=body, content_type="application/json")
    assert answer.status_code in {400, 422}


@pytest.mark.parametrize(
    ("field", "query"),
    [
        ("stage", "stage=won"),
        ("stage", "cursor=abc"),
        ("limit", "limit=0"),
        ("limit", f"limit={MOST_CARDS + 1}"),
        ("min_age", "min_age=-1"),
        ("max_age", "max_age=soon"),
        ("max_age", f"max_age={OLDEST_DAYS + 1}"),
        ("source", "source="),
        ("segment", f"segment={'x' * 51}"),
        ("q", f"q={'x' * 201}"),
        ("colour", "colour=red"),
        ("cursor", "stage=lost&cursor=abc"),
        ("cursor", f"stage=lost&cursor={DEEP}"),
    ],
)
def test_a_board_that_cannot_be_is_refused_with_the_field(front: Front, field: str, query: str) -> None:
    front.refuses("leads.board", field, query=f"?{query}")


@pytest.mark.parametrize(
    ("field", "query"),
    [
        ("from", "from=yesterday"),
        ("from", "from=2026-13-01"),
        ("from", "from=2026-01-01T00:00:00"),
        ("to", "to=2026"),
        ("to", "from=2026-02-01&to=2026-01-01"),
        ("to", "from=2026-02-01&to=2026-02-01"),
        ("to", "from=2020-01-01&to=2026-01-01"),
        ("from", "from=0001-01-01T00:00:00%2B23:59"),
        ("to", "to=0001-01-05"),
        ("source", "source="),
        ("until", "until=2026-01-01"),
    ],
)
def test_a_period_that_cannot_be_is_refused_with_the_field(front: Front, field: str, query: str) -> None:
    front.refuses("leads.funnel", field, query=f"?{query}")


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_first_and_the_last_day_there_is_are_refused_like_any_other(front: Front, day: str) -> None:
    front.refuses("leads.funnel", "to", query=f"?from={day}")
    assert MOST_DAYS.days == 366


@given(text=st.text(max_size=40) | st.datetimes().map(str) | st.dates().map(str))
def test_a_moment_is_a_day_a_time_in_utc_or_refused(text: str) -> None:
    schema = FunnelQuery()
    errors = schema.validate({"from": text})
    assert set(errors) <= {"from"}
    if not errors:
        moment = schema.load({"from": text})["since"]
        assert moment == (moment.astimezone(UTC) if isinstance(moment, datetime) else date.fromisoformat(text))
