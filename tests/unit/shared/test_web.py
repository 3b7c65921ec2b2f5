"""The app factory: deny by default, problems instead of traces, tokens, health."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from flask import Blueprint, Flask, Response, jsonify, request
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from ringback.errors import (
    BusUnavailable,
    ConcurrentUpdate,
    Conflict,
    Forbidden,
    Invalid,
    InvalidSettings,
    NotFound,
    Permanent,
    RingbackError,
    StoreUnavailable,
    Unauthenticated,
)
from ringback.web.access import (
    EVERY_ROLE,
    PUBLIC,
    ROLES,
    Access,
    Principal,
    make_token,
    principal,
    read_token,
)
from ringback.web.app import create_web
from tests.unit.fakes import SECRET, sample_settings

SETTINGS = sample_settings()
CANARY = "canary +12125550123"
ACCESS: Access = {
    "things.everybody": PUBLIC,
    "things.anyone": EVERY_ROLE,
    "things.owners": frozenset({"owner"}),
    "things.fails": PUBLIC,
    "things.takes": PUBLIC,
}


def now() -> datetime:
    return datetime.now(UTC)


def things(error: Exception) -> Blueprint:
    blueprint = Blueprint("things", __name__)

    @blueprint.get("/everybody")
    def everybody() -> Response:
        return jsonify(ok=True)

    @blueprint.get("/anyone")
    def anyone() -> Response:
        caller = principal()
        return jsonify(subject=caller.subject, business=caller.business, role=caller.role)

    @blueprint.delete("/owners")
    def owners() -> Response:
        return jsonify(ok=True)

    @blueprint.get("/fails")
    def fails() -> Response:
        raise error

    @blueprint.post("/takes")
    def takes() -> Response:
        return jsonify(size=len(request.get_data()))

    return blueprint


def create(
    access: Access = ACCESS,
    error: Exception | None = None,
    checks: dict[str, Callable[[], object]] | None = None,
) -> Flask:
    return create_web(
        "things",
        blueprints=[things(error or ValueError(CANARY))],
        access=access,
        settings=SETTINGS,
        checks=checks or {},
        max_body=1000,
    )


@pytest.fixture
def client() -> FlaskClient:
    return create().test_client()


def token(role: str = "owner", seconds: float = 60, secret: str = SECRET, business: str = "demo") -> str:
    return make_token(secret, Principal("sub-1", business, role), now(), timedelta(seconds=seconds))


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims, some changed; None leaves one out."""
    whole = {
        "sub": "x",
        "business": "demo",
        "role": "owner",
        "exp": now() + timedelta(minutes=1),
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def signed(**changes: Any) -> str:
    return jwt.encode(claims(**changes), SECRET, algorithm="HS256")


def assert_problem(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    document: dict[str, Any] = json.loads(response.data)
    assert (document["status"], document["code"]) == (status, code)
    assert document["title"]
    assert document["detail"]
    assert document["request_id"] == response.headers["X-Request-Id"]
    return document


def test_a_route_that_is_missing_in_the_table_is_not_served() -> None:
    incomplete = {name: roles for name, roles in ACCESS.items() if name != "things.takes"}
    with pytest.raises(LookupError, match=r"things\.takes"):
        create(access=incomplete)


def test_without_a_secret_key_nothing_is_served() -> None:
    with pytest.raises(InvalidSettings):
        create_web(
            "things",
            blueprints=[things(ValueError())],
            access=ACCESS,
            settings=replace(SETTINGS, secret_key=None),
            checks={},
        )


def test_without_a_token_only_public_routes_answer(client: FlaskClient) -> None:
    assert client.get("/everybody").status_code == 200
    response = client.get("/anyone")
    assert_problem(response, 401, "unauthenticated")
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("role", ROLES)
def test_the_table_decides_by_role(client: FlaskClient, role: str) -> None:
    assert client.get("/anyone", headers=bearer(token(role))).json == {
        "subject": "sub-1",
        "business": "demo",
        "role": role,
    }
    response = client.delete("/owners", headers=bearer(token(role)))
    if role == "owner":
        assert response.status_code == 200
    else:
        assert_problem(response, 403, "forbidden")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic dTpw", "Token x", "bearer\tx", token(), f"Basic {token()}"]
)
def test_what_is_no_bearer_token_is_not_signed_in(client: FlaskClient, header: str) -> None:
    assert_problem(client.get("/anyone", headers={"Authorization": header}), 401, "unauthenticated")


def alg_none() -> str:
    parts = ({"alg": "none", "typ": "JWT"}, {**claims(), "exp": 9_999_999_999})
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."


def tampered() -> str:
    header, payload, signature = signed(role="staff").split(".")
    owner = signed(role="owner").split(".")[1]
    assert owner != payload
    return f"{header}.{owner}.{signature}"


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(token(seconds=-1), id="expired"),
        pytest.param(token(secret="t" * 40), id="foreign key"),
        pytest.param(alg_none(), id="alg none"),
        pytest.param(tampered(), id="tampered"),
        pytest.param(jwt.encode(claims(), SECRET * 2, algorithm="HS512"), id="other algorithm"),
        pytest.param(signed(exp=None), id="without end"),
        pytest.param(signed(sub=None), id="without subject"),
        pytest.param(signed(business=None), id="without business"),
        pytest.param(signed(role=None), id="without role"),
        pytest.param(signed(role="admin"), id="unknown role"),
        pytest.param(signed(role="*"), id="role of public routes"),
        pytest.param(signed(role=["owner"]), id="role a list"),
        pytest.param(signed(business=["demo"]), id="business a list"),
        pytest.param(signed(business={"$ne": ""}), id="business an operator"),
        pytest.param(signed(nbf=now() + timedelta(hours=1)), id="not yet valid"),
        pytest.param("a.b.c", id="no JWT"),
        pytest.param("é.ü.ñ", id="not ASCII"),
        pytest.param("." * 500, id="dots"),
        pytest.param("e30.e30.e30", id="empty objects"),
    ],
)
def test_a_token_that_is_not_ours_is_refused_without_saying_why(client: FlaskClient, bad: str) -> None:
    document = assert_problem(client.get("/anyone", headers=bearer(bad)), 401, "invalid_token")
    assert document["detail"] == "The token is not valid."


