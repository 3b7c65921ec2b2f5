"""Twilio's routes over Flask's test client: what is answered, and what is stored before the answer."""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

from call_ingest.app import NAME
from call_ingest.journal import Journal
from call_ingest.reception import Reception
from call_ingest.routes import Webhooks
from call_ingest.signature import SignatureCheck
from call_ingest.spool import SpoolUnavailable
from ringback.businesses import Business
from ringback.errors import StoreUnavailable
from ringback.settings import Settings
from ringback.web.app import create_web
from tests.unit.fakes import ACCOUNT, CALLER, NUMBER, T0, TOKEN, Document, sample_settings

KINDS = {
    "voice": "/twilio/voice",
    "dial": "/twilio/voice/dial",
    "status": "/twilio/voice/status",
    "recording": "/twilio/voice/recording",
    "transcription": "/twilio/voice/transcription",
    "screen": "/twilio/voice/screen",
    "sms": "/twilio/sms",
    "sms_status": "/twilio/sms/status",
}
FORM = "application/x-www-form-urlencoded"
CLOSED_NOW = {"tue": ((0, 24 * 60),)}  # T0 is a Monday
OPEN_UNTIL_T0 = {"mon": ((0, 10 * 60),)}  # 15:00 UTC is 10:00 in New York
Pairs = list[tuple[str, str]]


class NoSpool:
    """A disk that is full."""

    def append(self, records: Sequence[bytes]) -> None:
        raise SpoolUnavailable("canary")

    def waiting(self) -> bool:
        return False

    def check(self) -> None:
        raise SpoolUnavailable("canary")

    def drain(self, take: Callable[[Sequence[bytes]], None]) -> int:
        return 0

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class Line:
    """A call-ingest on a list, and Twilio's end of it."""

    settings: Settings = field(default_factory=sample_settings)
    stored: list[Document] = field(default_factory=list)
    failure: Exception | None = None
    now: datetime = T0

    def __post_init__(self) -> None:
        reception = Reception(self.settings, Journal(self, NoSpool(), threading.Event()), lambda: self.now)
        check = SignatureCheck(self.settings.public_url, ACCOUNT, self.settings.twilio_auth_tokens)
        app = create_web(NAME, blueprints=(), access={}, settings=self.settings, checks={})
        app.wsgi_app = Webhooks(app.wsgi_app, check, reception.answer)  # type: ignore[method-assign]
        self.client = app.test_client()

    def insert(self, documents: Sequence[Document]) -> Mapping[str, Document]:
        if self.failure is not None:
            raise self.failure
        known = {one["_id"]: one for one in reversed(self.stored)}
        self.stored += documents
        return {one["_id"]: known[one["_id"]] for one in documents if one["_id"] in known}

    def encode(self, document: Document) -> bytes:
        return repr(document).encode()

    def take_over(self, records: Sequence[bytes]) -> None:
        raise AssertionError

    def ping(self) -> None:
        """There is always a list."""

    def post(self, target: str, params: Pairs | None = None, **changes: Any) -> TestResponse:
        """A webhook as Twilio sends it, signed unless `signature` says otherwise."""
        pairs = call(params or [])
        signature = changes.pop("signature", signed(target, pairs))
        headers = {} if signature is None else {"X-Twilio-Signature": signature}
        request: dict[str, Any] = {"data": urlencode(pairs), "content_type": FORM} | changes
        return self.client.post(target, headers=headers, **request)


def call(params: Pairs) -> Pairs:
    given = dict(params)
    base = [("CallSid", "CA1"), ("MessageSid", "SM1"), ("AccountSid", ACCOUNT), ("From", CALLER), ("To", NUMBER)]
    return [pair for pair in base if pair[0] not in given] + params


def signed(target: str, pairs: Pairs, public_url: str = "https://ring.example", token: str = TOKEN) -> str:
    form: dict[str, list[str]] = {}
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    signature: str = RequestValidator(token).compute_signature(public_url + target, _MultiForm(form))
    return signature


class _MultiForm(dict[str, list[str]]):
    def getall(self, name: str) -> list[str]:
        return self[name]


def line(**changes: Any) -> Line:
    """The demo business, changed."""
    settings = sample_settings()
    business: Business = replace(settings.businesses["demo"], **changes)
    return Line(replace(settings, businesses={"demo": business}))


