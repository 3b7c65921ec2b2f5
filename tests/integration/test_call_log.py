"""The call log on a real MongoDB: its pages, its filters, its walls, and the recordings behind it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from call_ingest import store
from call_ingest.app import create_app
from call_ingest.handlers import Folding
from call_ingest.journal import Accepted
from call_ingest.store import CALLS, INDEXES, RAW_REQUESTS
from ringback.clock import system_clock
from ringback.settings import Settings, load_settings
from ringback.store.database import Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from ringback.web.access import Principal, make_token
from tests.support.events import CALLED, CALLER, NOON, call_sid
from tests.support.fake_twilio import ACCOUNT, TOKEN, FakeTwilio

SECRET = "s" * 40
OTHER_NUMBER = "+15550001111"
RECORDING = "RE" + "a" * 32
AUDIO = bytes(range(256)) * 1000


class Log:
    """A call log with two businesses."""

    def __init__(self, database: Database, settings: Settings) -> None:
        demo = settings.businesses["demo"]
        other = replace(demo, key="other", numbers=(OTHER_NUMBER,))
        self.settings = replace(settings, businesses={"demo": demo, "other": other})
        self.database = database
        self.client: FlaskClient = create_app(self.settings, database, system_clock).test_client()

    def call(self, number: int, *webhooks: tuple[str, dict[str, str]], to: str = CALLED, **voice: str) -> str:
        """Receive and fold a call that began `number` minutes after noon."""
        sid = call_sid(number)
        at = NOON + timedelta(minutes=number)
        received = [("voice", {"CallStatus": "ringing", **voice}), *webhooks]
        for second, (kind, params) in enumerate(received):
            pairs = {"CallSid": sid, "From": CALLER, "To": to, "Direction": "inbound", **params}
            accepted = Accepted(kind, f"/twilio/voice/{kind}", list(pairs.items()))
            answer = "ring" if kind == "voice" else "take_message"
            moment = at + timedelta(seconds=second)
            request = store.raw_request(accepted, moment, self.settings.business_of(to), answer)
            self.database[RAW_REQUESTS].insert_one(request)
        work = UnitOfWork(self.database, system_clock)
        Folding(self.settings.businesses, str).fold(work, [sid], at + timedelta(minutes=1))
        work.commit()
        return sid

    def get(self, path: str, role: str = "staff", business: str = "demo", **headers: str) -> TestResponse:
        now = datetime.now(NOON.tzinfo)
        token = make_token(SECRET, Principal("test", business, role), now, timedelta(hours=1))
        return self.client.get(path, headers={"Authorization": f"Bearer {token}", **headers}, buffered=True)

    def sids(self, query: str = "") -> list[str]:
        answer = self.get(f"/calls{query}")
        assert answer.status_code == 200, answer.text
        return [item["call_sid"] for item in answer.json["items"]]  # type: ignore[index]


NO_ANSWER = ("dial", {"DialCallStatus": "no-answer"})
ANSWERED = ("dial", {"DialCallStatus": "completed", "DialBridged": "true", "DialCallDuration": "30"})
VOICEMAIL = ("recording", {"RecordingSid": RECORDING, "RecordingDuration": "12"})


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, "call-ingest")
    database.ensure_indexes(INDEXES)
    yield database
    database.close()


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    with FakeTwilio() as fake:
        yield fake


def settings_with(**environ: str) -> Settings:
    account = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN, "RINGBACK_SECRET_KEY": SECRET}
    return load_settings({**account, **environ})


@pytest.fixture
def log(database: Database, twilio: FakeTwilio) -> Log:
    return Log(database, settings_with(TWILIO_API_BASE_URL=twilio.url))


def test_calls_are_listed_newest_first_and_page_by_page(log: Log) -> None:
    sids = [log.call(number, NO_ANSWER) for number in range(5)][::-1]
    assert log.sids() == sids
    first = log.get("/calls?limit=2").json
    assert first is not None
    second = log.get(f"/calls?limit=2&cursor={first['next']}").json
    assert second is not None
    log.call(99, NO_ANSWER)
    third = log.get(f"/calls?limit=2&cursor={second['next']}").json
    assert third is not None
    pages = [item["call_sid"] for page in (first, second, third) for item in page["items"]]
    assert (pages, third["next"]) == (sids, None)


def test_a_call_of_the_list_says_how_it_ended(log: Log) -> None:
    sid = log.call(1, NO_ANSWER, VOICEMAIL, CallerName="JOHN DOE")
    [item] = log.get("/calls").json["items"]  # type: ignore[index]
    assert item["id"] == item["call_sid"] == sid
    assert (item["from"], item["from_kind"], item["to"]) == (CALLER, "landline_or_mobile", CALLED)
    assert (item["outcome"], item["reason"], item["voicemail"]) == ("missed", "no-answer", True)
    assert (item["caller_name"], item["started_at"]) == ("JOHN DOE", "2026-03-02T17:01:00.000Z")
    assert item["recordings"][0]["recording_sid"] == RECORDING


def test_the_list_is_filtered_by_outcome_number_and_time(log: Log) -> None:
    missed, answered = log.call(1, NO_ANSWER), log.call(2, ANSWERED)
    under_way, other = log.call(3), log.call(4, NO_ANSWER, From="+442079460123")
    assert log.sids("?outcome=missed") == [other, missed]
    assert log.sids("?outcome=completed") == [answered]
    assert log.sids("?outcome=open") == [under_way]
    assert log.sids("?outcome=rejected") == []
    for written in ("415-555-0123", "%2B14155550123", "(415)%20555%200123"):
        assert log.sids(f"?number={written}") == [under_way, answered, missed]
    assert log.sids("?number=%2B442079460123&outcome=missed") == [other]
    assert log.sids(f"?number=%2B{CALLED[1:]}") == [other, under_way, answered, missed]
    assert log.sids("?since=2026-03-02T17:02:00Z&until=2026-03-02T17:04:00Z") == [under_way, answered]
    assert log.sids("?since=2026-03-02T12:02:00-05:00") == [other, under_way, answered]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("outcome=lost", "outcome"),
        ("since=yesterday", "since"),
        ("until=9999-12-31T23:59:59-12:00", "until"),
        ("cursor=%00", "cursor"),
        ("limit=0", "limit"),
        ("limit=1000", "limit"),
        ("number=", "number"),
        ("unknown=1", "unknown"),
    ],
)
def test_a_bad_query_is_told_by_field(log: Log, query: str, field: str) -> None:
    answer = log.get(f"/calls?{query}")
    assert answer.status_code == 422
    assert field in answer.json["errors"]  # type: ignore[index]


@pytest.mark.parametrize("number", ["anonymous", "client:bob", "%24where", "sip:a@b", "\u0000", "%F0%9F%8E%89"])
def test_whatever_number_is_asked_for_is_only_looked_for(log: Log, number: str) -> None:
    log.call(1, NO_ANSWER)
    assert log.sids(f"?number={number}") == []


def test_why_a_call_was_missed_is_shown_webhook_by_webhook(log: Log) -> None:
    not_bridged = {"DialCallStatus": "completed", "DialBridged": "false", "DialCallDuration": "4"}
    sid = log.call(1, ("dial", not_bridged), CallToken="secret-token", Tag="a")
    shown = log.get(f"/calls/{sid}").json
    assert shown is not None
    assert shown["why"] == "Taken for a voicemail box: answered for 4 s, but the caller was not put through."
    assert [(one["kind"], one["answer"]) for one in shown["webhooks"]] == [
        ("voice", "ring"),
        ("dial", "take_message"),
    ]
    assert "nobody answered" in shown["webhooks"][1]["meaning"]
    assert ["DialBridged", "false"] in shown["webhooks"][1]["params"]
    assert "secret-token" not in log.get(f"/calls/{sid}").text


@pytest.mark.parametrize("path", ["", "/recording"])
def test_another_business_s_call_is_not_there(log: Log, path: str) -> None:
    sid = log.call(1, NO_ANSWER, VOICEMAIL, to=OTHER_NUMBER)
    assert log.get(f"/calls/{sid}{path}").status_code == 404
    assert log.sids() == []
    assert log.get(f"/calls/{sid}", business="other").status_code == 200


@pytest.mark.parametrize("role", ["owner", "staff", "service"])
@pytest.mark.parametrize("path", ["/calls", f"/calls/{call_sid(1)}", f"/calls/{call_sid(1)}/recording"])
def test_every_role_may_read_and_nobody_else(log: Log, twilio: FakeTwilio, path: str, role: str) -> None:
    twilio.add_recording(AUDIO, sid=RECORDING)
    log.call(1, NO_ANSWER, VOICEMAIL)
    assert log.get(path, role).status_code == 200
    assert log.client.get(path).status_code == 401
    assert log.client.post(path).status_code == 405


@pytest.mark.parametrize("sid", ["CA1", "%24ne", "..%2F..%2Fetc", "x" * 5000, "%00"])
def test_a_call_that_is_not_there_is_not_there(log: Log, sid: str) -> None:
    assert log.get(f"/calls/{sid}").status_code == 404


# Recordings.


def test_a_recording_is_streamed_from_twilio(log: Log, twilio: FakeTwilio) -> None:
    twilio.add_recording(AUDIO, sid=RECORDING)
    sid = log.call(1, NO_ANSWER, VOICEMAIL)
    answer = log.get(f"/calls/{sid}/recording")
    assert (answer.status_code, answer.content_type, answer.data) == (200, "audio/mpeg", AUDIO)
    assert answer.headers["Content-Length"] == str(len(AUDIO))
    part = log.get(f"/calls/{sid}/recording", Range="bytes=10-19")
    assert (part.status_code, part.data) == (206, AUDIO[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(AUDIO)}"


@pytest.mark.parametrize(
    "told",
    [
        {"RecordingUrl": "https://evil.example/2010-04-01/Accounts/AC1/Recordings/" + RECORDING},
        {"RecordingUrl": "http://169.254.169.254/latest/meta-data/" + RECORDING},
        {"RecordingUrl": "https://api.twilio.com@evil.example/" + RECORDING + "?x=#"},
    ],
)
def test_wherever_the_webhook_says_it_is_it_is_fetched_from_twilio(
    log: Log, twilio: FakeTwilio, told: dict[str, str]
) -> None:
    twilio.add_recording(AUDIO, sid=RECORDING)
    sid = log.call(1, NO_ANSWER, ("recording", told))
    assert log.get(f"/calls/{sid}/recording").data == AUDIO
    [asked] = twilio.requests
    assert asked.path == f"/2010-04-01/Accounts/{ACCOUNT}/Recordings/{RECORDING}.mp3"


@pytest.mark.parametrize("recording_sid", ["../../Calls", "RE1", RECORDING + "/../x", "http://evil.example/"])
def test_a_sid_that_is_none_leads_nowhere(log: Log, twilio: FakeTwilio, recording_sid: str) -> None:
    sid = log.call(1, NO_ANSWER, ("recording", {"RecordingSid": recording_sid}))
    assert log.get(f"/calls/{sid}/recording").status_code == 404
    assert not twilio.requests


def test_only_a_recording_of_the_call_is_given(log: Log, twilio: FakeTwilio) -> None:
    second = "RE" + "b" * 32
    for recording_sid in (RECORDING, second):
        twilio.add_recording(recording_sid.encode(), sid=recording_sid)
    sid = log.call(1, NO_ANSWER, VOICEMAIL)
    assert log.get(f"/calls/{sid}/recording?recording_sid={RECORDING}").data == RECORDING.encode()
    assert log.get(f"/calls/{sid}/recording?recording_sid={second}").status_code == 404
    assert log.get(f"/calls/{log.call(2, NO_ANSWER)}/recording").status_code == 404


def test_what_twilio_does_not_give_is_a_problem_of_ours(log: Log, twilio: FakeTwilio) -> None:
    sid = log.call(1, NO_ANSWER, VOICEMAIL)
    assert log.get(f"/calls/{sid}/recording").status_code == 404
    twilio.add_recording(b"<html>", sid=RECORDING, content_type="text/html")
    refused = log.get(f"/calls/{sid}/recording")
    assert refused.status_code == 502
    assert refused.json["code"] == "twilio_unavailable"  # type: ignore[index]


def test_without_an_account_there_is_nobody_to_ask(database: Database) -> None:
    settings = settings_with(TWILIO_ACCOUNT_SID_GENERATED="yes")
    log = Log(database, settings)
    answer = log.get(f"/calls/{log.call(1, NO_ANSWER, VOICEMAIL)}/recording")
    assert (answer.status_code, answer.json["code"]) == (404, "no_twilio_account")  # type: ignore[index]


def test_every_page_of_the_list_is_served_by_an_index(log: Log) -> None:
    log.call(1, NO_ANSWER)
    for query in ({}, {"outcome": "missed"}, {"numbers": CALLER}, {"numbers": CALLER, "outcome": "missed"}):
        plan = (
            log.database[CALLS].find({"business": "demo", **query}).sort([("started_at", -1), ("_id", -1)]).explain()
        )
        stages = str(plan["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in stages
        assert "'SORT'" not in stages


def test_what_breaks_off_at_its_beginning_is_a_problem_and_not_half_a_recording(log: Log, twilio: FakeTwilio) -> None:
    twilio.add_recording(AUDIO, sid=RECORDING)
    sid = log.call(1, NO_ANSWER, VOICEMAIL)
    twilio.break_off_next(1, 10)
    broken = log.get(f"/calls/{sid}/recording")
    assert (broken.status_code, broken.content_type) == (502, "application/problem+json")


def test_a_range_beyond_the_end_is_told_as_such(log: Log, twilio: FakeTwilio) -> None:
    twilio.add_recording(AUDIO, sid=RECORDING)
    sid = log.call(1, NO_ANSWER, VOICEMAIL)
    assert log.get(f"/calls/{sid}/recording", Range=f"bytes={len(AUDIO)}-").status_code == 416


def test_twilio_is_asked_for_a_recording_once_and_not_waited_for(log: Log, twilio: FakeTwilio) -> None:
    twilio.add_recording(AUDIO, sid=RECORDING)
    sid = log.call(1, NO_ANSWER, VOICEMAIL)
    twilio.fail_next(1, 429, retry_after=3600)
    assert log.get(f"/calls/{sid}/recording").status_code == 502
    assert len(twilio.requests) == 1
