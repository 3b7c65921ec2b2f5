"""The onebox with an account at Twilio: what it missed it asks for, what was recorded it fetches."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import requests

from ringback.clock import system_clock
from tests.support.box import Box
from tests.support.events import CALLED, call_sid
from tests.support.fake_twilio import ACCOUNT, TOKEN, FakeTwilio
from tests.support.waiting import eventually

CALLER = "+14155550199"
RECORDING = "RE" + "c" * 32


@pytest.fixture(scope="module")
def twilio() -> Iterator[FakeTwilio]:
    with FakeTwilio() as fake:
        yield fake


@pytest.fixture(scope="module")
def box(twilio: FakeTwilio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    environ = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_API_BASE_URL": twilio.url}
    box = Box(tmp_path_factory.mktemp("account"), **environ)
    box.start()
    yield box
    box.close()


def test_what_was_missed_is_brought_in_by_hand(box: Box, twilio: FakeTwilio) -> None:
    started = system_clock() - timedelta(hours=2)
    sid = twilio.add_call(started_at=started, seconds=25, from_=CALLER, to=CALLED)
    twilio.add_call(parent_sid=sid, direction="outbound-dial", started_at=started, seconds=0, status="no-answer")
    dry = box.run("reconcile", "--since", "24h", "--dry-run")
    assert (dry.returncode, f"unknown_call  {sid}" in dry.stdout) == (0, True), dry.stderr
    report = box.run("reconcile", "--since", "24h", "--json")
    assert report.returncode == 0, report.stderr
    told = json.loads(report.stdout)
    assert ([gap["sid"] for gap in told["gaps"]], told["repaired"]) == ([sid], 1)
    token = box.token()
    eventually(lambda: outcome_of(box, token, sid) == ("missed", "no-answer"), seconds=30)
    eventually(lambda: box.get("/customers?q=4155550199", token)["items"], seconds=10)
    assert json.loads(box.run("reconcile", "--json").stdout)["gaps"] == []


def outcome_of(box: Box, token: str, sid: str) -> tuple[str | None, str | None]:
    call = box.get(f"/calls/{sid}", token)
    return call.get("outcome"), call.get("reason")


def test_a_voicemail_is_listened_to_through_the_call_log(box: Box, twilio: FakeTwilio) -> None:
    audio = bytes(range(256)) * 4000
    twilio.add_recording(audio, sid=RECORDING)
    params = {**box.call(call_sid(1), CALLER), "RecordingSid": RECORDING, "RecordingDuration": "9"}
    token = box.token("staff")
    assert box.post("/twilio/voice", box.call(call_sid(1), CALLER)).ok
    assert "<Say>" in box.post("/twilio/voice/recording", params).text
    eventually(lambda: box.get(f"/calls/{call_sid(1)}", token).get("recordings"), seconds=10)
    headers = {"Authorization": f"Bearer {token}"}
    heard = requests.get(f"{box.url}/calls/{call_sid(1)}/recording", headers=headers, timeout=15)
    assert (heard.status_code, heard.headers["Content-Type"], heard.content) == (200, "audio/mpeg", audio)


def test_a_wrong_token_is_said_so(box: Box) -> None:
    box.environ["TWILIO_AUTH_TOKEN"], right = "wrong", box.environ["TWILIO_AUTH_TOKEN"]
    try:
        refused = box.run("reconcile")
    finally:
        box.environ["TWILIO_AUTH_TOKEN"] = right
    assert refused.returncode == 1
    assert "Twilio takes none of the tokens" in refused.stderr
    assert "Traceback" not in refused.stderr
