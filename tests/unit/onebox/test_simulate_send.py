"""Signing, sending and reporting; the network is played by a transport in this process."""

import json
from collections import Counter
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from threading import Barrier
from typing import Protocol
from urllib.parse import parse_qsl

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.exceptions import ConnectionError as NoConnection
from twilio.request_validator import RequestValidator
from urllib3.exceptions import MaxRetryError, NewConnectionError, ReadTimeoutError
from werkzeug.datastructures import MultiDict

from onebox.simulate.command import simulate
from onebox.simulate.faults import TWINNED
from onebox.simulate.ledger import Ledger
from onebox.simulate.model import SMS, SMS_STATUS, STATUS, VOICE, Call, Planned, Webhook
from onebox.simulate.plan import Plan
from onebox.simulate.run import run
from onebox.simulate.sender import CONNECT_ONCE_MORE, Sender
from onebox.simulate.sign import Signer, signed_base
from onebox.simulate.twiml import is_twiml

BASE_URL = "http://127.0.0.1:8080"
TOKEN = "12345"
NUMBERS = ("+15558675310",)
ACCOUNT = "AC" + "0" * 32
TWIML = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
REPEATED = (("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234"), ("Sid", "CA123"), ("SidAccount", "AC123"))
CALLING = Webhook(VOICE, (("CallSid", "CA1"), ("CallerName", "Žofie & co +1"), ("FromCity", "")))


class Twin(BaseAdapter):
    """Answers like Ringback, or as the test says, in place of the network; keeps what it received."""

    def __init__(self, status: int, body: bytes, public_url: str) -> None:
        super().__init__()
        self.status, self.body, self.public_url = status, body, public_url
        self.received: list[tuple[str, tuple[tuple[str, str], ...]]] = []

    def send(self, request: PreparedRequest, *_: object, **__: object) -> Response:
        params = tuple(parse_qsl(str(request.body), keep_blank_values=True, strict_parsing=True))
        self.received.append((request.path_url, params))
        return self._response(request, self.status if self._is_genuine(request, params) else 403)

    def close(self) -> None:
        """Nothing is open."""

    def _is_genuine(self, request: PreparedRequest, params: tuple[tuple[str, str], ...]) -> bool:
        url, signature = self.public_url + request.path_url, request.headers["X-Twilio-Signature"]
        return bool(RequestValidator(TOKEN).validate(url, MultiDict(params), signature))

    def _response(self, request: PreparedRequest, status: int) -> Response:
        response = Response()
        response.status_code, response.raw = status, BytesIO(self.body)
        response.request, response.url = request, str(request.url)
        response.headers["Location"] = "/elsewhere"
        return response


class Nobody(Twin):
    """Nobody listens."""

    def send(self, request: PreparedRequest, *_: object, **__: object) -> Response:
        raise NoConnection(request=request)


class Serve(Protocol):
    def __call__(
        self, status: int = 200, body: bytes = TWIML, public_url: str = BASE_URL, kind: type[Twin] = Twin
    ) -> Twin: ...


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Senders that are made from here on reach the returned twin."""

    def start(status: int = 200, body: bytes = TWIML, public_url: str = BASE_URL, kind: type[Twin] = Twin) -> Twin:
        twin = kind(status, body, public_url)
        monkeypatch.setattr("onebox.simulate.sender.HTTPAdapter", lambda **_: twin)
        return twin

    return start


def plan(calls: int, seed: int) -> list[Planned]:
    return list(Plan(calls, seed, NUMBERS, ACCOUNT))


def test_signs_like_twilio() -> None:
    """Vector computed with twilio-python 9.13.0; the blank and the unicode count too."""
    params = (("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675309"), ("Digits", "1234"))
    webhook = Webhook("/myapp.php?foo=1&bar=2", (*params, ("From", "+14158675309"), ("To", "+18005551212")))
    assert Signer("https://mycompany.com", TOKEN).sign(webhook) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_signs_repeated_names_like_twilio() -> None:
    """Twilio's own vector: unique values, sorted."""
    webhook = Webhook("/myapp.php?foo=1&bar=2", REPEATED)
    assert Signer("https://mycompany.com", TOKEN).sign(webhook) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="


@given(
    st.integers(),
    st.sampled_from(["http://127.0.0.1:8080", "https://crm.example.com", "https://a.example:8443/x"]),
)
def test_every_planned_webhook_validates(seed: int, public_url: str) -> None:
    signer, validator = Signer(public_url, TOKEN), RequestValidator(TOKEN)
    for planned in plan(8, seed):
        for step in planned.steps:
            assert validator.validate(public_url + step.path, MultiDict(step.params), signer.sign(step))
            assert not validator.validate(public_url + "/other", MultiDict(step.params), signer.sign(step))