def verbs(response: TestResponse) -> list[str]:
    assert response.content_type == "text/xml; charset=utf-8"
    root = ET.fromstring(response.text)  # noqa: S314 - our own text
    assert root.tag == "Response"
    return [verb.tag for verb in root]


def assert_refused(line: Line, response: TestResponse, status: int) -> None:
    """Valid empty TwiML with the status, nothing of the error, nothing stored."""
    assert response.status_code == status
    assert verbs(response) == []
    assert response.text.count("<") == 2
    assert line.stored == []


@pytest.fixture
def demo() -> Line:
    return Line()


def test_a_call_rings_the_people_of_the_business(demo: Line) -> None:
    response = demo.post("/twilio/voice")
    assert (response.status_code, verbs(response)) == (200, ["Dial"])
    assert "+15551230001" in response.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_is_stored_whole_before_it_is_answered(demo: Line, kind: str) -> None:
    params = [("Digits", "1"), ("Digits", "2"), ("CallerName", ""), ("Note", " Žofie 🎉 ")]
    target = KINDS[kind] + "?b=2&a=%27"
    assert demo.post(target, params).status_code == 200
    [document] = demo.stored
    assert document["params"] == [list(pair) for pair in call(params)]
    sid = "SM1" if kind.startswith("sms") else "CA1"
    assert (document["kind"], document["target"], document["subject"]) == (kind, target, sid)
    assert (document["business"], document["received_at"], document["pending"]) == ("demo", T0, True)


def test_a_repeated_request_is_the_same_document(demo: Line) -> None:
    demo.post("/twilio/voice")
    demo.post("/twilio/voice")
    one, other = demo.stored
    assert one["_id"] == other["_id"]


@pytest.mark.parametrize("token", ["current", "next"])
def test_a_token_can_be_rotated(token: str) -> None:
    line = Line(sample_settings(TWILIO_AUTH_TOKEN="current,next"))
    assert line.post("/twilio/voice", signature=signed("/twilio/voice", call([]), token=token)).status_code == 200
    line.stored.clear()
    assert_refused(line, line.post("/twilio/voice"), 403)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("RSOYDt4T1cUTdK1PDd93/VVr8B8=", id="wrong"),
        pytest.param(signed("/twilio/voice/", call([])), id="other path"),
        pytest.param(signed("/twilio/voice", call([]), "https://evil.example"), id="other host"),
        pytest.param(signed("/twilio/voice", call([]), "http://ring.example"), id="other scheme"),
        pytest.param(signed("/twilio/voice", [*call([]), ("a", "")]), id="other parameters"),
        pytest.param(signed("/twilio/voice", call([]), token="other"), id="other token"),
        pytest.param(signed("/twilio/voice", call([]), token=""), id="no token"),
    ],
)
def test_what_is_not_signed_changes_nothing(demo: Line, kind: str, signature: str | None) -> None:
    assert_refused(demo, demo.post(KINDS[kind], signature=signature), 403)


def test_the_host_that_was_asked_for_does_not_matter_the_configured_does(demo: Line) -> None:
    assert demo.post("/twilio/voice", base_url="https://evil.example").status_code == 200
    demo.stored.clear()
    evil = signed("/twilio/voice", call([]), "https://evil.example")
    assert_refused(demo, demo.post("/twilio/voice", signature=evil, base_url="https://evil.example"), 403)


@pytest.mark.parametrize("raw_uri", ["http:///twilio/voice", "http://[/twilio/voice", "//x://twilio/voice"])
def test_an_odd_request_line_is_refused_like_any_other(demo: Line, raw_uri: str) -> None:
    for name in ("RAW_URI", "REQUEST_URI"):
        response = demo.post("/twilio/voice", signature="x", environ_overrides={name: raw_uri})
        assert_refused(demo, response, 403)


def test_another_account_is_refused(demo: Line) -> None:
    assert_refused(demo, demo.post("/twilio/voice", [("AccountSid", "AC" + "9" * 32)]), 403)


@pytest.mark.parametrize("kind", KINDS)
def test_only_post_is_answered(demo: Line, kind: str) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert_refused(demo, demo.client.open(KINDS[kind], method=method), 405)


def test_a_path_that_is_not_there_is_answered_in_twiml(demo: Line) -> None:
    assert_refused(demo, demo.post("/twilio/voices"), 404)


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "", "text/xml"])
def test_only_a_form_and_json_are_read(demo: Line, content_type: str) -> None:
    response = demo.post("/twilio/voice", data=json.dumps(dict(call([]))), content_type=content_type)
    assert_refused(demo, response, 415)


