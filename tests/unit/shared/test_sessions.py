"""Sessions of people: the short cookie, what it may and may not stand for, and the CSRF tokens made of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from flask import Blueprint, Flask, Response, jsonify
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from ringback.web.access import Access, Principal, make_token, principal
from ringback.web.app import create_web
from ringback.web.sessions import SHORT, cookie_name, csrf_token, forget_session, is_csrf_token, set_session
from tests.unit.fakes import SECRET, T0, sample_settings
from tests.unit.signed_in import CSRF, OLGA, STEFAN, cookie_of

PEOPLE = frozenset({"owner", "staff"})
ACCESS: Access = {"things.show": PEOPLE, "things.change": PEOPLE, "things.owners": frozenset({"owner"})}
NAME = "__Host-ringback_session"


def things() -> Blueprint:
    routes = Blueprint("things", __name__)

    @routes.get("/things")
    def show() -> Response:
        who = principal()
        return jsonify(subject=who.subject, business=who.business, role=who.role)

    @routes.route("/things", methods=["POST", "PUT", "PATCH", "DELETE"])
    def change() -> Response:
        return jsonify(changed=True)

    @routes.get("/owners")
    def owners() -> Response:
        return jsonify(ok=True)

    return routes


@pytest.fixture
def app() -> Flask:
    return create_web("things", blueprints=[things()], access=ACCESS, settings=sample_settings(), checks={})


def ask(app: Flask, cookie: str = "", method: str = "GET", path: str = "/things", **kwargs: Any) -> TestResponse:
    headers = {"Cookie": cookie, **kwargs.pop("headers", {})}
    return app.test_client(use_cookies=False).open(path, method=method, headers=headers, **kwargs)


def signed(secret: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    """A session's cookie, some of its claims changed; None leaves one out."""
    claims = {
        "aud": "session",
        "sid": OLGA.id,
        "sub": "Olga",
        "business": "demo",
        "role": "owner",
        "exp": datetime.now(UTC) + timedelta(minutes=1),
        **changes,
    }
    whole = {name: value for name, value in claims.items() if value is not None}
    return f"{NAME}={jwt.encode(whole, secret, algorithm=algorithm)}"


def test_a_session_stands_for_who_signed_in(app: Flask) -> None:
    assert ask(app, cookie_of()).json == {"subject": "Olga", "business": "demo", "role": "owner"}


def test_roles_are_checked_as_a_tokens(app: Flask) -> None:
    assert ask(app, cookie_of(OLGA), path="/owners").status_code == 200
    assert ask(app, cookie_of(STEFAN), path="/owners").status_code == 403


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param(cookie_of(now=datetime.now(UTC) - SHORT - timedelta(seconds=1)), id="expired"),
        pytest.param(cookie_of(secret="t" * 40), id="another key"),
        pytest.param(signed(SECRET * 2, "HS512"), id="another algorithm"),
        pytest.param(signed(aud=None), id="no audience"),
        pytest.param(signed(aud="first-owner"), id="another audience"),
        pytest.param(signed(exp=None), id="no end"),
        pytest.param(signed(sid=None), id="no id"),
        pytest.param(signed(role=None), id="no role"),
        pytest.param(signed(business="gone"), id="a business that is not served"),
        pytest.param(f"{NAME}=a.b.c", id="no JWT"),
        pytest.param(f"{NAME}={'é' * 20}", id="not ASCII"),
        pytest.param(f"{NAME}=", id="empty"),
        pytest.param("", id="none"),
        pytest.param(cookie_of(secure=False), id="without the prefix of this host"),
    ],
)
def test_what_is_no_session_of_ours_is_refused(app: Flask, cookie: str) -> None:
    assert ask(app, cookie).status_code == 401


def test_an_unsigned_cookie_is_refused(app: Flask) -> None:
    none = jwt.encode({"aud": "session", "sid": "s", "sub": "x", "business": "demo", "role": "owner"}, None, "none")
    assert ask(app, f"{NAME}={none}").status_code == 401


def test_an_api_token_is_no_session_and_a_session_no_api_token(app: Flask) -> None:
    token = make_token(SECRET, Principal("Olga", "demo", "owner"), datetime.now(UTC), timedelta(minutes=1))
    assert ask(app, f"{NAME}={token}").status_code == 401
    session = cookie_of().partition("=")[2]
    assert ask(app, headers={"Authorization": f"Bearer {session}"}).status_code == 401
    assert ask(app, headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_bad_token_is_not_mended_by_a_good_session(app: Flask) -> None:
    assert ask(app, cookie_of(), headers={"Authorization": "Bearer x"}).status_code == 401


def test_a_cookie_is_for_this_host_no_script_and_no_other_site() -> None:
    response = Response()
    set_session(response, SECRET, OLGA, T0, secure=True)
    forget_session(response, secure=True)
    for cookie in response.headers.getlist("Set-Cookie"):
        name, flags = cookie.partition("=")[0], set(cookie.split("; ")[1:])
        assert name == NAME
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= flags
        assert not [flag for flag in flags if flag.startswith("Domain")]


def test_without_https_a_cookie_has_no_prefix_that_browsers_would_refuse() -> None:
    assert cookie_name("x", secure=False) == "x"


# CSRF.


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_changes_something_needs_the_sessions_token(app: Flask, method: str) -> None:
    cookie = cookie_of()
    assert ask(app, cookie, method, headers={"X-CSRF-Token": CSRF}).status_code == 200
    assert ask(app, cookie, method, data={"csrf_token": CSRF}).status_code == 200
    refused = ask(app, cookie, method)
    assert (refused.status_code, refused.json and refused.json["code"]) == (403, "csrf")


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param(csrf_token(SECRET, STEFAN.id), id="another session's"),
        pytest.param(csrf_token("t" * 40, OLGA.id), id="another key's"),
        pytest.param(CSRF[:-1], id="cut off"),
        pytest.param(CSRF.upper(), id="in capitals"),
        pytest.param(OLGA.id, id="the id"),
    ],
)
def test_another_token_is_refused(app: Flask, token: str) -> None:
    places: tuple[dict[str, Any], ...] = ({"headers": {"X-CSRF-Token": token}}, {"data": {"csrf_token": token}})
    for where in places:
        assert ask(app, cookie_of(), "POST", **where).status_code == 403


def test_a_token_in_the_address_counts_for_nothing(app: Flask) -> None:
    assert ask(app, cookie_of(), "POST", f"/things?csrf_token={CSRF}").status_code == 403


def test_who_sends_an_api_token_needs_none(app: Flask) -> None:
    token = make_token(SECRET, Principal("Olga", "demo", "owner"), datetime.now(UTC), timedelta(minutes=1))
    assert ask(app, method="POST", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_head_and_options_change_nothing_and_need_none(app: Flask) -> None:
    for method in ("HEAD", "OPTIONS"):
        assert ask(app, cookie_of(), method).status_code == 200
        assert ask(app, "", method).status_code == 401


@given(st.text(), st.text())
def test_no_text_is_a_csrf_token(session_id: str, given_token: str) -> None:
    assert not is_csrf_token(SECRET, session_id, given_token)
    assert is_csrf_token(SECRET, session_id, csrf_token(SECRET, session_id))