@pytest.mark.parametrize(
    ("public_url", "path", "signed"),
    [
        ("https://user:pass@crm.example.com:8443/", VOICE, "https://crm.example.com"),
        ("https://user:pass@crm.example.com:8443/", SMS, "https://crm.example.com:8443"),
        ("https://crm.example.com:8443", SMS_STATUS, "https://crm.example.com:8443"),
        ("https://[::1]:8443", STATUS, "https://[::1]"),
        ("http://user@127.0.0.1:8080", VOICE, "http://127.0.0.1:8080"),
        ("https://crm.example.com/hooks#rc=3", VOICE, "https://crm.example.com/hooks"),
    ],
)
def test_signs_the_address_as_twilio_reduces_it(public_url: str, path: str, signed: str) -> None:
    assert signed_base(public_url, path) == signed


def test_what_is_sent_arrives_unchanged(serve: Serve) -> None:
    twin = serve()
    with Sender(BASE_URL, TOKEN) as sender:
        answer = sender.post(CALLING)
    assert (answer.outcome, answer.ok) == ("200", True)
    assert twin.received == [(VOICE, CALLING.params)]


def test_the_signature_is_over_the_public_address(serve: Serve) -> None:
    serve(public_url="https://crm.example.com")
    with Sender(BASE_URL, TOKEN, "https://crm.example.com") as sender:
        assert sender.post(CALLING).ok
    with Sender(BASE_URL, TOKEN) as sender:
        assert sender.post(CALLING).outcome == "403"


@pytest.mark.parametrize("status", [302, 404, 429, 500, 503])
def test_a_refusal_is_reported_and_not_repeated(serve: Serve, status: int) -> None:
    twin = serve(status)
    with Sender(BASE_URL, TOKEN) as sender:
        answer = sender.post(CALLING)
    assert (answer.outcome, answer.ok) == (str(status), False)
    assert len(twin.received) == 1


def test_nobody_listening_is_reported(serve: Serve) -> None:
    serve(kind=Nobody)
    with Sender(BASE_URL, TOKEN) as sender:
        answer = sender.post(CALLING)
    assert (answer.outcome, answer.ok) == ("ConnectionError", False)


def test_only_a_failed_connect_is_tried_again_and_once() -> None:
    """What may have reached the server is not repeated, or its duplicates would be the simulator's."""
    connecting = NewConnectionError(None, "refused")  # type: ignore[arg-type]  # urllib3 only quotes it
    once_more = CONNECT_ONCE_MORE.increment("POST", VOICE, error=connecting)
    with pytest.raises(MaxRetryError):
        once_more.increment("POST", VOICE, error=connecting)
    with pytest.raises(ReadTimeoutError):
        CONNECT_ONCE_MORE.increment("POST", VOICE, error=ReadTimeoutError(None, VOICE, "late"))  # type: ignore[arg-type]  # as above
    assert not CONNECT_ONCE_MORE.is_retry("POST", 503, has_retry_after=True)


def test_twiml_is_due_to_a_caller_and_to_who_writes_but_not_to_a_status(serve: Serve) -> None:
    serve(body=b"")
    with Sender(BASE_URL, TOKEN) as sender:
        assert not sender.post(CALLING).ok
        assert not sender.post(Webhook(SMS, CALLING.params)).ok
        assert sender.post(Webhook(SMS_STATUS, CALLING.params)).ok
        assert sender.post(Webhook(STATUS, CALLING.params)).ok


@pytest.mark.parametrize("body", [b"", b"OK", b"<Response>", b"<html/>", b" " + TWIML, b"<Response/>" + b" " * 65536])
def test_what_twilio_would_not_take_is_no_twiml(body: bytes) -> None:
    assert not is_twiml(body)
    assert is_twiml(TWIML)


def test_a_run_sends_every_webhook_once_and_its_copies(serve: Serve) -> None:
    planned = plan(60, 5)
    expected = [(step.path, step.params) for one in planned for step in one.steps for _ in range(step.copies)]
    progress: list[None] = []
    twin = serve()
    with Sender(BASE_URL, TOKEN) as sender:
        summary = run(planned, sender, on_call=lambda: progress.append(None))
    assert sorted(twin.received) == sorted(expected)
    assert (summary.calls, len(progress), summary.ok) == (60, 60, True)
    assert summary.webhooks == len(expected) == summary.answers["200"]
    assert summary.duplicates == len(expected) - len(set(expected)) > 0
    assert sum(summary.scenarios.values()) == 60


def test_a_run_counts_who_called_what_was_written_and_what_was_odd(serve: Serve) -> None:
    planned = plan(60, 5)
    calls = [one for one in planned if isinstance(one, Call)]
    serve()
    with Sender(BASE_URL, TOKEN) as sender:
        summary = run(planned, sender)
    assert summary.distinct_callers == len({call.identity for call in calls if call.identity})
    assert summary.messages == len({step.message_sid for one in planned for step in one.steps} - {""}) > 0
    assert summary.oddities == Counter(oddity for one in planned for oddity in one.oddities)


def test_the_steps_of_a_call_keep_their_order(serve: Serve) -> None:
    planned = plan(30, 5)
    twin = serve()
    with Sender(BASE_URL, TOKEN) as sender:
        run(planned, sender)
    for call in planned:
        if isinstance(call, Call):
            arrived = [path for path, params in twin.received if ("CallSid", call.call_sid) in params]
            assert arrived == [step.path for step in call.steps for _ in range(step.copies)]