def test_a_megabyte_is_too_much(demo: Line) -> None:
    assert_refused(demo, demo.post("/twilio/voice", [("CallToken", "x" * 1_000_000)]), 413)


def test_a_long_transcript_is_not_too_much(demo: Line) -> None:
    assert demo.post("/twilio/voice/transcription", [("TranscriptionText", "ž " * 32_000)]).status_code == 200


@pytest.mark.parametrize("body", [b"From=%FF", b"\xff\xfe", b"a=1&" * 2000, b""])
def test_a_broken_form_is_unsigned(demo: Line, body: bytes) -> None:
    assert_refused(demo, demo.post("/twilio/voice", data=body), 403)


@pytest.mark.parametrize("number", ["+15550000000", "client:Anonymous", "sip:a@b"])
def test_a_number_nobody_configured_is_kept_and_rejected(demo: Line, number: str) -> None:
    response = demo.post("/twilio/voice", [("To", number)])
    assert (response.status_code, verbs(response)) == (200, ["Reject"])
    [document] = demo.stored
    assert (document["business"], document["subject"]) == (None, "CA1")


def test_a_call_that_names_no_number_is_the_only_business_s(demo: Line) -> None:
    """As the Voice SDK's calls do."""
    assert verbs(demo.post("/twilio/voice", [("To", ""), ("Called", "")])) == ["Dial"]
    assert demo.stored[0]["business"] == "demo"


def test_a_call_that_names_no_number_is_nobodys_where_there_are_several() -> None:
    settings = sample_settings()
    business = settings.businesses["demo"]
    several = {"demo": business, "other": replace(business, key="other", numbers=("+15550000001",))}
    line = Line(replace(settings, businesses=several))
    assert verbs(line.post("/twilio/voice", [("To", "")])) == ["Reject"]
    assert line.stored[0]["business"] is None
    line.post("/twilio/sms/status?business=other", [("To", CALLER), ("From", "")])
    assert line.stored[1]["business"] == "other"


def test_a_request_without_a_call_is_kept_but_not_waited_for(demo: Line) -> None:
    assert demo.post("/twilio/voice", [("CallSid", "")]).status_code == 200
    assert demo.stored[0]["pending"] is False


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("failure", "status"),
    [(StoreUnavailable("canary"), 503), (ValueError("canary"), 500), (OSError("canary"), 500)],
)
def test_what_cannot_be_stored_is_not_accepted(demo: Line, kind: str, failure: Exception, status: int) -> None:
    demo.failure = failure
    response = demo.post(KINDS[kind])
    assert_refused(demo, response, status)
    assert "canary" not in response.text


@pytest.mark.parametrize("result", ["completed", "answered"])
def test_after_a_talk_nothing_more_is_said(demo: Line, result: str) -> None:
    assert verbs(demo.post("/twilio/voice/dial", [("DialCallStatus", result)])) == []


@pytest.mark.parametrize("result", ["no-answer", "busy", "failed", "canceled", "", "new-status"])
def test_who_was_not_answered_may_leave_a_message(demo: Line, result: str) -> None:
    answer = demo.post("/twilio/voice/dial", [("DialCallStatus", result)])
    assert "Record" in verbs(answer)
    assert demo.stored[0]["answer"] == "take_message"


def test_without_voicemail_there_is_an_apology() -> None:
    without = line(voicemail=False)
    assert verbs(without.post("/twilio/voice/dial", [("DialCallStatus", "busy")])) == ["Say", "Hangup"]
    assert without.stored[0]["answer"] == "apologize"


@pytest.mark.parametrize("changes", [{"hours": CLOSED_NOW}, {"forward_to": ()}])
def test_nobody_is_rung_when_closed_or_when_there_is_nobody(changes: dict[str, Any]) -> None:
    closed = line(**changes)
    assert "Record" in verbs(closed.post("/twilio/voice"))
    assert closed.stored[0]["answer"] == "take_message"


def test_what_was_answered_is_stored(demo: Line) -> None:
    demo.post("/twilio/voice")
    assert demo.stored[0]["answer"] == "ring"


