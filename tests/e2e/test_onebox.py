"""The product from outside: `ringback up`, signed webhooks, customers."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from pymongo import MongoClient
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from call_ingest.journal import raw_request_id
from onebox.simulate.model import SMS
from onebox.simulate.plan import Plan
from ringback.phone import identify
from tests.support.box import Box, read_ledger
from tests.support.events import CALLED, call_sid
from tests.support.waiting import eventually

CALLER = "+14155550123"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    box = Box(tmp_path_factory.mktemp("box"))
    box.start()
    yield box
    box.close()


@pytest.fixture(scope="module")
def token(box: Box) -> str:
    return box.token()


def test_a_missed_call_is_on_its_customers_timeline_within_a_second(box: Box, token: str) -> None:
    params = box.call(call_sid(1), CALLER, CallerName="ANNA SMITH")
    answer = box.post("/twilio/voice", params)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    assert "<Dial" in answer.text
    assert "+15551230001" in answer.text
    result = box.post("/twilio/voice/dial", {**params, "DialCallStatus": "no-answer"})
    assert "<Record" in result.text
    [missed] = eventually(lambda: _missed_calls(box, token, "415 555-0123"), seconds=1.0)
    assert missed == {"name": "ANNA SMITH", "phone": CALLER, "reason": "no-answer"}


def _missed_calls(box: Box, token: str, number: str) -> list[dict[str, Any]]:
    """Those on the timelines of whom the number finds."""
    found = box.get(f"/customers?q={number}", token)["items"]
    profiles = [box.get(f"/customers/{customer['id']}", token) for customer in found]
    return [
        {"name": profile["name"], "phone": profile["phone"], "reason": entry["reason"]}
        for profile in profiles
        for entry in profile["timeline"]
        if (entry["kind"], entry["outcome"]) == ("call", "missed")
    ]


def test_the_token_command_prints_the_token_and_nothing_else(box: Box) -> None:
    result = box.run("token", "--business", "demo", "--role", "staff")
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.split()) == 1
    assert box.get("/customers?q=nobody", result.stdout.strip())["items"] == []


def test_a_second_run_of_the_same_simulation_has_no_second_effect(box: Box, token: str) -> None:
    arguments = ("simulate", "--calls", "200", "--seed", "7", "--json")
    known = {customer["phone"] for customer in _settled(box, token)}
    first = box.run(*arguments)
    assert first.returncode == 0, first.stdout + first.stderr
    eventually(lambda: sum(c["total_calls"] for c in box.customers(token)) >= 200)
    before = _settled(box, token)
    plan = Plan(200, 7, (CALLED,), box.secret("twilio_account_sid"))
    assert {customer["phone"] for customer in before} == {None} | known | _callers(plan) | _senders(plan)
    assert box.run(*arguments).returncode == 0
    assert _settled(box, token) == before


def _callers(plan: Plan) -> set[str | None]:
    return {call.identity for call in plan.each_call()} - {None}


def _senders(plan: Plan) -> set[str | None]:
    """Who texted the business, over WhatsApp too, from a number that says who they are."""
    texts = [step for planned in plan for step in planned.steps if step.path == SMS and CALLED in step.first("To")]
    return {identify(text.first("From"), "US").e164 for text in texts} - {None}


def _settled(box: Box, token: str) -> list[dict[str, Any]]:
    """All customers once nothing waits any more."""
    with MongoClient[dict[str, Any]](box.mongo_url) as client:
        eventually(lambda: not _waiting(client))
    return box.customers(token)


def _waiting(client: MongoClient[dict[str, Any]]) -> int:
    """What is in motion, and calls that time will end."""
    open_calls = {"due_at": {"$ne": None}, "outcome": None}
    return _in_motion(client) + client["ringback_call_ingest"]["calls"].count_documents(open_calls)


def _in_motion(client: MongoClient[dict[str, Any]]) -> int:
    return sum(
        (
            client["ringback_call_ingest"]["raw_requests"].count_documents({"pending": True}),
            client["ringback_call_ingest"]["outbox"].count_documents({}),
            client["ringback_customer"]["outbox"].count_documents({}),
            client["ringback"]["bus_messages"].count_documents({}),
        )
    )


def _everything(client: MongoClient[dict[str, Any]]) -> dict[str, int]:
    """How many documents there are of each kind; leases come and go by themselves."""
    return {
        f"{database}.{name}": client[database][name].count_documents({})
        for database in sorted(client.list_database_names())
        if database.startswith("ringback")
        for name in sorted(client[database].list_collection_names())
        if name != "leases"
    }


FORM = "application/x-www-form-urlencoded"
BAD_REQUESTS = {
    "unsigned": ("POST", "/twilio/voice", b"CallSid=CA1", {"Content-Type": FORM}, 403),
    "wrongly signed": (
        "POST",
        "/twilio/voice",
        b"CallSid=CA1",
        {"Content-Type": FORM, "X-Twilio-Signature": "x"},
        403,
    ),
    "empty signature": (
        "POST",
        "/twilio/voice",
        b"CallSid=CA1",
        {"Content-Type": FORM, "X-Twilio-Signature": ""},
        403,
    ),
    "no body": ("POST", "/twilio/voice", b"", {"Content-Type": FORM, "X-Twilio-Signature": "x"}, 403),
    "GET for POST": ("GET", "/twilio/voice", None, {}, 405),
    "JSON without its hash": ("POST", "/twilio/voice", b"{}", {"Content-Type": "application/json"}, 403),
    "no content type": ("POST", "/twilio/voice", b"CallSid=CA1", {}, 415),
    "1 MB": (
        "POST",
        "/twilio/voice",
        b"a=" + b"x" * 1_000_000,
        {"Content-Type": FORM, "X-Twilio-Signature": "x"},
        413,
    ),
    "invalid UTF-8": (
        "POST",
        "/twilio/voice",
        b"a=\xff%ff",
        {"Content-Type": FORM, "X-Twilio-Signature": "x"},
        403,
    ),
    "many fields": (
        "POST",
        "/twilio/voice",
        b"a=&" * 5000,
        {"Content-Type": FORM, "X-Twilio-Signature": "x"},
        403,
    ),
    "unknown path": ("POST", "/twilio/voice/nothing", b"a=1", {"Content-Type": FORM}, 404),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_what_is_not_from_twilio_changes_nothing_and_gets_empty_twiml(box: Box, name: str) -> None:
    method, path, body, headers, status = BAD_REQUESTS[name]
    with MongoClient[dict[str, Any]](box.mongo_url) as client:
        eventually(lambda: not _waiting(client), seconds=30)
        before = _everything(client)
        answer = requests.request(method, box.url + path, data=body, headers=headers, timeout=15)
        assert answer.status_code == status
        assert answer.text == '<?xml version="1.0" encoding="UTF-8"?><Response />'
        assert answer.headers["Content-Type"].startswith("text/xml")
        assert _everything(client) == before


def test_a_request_signed_for_another_url_account_or_body_changes_nothing(box: Box) -> None:
    params = box.call(call_sid(50), "+14155550150")
    answers = [
        box.post("/twilio/voice?x=1", params, signature=_signature(box, "/twilio/voice", params)),
        box.post("/twilio/voice", {**params, "From": "+14155550151"}, _signature(box, "/twilio/voice", params)),
        box.post("/twilio/voice", {**params, "AccountSid": "AC" + "0" * 32}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    with MongoClient[dict[str, Any]](box.mongo_url) as client:
        assert client["ringback_call_ingest"]["raw_requests"].count_documents({"subject": call_sid(50)}) == 0


def _signature(box: Box, path: str, params: dict[str, str]) -> str:
    return str(RequestValidator(box.secret("twilio_auth_token")).compute_signature(box.url + path, params))


def test_repeated_and_blank_parameters_are_signed_and_kept_as_they_came(box: Box) -> None:
    params = [*box.call(call_sid(60), "+14155550160").items(), ("CallerName", ""), ("Tag", "b"), ("Tag", "a")]
    validator = RequestValidator(box.secret("twilio_auth_token"))
    signature = validator.compute_signature(box.url + "/twilio/voice", MultiDict(params))
    answer = requests.post(
        box.url + "/twilio/voice", data=params, headers={"X-Twilio-Signature": signature}, timeout=15
    )
    assert answer.status_code == 200
    with MongoClient[dict[str, Any]](box.mongo_url) as client:
        [stored] = client["ringback_call_ingest"]["raw_requests"].find({"subject": call_sid(60)})
    assert [tuple(pair) for pair in stored["params"]] == params


def test_a_call_to_a_number_that_nobody_configured_is_kept_and_rejected(box: Box) -> None:
    answer = box.post("/twilio/voice", box.call(call_sid(70), CALLER, To="+15550009999"))
    assert (answer.status_code, "<Reject" in answer.text) == (200, True)
    with MongoClient[dict[str, Any]](box.mongo_url) as client:
        assert client["ringback_call_ingest"]["raw_requests"].count_documents({"subject": call_sid(70)}) == 1
    assert '"event": "webhook.unknown_number"' in box.log.read_text()


def test_api_errors_are_problems_with_a_code(box: Box, token: str) -> None:
    problem = box.get("/customers/unknown", token)
    assert (problem["status"], problem["code"]) == (404, "not_found")
    assert box.get("/customers?limit=many", token)["errors"] == {"limit": ["Not a valid integer."]}
    assert box.get("/customers", "no token")["code"] == "invalid_token"
    assert box.get("/nothing", token)["status"] == 404


@pytest.mark.timeout(180)
def test_kill_9_of_everything_in_the_middle_of_a_simulation_loses_nothing_that_was_answered(
    tmp_path: Path,
) -> None:
    box, ledger = Box(tmp_path), tmp_path / "ledger.jsonl"
    box.start()
    try:
        simulation = box.start_command(
            "simulate", "--calls", "1500", "--seed", "9", "--ledger", str(ledger), "--concurrency", "8"
        )
        eventually(lambda: ledger.exists() and len(ledger.read_text().splitlines()) > 400, seconds=60)
        box.kill()
        simulation.communicate(timeout=100)
        answered = list(read_ledger(ledger))
        box.start()
        token = box.token()
        with MongoClient[dict[str, Any]](box.mongo_url) as client:
            stored = client["ringback_call_ingest"]["raw_requests"]
            ids = {raw_request_id(line["path"], line["params"]) for line in answered}
            assert stored.count_documents({"_id": {"$in": list(ids)}}) == len(ids)
            eventually(lambda: not _in_motion(client), seconds=60)
        calls = Counter(box.timeline_calls(token))
        assert {line["call_sid"] for line in answered if line["call_sid"]} <= set(calls)
        assert set(calls.values()) == {1}
    finally:
        box.close()


@pytest.mark.timeout(120)
def test_a_mongod_that_dies_under_the_box_is_started_again(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.start()
    try:
        token = box.token()
        mongod = box._mongod_pid()
        assert mongod is not None
        os.kill(mongod, signal.SIGKILL)
        params = box.call(call_sid(1), CALLER)
        eventually(lambda: box.post("/twilio/voice", params).ok, seconds=30)
        eventually(lambda: box.get("/customers", token).get("total") == 1, seconds=30)
    finally:
        assert box.stop() == 0


@pytest.mark.timeout(120)
def test_the_same_simulation_passes_on_rabbitmq(tmp_path: Path, rabbit_url: str) -> None:
    box = Box(tmp_path, RINGBACK_BUS_URL=rabbit_url)
    box.start()
    try:
        result = box.run("simulate", "--calls", "100", "--seed", "7", "--json")
        assert result.returncode == 0, result.stdout + result.stderr
        token = box.token()
        eventually(lambda: sum(c["total_calls"] for c in box.customers(token)) == 100, seconds=20)
    finally:
        assert box.stop() == 0


def test_a_missing_or_malformed_setting_stops_the_start_with_one_message_that_names_all(
    tmp_path: Path,
) -> None:
    box = Box(tmp_path, RINGBACK_PUBLIC_URL="ftp://x", RINGBACK_CONFIG="/nowhere.toml")
    result = box.run("up")
    assert result.returncode == 1
    assert "RINGBACK_PUBLIC_URL" in result.stderr
    assert "RINGBACK_CONFIG" in result.stderr
    assert "Traceback" not in result.stderr


def test_no_number_and_no_secret_stands_in_the_log(box: Box) -> None:
    text = box.log.read_text()
    assert box.secret("twilio_auth_token") not in text
    assert CALLER not in text
    logged = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert logged


@pytest.mark.timeout(120)
def test_a_frozen_mongod_of_a_killed_box_keeps_the_next_one_from_nothing(tmp_path: Path) -> None:
    """It was told to stop when its parent died, and cannot hear."""
    box = Box(tmp_path)
    box.start()
    mongod = box._mongod_pid()
    assert mongod is not None
    try:
        os.kill(mongod, signal.SIGSTOP)
        box._end(signal.SIGKILL)
        box.start()
        assert box.post("/twilio/voice", box.call(call_sid(1), CALLER)).status_code == 200
    finally:
        box.close()