def test_copies_are_under_way_at_the_same_moment(serve: Serve) -> None:
    """Each copy waits for the other: one after the other they would never pass the barrier."""
    twins = [planned for planned in plan(100, 5) if TWINNED in planned.faults][:1]
    step = next(step for step in twins[0].steps if step.copies == 2)
    meet = Barrier(2)

    class Meeting(Twin):
        def send(self, request: PreparedRequest, *_: object, **__: object) -> Response:
            meet.wait(timeout=10)
            return super().send(request)

    serve(kind=Meeting)
    with Sender(BASE_URL, TOKEN) as sender:
        summary = run([replace(twins[0], steps=(step,))], sender)
    assert (summary.webhooks, summary.ok) == (2, True)


def test_a_rate_holds_the_calls_back(serve: Serve) -> None:
    serve()
    with Sender(BASE_URL, TOKEN) as sender:
        summary = run(plan(6, 1), sender, rate=50)
    assert summary.elapsed_seconds >= 5 / 50


def test_texts_do_not_slow_the_calls_down(serve: Serve) -> None:
    serve()
    texts = [planned for planned in plan(80, 1) if not isinstance(planned, Call)]
    with Sender(BASE_URL, TOKEN) as sender:
        assert run(texts, sender, rate=0.1).elapsed_seconds < 10


def test_the_ledger_holds_what_was_accepted_and_nothing_else(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    for status, kind in ((200, Twin), (200, Nobody), (500, Twin)):
        serve(status, kind=kind)
        with Ledger(file) as ledger, Sender(BASE_URL, TOKEN, ledger=ledger) as sender:
            sender.post(CALLING)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    params = [list(pair) for pair in CALLING.params]
    assert lines == [{"call_sid": "CA1", "message_sid": "", "path": VOICE, "params": params, "status": 200}]


def test_the_ledger_keeps_repeated_names_and_the_sids_of_texts(serve: Serve, tmp_path: Path) -> None:
    file, webhook = tmp_path / "ledger.jsonl", Webhook(SMS, (("SmsSid", "SM1"), *REPEATED))
    serve()
    with Ledger(file) as ledger, Sender(BASE_URL, TOKEN, ledger=ledger) as sender:
        assert sender.post(webhook).ok
    line = json.loads(file.read_text())
    assert (line["call_sid"], line["message_sid"]) == ("", "SM1")
    assert tuple(tuple(pair) for pair in line["params"]) == webhook.params


def invoke(*options: str) -> tuple[int, str]:
    given_credentials = ("--account-sid", ACCOUNT, "--auth-token", TOKEN)
    result = CliRunner().invoke(simulate, [*given_credentials, *options])
    return result.exit_code, result.stdout


def test_the_command_reports_as_json(serve: Serve) -> None:
    serve()
    code, out = invoke("--calls", "20", "--seed", "5", "--base-url", BASE_URL, "--json")
    report = json.loads(out)
    assert (code, report["ok"], report["seed"], report["calls"]) == (0, True, 5, 20)
    assert {
        "scenarios",
        "messages",
        "oddities",
        "duplicates",
        "out_of_order",
        "distinct_callers",
        "withheld",
        "p99_ms",
    } <= report.keys()


def test_the_command_leaves_the_oddities_out_when_asked(serve: Serve) -> None:
    serve()
    options = ("--calls", "40", "--seed", "5", "--base-url", BASE_URL, "--json")
    assert json.loads(invoke(*options)[1])["oddities"]
    code, out = invoke(*options, "--no-oddities")
    assert (code, json.loads(out)["oddities"], json.loads(out)["calls"]) == (0, {}, 40)


def test_the_command_reports_in_words_and_fails_when_refused(serve: Serve) -> None:
    serve(public_url="https://elsewhere.example")
    code, out = invoke("--calls", "5", "--seed", "5", "--base-url", BASE_URL)
    assert code == 1
    assert "5 calls (seed 5)" in out
    assert "NOT ACCEPTED" in out
    assert "403 means" in out


@pytest.mark.parametrize(
    "options", [("--calls", "0"), ("--calls", "1000001"), ("--base-url", "ftp://x"), ("--rate", "0")]
)
def test_the_command_refuses_what_makes_no_sense(options: tuple[str, ...]) -> None:
    assert invoke(*options)[0] == 2


def test_without_options_the_data_folder_and_the_settings_decide(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "twilio_auth_token").write_text(TOKEN)
    for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "RINGBACK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))
    monkeypatch.setenv("RINGBACK_PUBLIC_URL", BASE_URL)
    twin = serve()
    result = CliRunner().invoke(simulate, ["--calls", "3", "--recent", "--no-oddities"])
    assert result.exit_code == 0, result.output
    account = (tmp_path / "secrets" / "twilio_account_sid").read_text()
    assert {dict(params)["AccountSid"] for _, params in twin.received} == {account}
    assert {dict(params).get("To", "+15558675310") for _, params in twin.received} == {"+15558675310"}