def test_a_request_repeated_after_closing_is_answered_as_it_was(demo: Line) -> None:
    """Else the caller would hear one thing and the call log say another."""
    line = Line(replace(demo.settings, businesses={"demo": replace(_demo_of(demo), hours=OPEN_UNTIL_T0)}))
    line.now = T0 - timedelta(seconds=1)
    assert verbs(line.post("/twilio/voice")) == ["Dial"]
    line.now = T0 + timedelta(seconds=5)
    assert verbs(line.post("/twilio/voice")) == ["Dial"]
    assert "Record" in verbs(line.post("/twilio/voice", [("CallSid", "CA2")]))


def _demo_of(line: Line) -> Business:
    return line.settings.businesses["demo"]


@pytest.mark.parametrize("caller", [CALLER, "(212) 555-0123"])
def test_who_is_blocked_is_turned_away_unanswered(caller: str) -> None:
    blocking = line(blocked=frozenset({CALLER}))
    assert verbs(blocking.post("/twilio/voice", [("From", caller)])) == ["Reject"]
    assert blocking.stored[0]["answer"] == "turn_away"
    assert verbs(blocking.post("/twilio/voice", [("From", "+12125550199")])) == ["Dial"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ([], ["Gather", "Hangup"]),
        ([("Digits", "1")], []),
        ([("Digits", "2")], ["Hangup"]),
        ([("Digits", "hangup")], ["Hangup"]),
    ],
)
def test_only_who_presses_1_is_put_through(demo: Line, params: Pairs, expected: list[str]) -> None:
    leg = [("CallSid", "CA2"), ("ParentCallSid", "CA1"), ("To", "+15551230001"), *params]
    assert verbs(demo.post("/twilio/voice/screen?business=demo", leg)) == expected
    assert (demo.stored[0]["subject"], demo.stored[0]["business"]) == ("CA1", "demo")


def test_the_telephone_that_is_rung_may_be_another_business_s() -> None:
    settings = sample_settings()
    business = settings.businesses["demo"]
    other = replace(business, key="other", name="Other", numbers=("+15550000001",))
    line = Line(replace(settings, businesses={"demo": business, "other": other}))
    asked = line.post("/twilio/voice/screen?business=demo", [("To", "+15550000001"), ("ParentCallSid", "CA1")])
    assert business.name in asked.text
    assert line.stored[0]["business"] == "demo"


@pytest.mark.parametrize(
    ("seconds", "bridged", "expected"),
    [("4", "false", True), ("", "false", True), ("4", "true", False), ("4", "", False), ("75", "false", False)],
)
def test_who_was_put_through_to_a_voicemail_box_may_leave_a_message_here(
    demo: Line, seconds: str, bridged: str, expected: bool
) -> None:
    params = [("DialCallStatus", "completed"), ("DialCallDuration", seconds), ("DialBridged", bridged)]
    assert ("Record" in verbs(demo.post("/twilio/voice/dial", params))) is expected


def test_json_is_taken_when_its_hash_is_signed(demo: Line) -> None:
    body = json.dumps({"CallSid": "CA1", "To": NUMBER, "From": CALLER})
    target = "/twilio/voice?bodySHA256=" + hashlib.sha256(body.encode()).hexdigest()
    sent: dict[str, Any] = {"data": body, "content_type": "application/json"}
    assert verbs(demo.post(target, signature=signed(target, []), **sent)) == ["Dial"]
    demo.stored.clear()
    other: dict[str, Any] = {"data": body + " ", "content_type": "application/json"}
    assert_refused(demo, demo.post(target, signature=signed(target, []), **other), 403)
    assert_refused(demo, demo.post("/twilio/voice", signature=signed("/twilio/voice", []), **sent), 403)


@pytest.mark.parametrize("path", ["/twilio/sms", "/twilio/sms/status"])
def test_a_text_is_answered_with_nothing_to_say(demo: Line, path: str) -> None:
    assert verbs(demo.post(path, [("Body", "STOP"), ("MessageStatus", "unheard-of")])) == []


def test_a_status_callback_needs_no_answer(demo: Line) -> None:
    assert verbs(demo.post("/twilio/voice/status", [("CallStatus", "completed")])) == []


def test_a_message_is_thanked_for(demo: Line) -> None:
    assert verbs(demo.post("/twilio/voice/recording", [("RecordingSid", "RE1")])) == ["Say", "Hangup"]


def test_outside_twilios_routes_errors_are_problems(demo: Line) -> None:
    response = demo.client.get("/nowhere")
    assert (response.status_code, response.content_type) == (404, "application/problem+json")