def test_a_token_of_a_business_that_is_not_served_is_refused(client: FlaskClient) -> None:
    assert_problem(client.get("/anyone", headers=bearer(token(business="gone"))), 401, "invalid_token")


@given(st.text(max_size=60))
def test_no_text_is_a_token(text: str) -> None:
    with pytest.raises(Unauthenticated):
        read_token(SECRET, text)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Invalid("m"), 422, "invalid"),
        (Invalid("m", code="too_long"), 422, "too_long"),
        (Unauthenticated("m"), 401, "unauthenticated"),
        (Forbidden("m"), 403, "forbidden"),
        (NotFound("m"), 404, "not_found"),
        (Conflict("m"), 409, "conflict"),
        (ConcurrentUpdate("m"), 409, "concurrent_update"),
        (StoreUnavailable("m"), 503, "store_unavailable"),
        (BusUnavailable("m"), 503, "bus_unavailable"),
        (Permanent("m"), 500, "permanent"),
        (RingbackError("m"), 500, "error"),
    ],
)
def test_an_error_of_ours_has_its_status_and_code(error: RingbackError, status: int, code: str) -> None:
    response = create(error=error).test_client().get("/fails")
    assert assert_problem(response, status, code)["detail"] == "m"
    assert ("Retry-After" in response.headers) == (status == 503)


def test_bad_input_names_its_fields() -> None:
    error = Invalid("Some fields are not valid.", errors={"limit": ["Not a number."]})
    document = assert_problem(create(error=error).test_client().get("/fails"), 422, "invalid")
    assert document["errors"] == {"limit": ["Not a number."]}


@pytest.mark.parametrize(
    "error", [ValueError(CANARY), KeyError(CANARY), TimeoutError(CANARY), RecursionError(CANARY)]
)
@pytest.mark.parametrize("debug", [False, True])
def test_an_unforeseen_error_shows_nothing_of_itself(error: Exception, debug: bool) -> None:
    app = create(error=error)
    app.debug = debug
    response = app.test_client().get("/fails")
    assert_problem(response, 500, "internal")
    assert "canary" not in response.text
    assert "Traceback" not in response.text
    assert type(error).__name__ not in response.text


def test_what_is_not_there_is_a_problem_too(client: FlaskClient) -> None:
    assert_problem(client.get("/nowhere"), 404, "not_found")
    response = client.post("/everybody")
    assert_problem(response, 405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_a_body_too_large_is_refused(client: FlaskClient) -> None:
    assert client.post("/takes", data=b"x" * 1000).json == {"size": 1000}
    assert_problem(client.post("/takes", data=b"x" * 1001), 413, "request_entity_too_large")


@pytest.mark.parametrize("given_id", ["abcdef12", "A-b_c.1234567890", "x" * 64])
def test_a_request_id_that_was_given_is_kept(client: FlaskClient, given_id: str) -> None:
    assert client.get("/everybody", headers={"X-Request-Id": given_id}).headers["X-Request-Id"] == given_id


@pytest.mark.parametrize("given_id", ["", "short", "x" * 65, "with blank 12", "<script>1</script>", "ü" * 10])
def test_any_other_request_id_is_replaced(client: FlaskClient, given_id: str) -> None:
    made = client.get("/everybody", headers={"X-Request-Id": given_id}).headers["X-Request-Id"]
    assert made != given_id
    assert len(made) == 16


def test_every_request_has_an_id_of_its_own(client: FlaskClient) -> None:
    ids = {client.get(path).headers["X-Request-Id"] for path in ("/everybody", "/everybody", "/nowhere", "/fails")}
    assert len(ids) == 4


def test_answers_are_not_kept_and_not_guessed_at(client: FlaskClient) -> None:
    for path in ("/everybody", "/nowhere", "/fails", "/healthz"):
        headers = client.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_alive_whatever_it_depends_on_but_ready_only_when_all_checks_pass() -> None:
    trouble: list[Exception] = []

    def mongo() -> None:
        for error in trouble:
            raise error

    client = create(checks={"mongo": mongo, "other": lambda: None}).test_client()
    assert client.get("/readyz").json == {"status": "ok", "checks": {"mongo": "ok", "other": "ok"}}
    trouble.append(StoreUnavailable(CANARY))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json == {"status": "unavailable", "checks": {"mongo": "store_unavailable", "other": "ok"}}
    assert client.get("/healthz").json == {"status": "ok"}
    trouble[:] = [ValueError(CANARY)]
    assert client.get("/readyz").json == {
        "status": "unavailable",
        "checks": {"mongo": "ValueError", "other": "ok"},
    }
