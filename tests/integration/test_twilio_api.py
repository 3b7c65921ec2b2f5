"""TwilioApi against a Twilio over real HTTP, with its faults."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from call_ingest.twilio_api import (
    CHUNK_BYTES,
    LONGEST_PAUSE_SECONDS,
    TwilioApi,
    TwilioCall,
    TwilioMessage,
    TwilioRefused,
    TwilioUnavailable,
)
from ringback.errors import Invalid, NotFound, RingbackError
from tests.support.events import CALLED as NUMBER
from tests.support.events import CALLER
from tests.support.events import NOON as T0
from tests.support.fake_twilio import ACCOUNT, TOKEN, FakeTwilio

NOWHERE = "0" * 32
SOUND = bytes(range(256)) * 1024


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    with FakeTwilio() as twilio:
        yield twilio


class Pauses(list[float]):
    """Pauses that are noted instead of made."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def api(twilio: FakeTwilio, pauses: Pauses) -> TwilioApi:
    return api_of(twilio, pauses)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def api_of(twilio: FakeTwilio, pauses: Pauses, *tokens: str, **options: Any) -> TwilioApi:
    return TwilioApi(twilio.account_sid, tokens or (TOKEN,), twilio.url, pause=pauses, **options)


def sids(records: Any) -> list[str]:
    return [record.sid for record in records]


def paths(twilio: FakeTwilio) -> list[str]:
    return [asked.path for asked in twilio.requests]


# Records


def test_a_call_as_twilio_has_it(twilio: FakeTwilio, api: TwilioApi) -> None:
    parent = twilio.add_call(started_at=T0)
    sid = twilio.add_call(
        from_=CALLER,
        to=NUMBER,
        status="no-answer",
        direction="outbound-dial",
        started_at=T0,
        seconds=18,
        parent_sid=parent,
        caller_name="ADA",
        forwarded_from="+12125550199",
    )
    assert api.call(sid) == TwilioCall(
        sid=sid,
        parent_sid=parent,
        from_=CALLER,
        to=NUMBER,
        direction="outbound-dial",
        status="no-answer",
        started_at=T0,
        ended_at=at(18),
        duration_seconds=18,
        caller_name="ADA",
        forwarded_from="+12125550199",
    )


def test_a_call_is_asked_for_each_time(twilio: FakeTwilio, api: TwilioApi) -> None:
    sid = twilio.add_call(status="in-progress")
    assert api.call(sid).status == "in-progress"
    twilio.update(sid, status="completed", duration="7")
    assert (api.call(sid).status, api.call(sid).duration_seconds) == ("completed", 7)


def test_odd_values_are_no_values(twilio: FakeTwilio, api: TwilioApi) -> None:
    odd: dict[str, Any] = {
        "duration": "abc",
        "start_time": "yesterday",
        "end_time": 7,
        "caller_name": [],
        "from": None,
        "to": {},
    }
    call = api.call(twilio.add_call(**odd))
    assert (call.duration_seconds, call.started_at, call.ended_at, call.caller_name) == (None, None, None, None)
    assert (call.from_, call.to) == ("", "")


def test_only_the_legs_of_this_call(twilio: FakeTwilio, api: TwilioApi) -> None:
    parent, other = twilio.add_call(), twilio.add_call()
    legs = [twilio.add_call(parent_sid=parent) for _ in range(2)]
    twilio.add_call(parent_sid=other)
    assert sorted(sids(api.child_calls(parent))) == legs
    assert api.child_calls(legs[0]) == []


def test_a_message_as_twilio_has_it(twilio: FakeTwilio, api: TwilioApi) -> None:
    sid = twilio.add_message(
        from_=CALLER, to=NUMBER, body="Ahoj 🎉", sent_at=T0, media=["image/png", "audio/amr"], error_code="30006"
    )
    assert list(api.messages_between(T0, T0)) == [
        TwilioMessage(
            sid=sid,
            from_=CALLER,
            to=NUMBER,
            body="Ahoj 🎉",
            direction="inbound",
            status="received",
            error_code=30006,
            sent_at=T0,
            created_at=T0,
            media=2,
        )
    ]


def test_the_media_of_a_message(twilio: FakeTwilio, api: TwilioApi) -> None:
    sid = twilio.add_message(media=["image/png", "audio/amr"])
    media = api.media_of(sid)
    assert sorted(content_type for _, content_type in media) == ["audio/amr", "image/png"]
    assert all(media_sid.startswith("ME") for media_sid, _ in media)
    assert api.media_of(twilio.add_message(body="none")) == []


def test_a_transcription_has_a_text_or_none(twilio: FakeTwilio, api: TwilioApi) -> None:
    assert api.transcription_text(twilio.add_transcription("Hello")) == "Hello"
    assert api.transcription_text(twilio.add_transcription(None, status="failed")) is None
    assert api.transcription_text(twilio.add_transcription("")) is None


# Pages


def add_calls(twilio: FakeTwilio, n: int) -> list[str]:
    return [twilio.add_call(started_at=at(seconds)) for seconds in range(n)]


@pytest.mark.parametrize("n", [0, 1, 6, 7])
def test_all_pages_are_read_and_no_more(twilio: FakeTwilio, pauses: Pauses, n: int) -> None:
    added = add_calls(twilio, n)
    api = api_of(twilio, pauses, page_size=3)
    assert sids(api.calls_between(T0, at(60))) == added[::-1]
    assert len(twilio.requests) == max(1, -(-n // 3))


def test_a_page_is_read_when_it_is_wanted(twilio: FakeTwilio, pauses: Pauses) -> None:
    add_calls(twilio, 7)
    calls = api_of(twilio, pauses, page_size=3).calls_between(T0, at(60))
    next(calls)
    assert len(twilio.requests) == 1


def test_what_comes_meanwhile_moves_nothing(twilio: FakeTwilio, pauses: Pauses) -> None:
    added = add_calls(twilio, 7)
    calls = api_of(twilio, pauses, page_size=3).calls_between(T0, at(60))
    first = next(calls)
    twilio.add_call(started_at=at(30))
    assert sids([first, *calls]) == added[::-1]


def test_messages_come_in_pages_too(twilio: FakeTwilio, pauses: Pauses) -> None:
    added = [twilio.add_message(sent_at=at(seconds)) for seconds in range(5)]
    assert sids(api_of(twilio, pauses, page_size=2).messages_between(T0, at(60))) == added[::-1]


def test_a_page_that_fails_is_read_again_and_nothing_twice(twilio: FakeTwilio, pauses: Pauses) -> None:
    added = add_calls(twilio, 5)
    calls = api_of(twilio, pauses, page_size=2).calls_between(T0, at(60))
    first = next(calls)
    twilio.fail_next(2)
    assert sids([first, *calls]) == added[::-1]
    assert len(pauses) == 2


def test_the_window_holds_its_ends_and_not_what_is_farther(twilio: FakeTwilio, api: TwilioApi) -> None:
    def calls_and_messages(seconds: float) -> tuple[str, str]:
        return twilio.add_call(started_at=at(seconds)), twilio.add_message(sent_at=at(seconds))

    inside = [calls_and_messages(seconds) for seconds in (0, 30, 60)]
    for seconds in (-1, 62):
        calls_and_messages(seconds)
    twilio.add_call()
    twilio.add_message()
    assert sorted(sids(api.calls_between(T0, at(60)))) == [call for call, _ in inside]
    assert sorted(sids(api.messages_between(T0, at(60)))) == [message for _, message in inside]


def test_pages_that_go_round_in_a_circle_end(twilio: FakeTwilio, api: TwilioApi) -> None:
    again = b'{"calls": [], "next_page_uri": "/2010-04-01/again"}'
    twilio.answer_next(again, n=10)
    with pytest.raises(TwilioUnavailable, match="circle"):
        list(api.calls_between(T0, at(60)))
    assert len(twilio.requests) == 2


@pytest.mark.parametrize("uri", ["http://localhost:1/x", "//localhost:1/x", ".localhost/x", "@localhost:1/x"])
def test_a_next_page_cannot_choose_the_host(twilio: FakeTwilio, api: TwilioApi, uri: str) -> None:
    twilio.answer_next(b'{"calls": [], "next_page_uri": "%s"}' % uri.encode())
    with pytest.raises(NotFound):
        list(api.calls_between(T0, at(60)))
    assert len(twilio.requests) == 2


# Faults


ASK: dict[str, Callable[[TwilioApi], Any]] = {
    "call": lambda api: api.call(f"CA{NOWHERE}"),
    "recording": lambda api: api.recording(f"RE{NOWHERE}"),
    "transcription": lambda api: api.transcription_text(f"TR{NOWHERE}"),
    "media": lambda api: api.media_of(f"SM{NOWHERE}"),
}
LIST: dict[str, Callable[[TwilioApi], Any]] = {
    "calls": lambda api: list(api.calls_between(T0, at(60))),
    "messages": lambda api: list(api.messages_between(T0, at(60))),
    "children": lambda api: api.child_calls(f"CA{NOWHERE}"),
}
EVERYTHING = [pytest.param(ask, id=name) for name, ask in (ASK | LIST).items()]
Ask = Callable[[TwilioApi], Any]


@pytest.mark.parametrize("name", ASK)
def test_what_twilio_has_not_is_not_found_at_once(twilio: FakeTwilio, api: TwilioApi, name: str) -> None:
    with pytest.raises(NotFound):
        ASK[name](api)
    assert len(twilio.requests) == 1


@pytest.mark.parametrize("ask", EVERYTHING)
@pytest.mark.parametrize("status", [302, 408, 429, 500, 503])
def test_what_passes_is_tried_again_but_not_forever(
    twilio: FakeTwilio, api: TwilioApi, pauses: Pauses, ask: Ask, status: int
) -> None:
    twilio.fail_next(100, status)
    with pytest.raises(TwilioUnavailable, match=str(status)):
        ask(api)
    assert len(twilio.requests) == 4
    assert len(pauses) == 3
    assert pauses == sorted(pauses)
    assert 0 < sum(pauses) < 6


@pytest.mark.parametrize("ask", EVERYTHING)
def test_a_connection_that_breaks_is_tried_again(
    twilio: FakeTwilio, api: TwilioApi, pauses: Pauses, ask: Ask
) -> None:
    twilio.drop_next(4)
    with pytest.raises(TwilioUnavailable):
        ask(api)
    assert len(twilio.requests) == 4


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [(7, 7.0), (0, 0.0), (86400, LONGEST_PAUSE_SECONDS), ("9" * 8, LONGEST_PAUSE_SECONDS)],
)
def test_retry_after_is_heeded_within_reason(
    twilio: FakeTwilio, api: TwilioApi, pauses: Pauses, retry_after: int | str, expected: float
) -> None:
    sid = twilio.add_call()
    twilio.fail_next(status=429, retry_after=retry_after)
    assert api.call(sid).sid == sid
    assert pauses == [expected]


@pytest.mark.parametrize("retry_after", ["soon", "-5", "", "Fri, 20 Aug 2010 01:13:42 GMT"])
def test_an_odd_retry_after_is_as_none(twilio: FakeTwilio, api: TwilioApi, pauses: Pauses, retry_after: str) -> None:
    twilio.fail_next(status=429, retry_after=retry_after)
    sid = twilio.add_call()
    assert api.call(sid).sid == sid
    assert 0.5 <= pauses[0] <= 1.0


def test_silence_ends_with_the_time_out(twilio: FakeTwilio, pauses: Pauses) -> None:
    sid = twilio.add_call()
    twilio.hang_next(4)
    api = api_of(twilio, pauses, timeout_seconds=0.1, attempts=2)
    start = time.monotonic()
    with pytest.raises(TwilioUnavailable, match="ReadTimeout"):
        api.call(sid)
    with pytest.raises(TwilioUnavailable, match="ReadTimeout"):
        api.recording(f"RE{NOWHERE}")
    assert len(twilio.requests) == 4
    assert time.monotonic() - start < 5


def test_nobody_there(pauses: Pauses) -> None:
    with FakeTwilio() as gone:
        url = gone.url
    with pytest.raises(TwilioUnavailable, match="ConnectionError"):
        TwilioApi(ACCOUNT, [TOKEN], url, pause=pauses).call(f"CA{NOWHERE}")
    assert len(pauses) == 3


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"calls": 7}'])
def test_an_answer_that_is_not_twilios_is_none(twilio: FakeTwilio, api: TwilioApi, body: bytes) -> None:
    twilio.answer_next(body, n=4)
    with pytest.raises(TwilioUnavailable):
        list(api.calls_between(T0, at(60)))


@pytest.mark.parametrize("ask", EVERYTHING)
def test_a_redirect_is_not_followed(twilio: FakeTwilio, api: TwilioApi, ask: Ask) -> None:
    with FakeTwilio() as elsewhere:
        twilio.answer_next(b"", n=4, status=307, Location=f"{elsewhere.url}/2010-04-01/x")
        with pytest.raises(TwilioUnavailable, match="307"):
            ask(api)
        assert elsewhere.requests == []
    assert len(twilio.requests) == 4


@pytest.mark.parametrize("ask", EVERYTHING)
def test_a_request_that_twilio_refuses_is_not_repeated(twilio: FakeTwilio, api: TwilioApi, ask: Ask) -> None:
    twilio.fail_next(status=400)
    with pytest.raises(TwilioRefused, match="400"):
        ask(api)
    assert len(twilio.requests) == 1


def test_no_error_holds_what_twilio_said(twilio: FakeTwilio, api: TwilioApi) -> None:
    for status in (200, 400, 503):
        twilio.answer_next(f"{CALLER} says hello".encode(), n=4 if status != 400 else 1, status=status)
        with pytest.raises(RingbackError) as caught:
            api.call(f"CA{NOWHERE}")
        chain: BaseException | None = caught.value
        while chain is not None:
            assert CALLER not in str(chain)
            chain = chain.__cause__


# Tokens


@pytest.mark.parametrize("ask", [LIST["calls"], LIST["messages"], lambda api: api.recording(RECORDING).close()])
def test_the_token_that_works_is_found_and_kept(twilio: FakeTwilio, pauses: Pauses, ask: Ask) -> None:
    twilio.add_recording(SOUND, sid=RECORDING)
    api = api_of(twilio, pauses, "old", "older", TOKEN)
    ask(api)
    assert len(twilio.requests) == 3
    ask(api)
    assert len(twilio.requests) == 4
    assert pauses == []


def test_after_a_rotation_the_other_token_is_found(twilio: FakeTwilio, pauses: Pauses) -> None:
    api = api_of(twilio, pauses, TOKEN, "next")
    sid = twilio.add_call()
    api.call(sid)
    twilio.tokens = ("next",)
    assert api.call(sid).sid == sid
    assert len(twilio.requests) == 3


@pytest.mark.parametrize("ask", EVERYTHING)
@pytest.mark.parametrize("status", [401, 403])
def test_when_no_token_works_nothing_is_repeated(twilio: FakeTwilio, pauses: Pauses, ask: Ask, status: int) -> None:
    twilio.fail_next(10, status)
    with pytest.raises(TwilioRefused) as caught:
        ask(api_of(twilio, pauses, "one", "two"))
    assert caught.value.code == "twilio_refused"
    assert len(twilio.requests) == 2
    assert pauses == []


def test_the_machines_environment_changes_nothing(
    twilio: FakeTwilio, pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("TWILIO_EDGE", "sydney")
    monkeypatch.setenv("TWILIO_REGION", "au1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    twilio.add_recording(SOUND, sid=RECORDING)
    api = api_of(twilio, pauses)
    assert api.call(twilio.add_call()).status == "completed"
    api.recording(RECORDING).close()
    assert pauses == []


# Recordings


RECORDING = "RE" + "a" * 32


def test_a_recording_comes_in_small_pieces(twilio: FakeTwilio, api: TwilioApi) -> None:
    stream = api.recording(twilio.add_recording(SOUND))
    chunks = list(stream.chunks())
    assert b"".join(chunks) == SOUND
    assert max(map(len, chunks)) == CHUNK_BYTES
    assert (stream.status, stream.content_type, stream.content_length) == (200, "audio/mpeg", len(SOUND))
    assert stream.content_range is None
    assert paths(twilio) == [f"/2010-04-01/Accounts/{ACCOUNT}/Recordings/{'RE' + NOWHERE}.mp3"]
    assert twilio.requests[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("header", "part"),
    [("bytes=0-99", slice(100)), ("bytes=1000-", slice(1000, None)), ("bytes=-7", slice(-7, None))],
)
def test_a_part_of_a_recording(twilio: FakeTwilio, api: TwilioApi, header: str, part: slice) -> None:
    stream = api.recording(twilio.add_recording(SOUND), header)
    first, last, _ = part.indices(len(SOUND))
    assert b"".join(stream.chunks()) == SOUND[part]
    assert (stream.status, stream.content_length) == (206, last - first)
    assert stream.content_range == f"bytes {first}-{last - 1}/{len(SOUND)}"


@pytest.mark.parametrize("header", ["bytes=0-1,4-5", "bytes=-", "lines=1-2", "bytes=0-1\r\nX: y", "bytes=٣-", ""])
def test_another_range_gets_all_of_it(twilio: FakeTwilio, api: TwilioApi, header: str) -> None:
    stream = api.recording(twilio.add_recording(SOUND), header)
    stream.close()
    assert (stream.status, stream.content_length) == (200, len(SOUND))
    assert "Range" not in twilio.requests[0].headers


def test_a_range_beyond_the_end_is_invalid(twilio: FakeTwilio, api: TwilioApi) -> None:
    with pytest.raises(Invalid) as caught:
        api.recording(twilio.add_recording(SOUND), f"bytes={len(SOUND)}-")
    assert caught.value.code == "range_not_satisfiable"


@pytest.mark.parametrize("content_type", ["text/html", "audio", "audio/mpeg<x>", "multipart/byteranges", "video/mp4"])
def test_only_audio_passes_for_a_recording(twilio: FakeTwilio, api: TwilioApi, content_type: str) -> None:
    with pytest.raises(TwilioUnavailable, match="no recording"):
        api.recording(twilio.add_recording(b"<script>", content_type=content_type))


def test_a_recording_keeps_its_type_without_parameters(twilio: FakeTwilio, api: TwilioApi) -> None:
    stream = api.recording(twilio.add_recording(SOUND, content_type="Audio/MPEG; x=y"))
    stream.close()
    assert stream.content_type == "audio/mpeg"


@pytest.mark.parametrize("header", [None, "bytes=0-4999"])
def test_half_a_recording_never_looks_whole(twilio: FakeTwilio, api: TwilioApi, header: str | None) -> None:
    sid = twilio.add_recording(SOUND)
    twilio.break_off_next()
    chunks = api.recording(sid, header).chunks()
    with pytest.raises(TwilioUnavailable):
        list(chunks)


def test_half_a_page_is_read_again(twilio: FakeTwilio, api: TwilioApi) -> None:
    added = add_calls(twilio, 3)
    twilio.break_off_next(after=100)
    assert sids(api.calls_between(T0, at(60))) == added[::-1]


# The fake itself, asked by Twilio's library


def library(twilio: FakeTwilio, timeout: float = 5.0) -> Any:
    client = Client(ACCOUNT, TOKEN, http_client=TwilioHttpClient(timeout=timeout))
    client.api.base_url = twilio.url
    return client


def test_the_librarys_own_filters_are_understood(twilio: FakeTwilio) -> None:
    window = {"start_time_after": T0, "start_time_before": at(9)}
    wanted = twilio.add_call(from_=CALLER, to=NUMBER, status="busy", started_at=at(5))
    twilio.add_call(from_=CALLER, to=NUMBER, status="busy", started_at=at(10))
    twilio.add_call(from_=CALLER, to=NUMBER, status="completed", started_at=at(5))
    twilio.add_call(from_=NUMBER, to=NUMBER, status="busy", started_at=at(5))
    found = library(twilio).calls.list(from_=CALLER, to=NUMBER, status="busy", **window)
    assert sids(found) == [wanted]
    assert found[0].start_time == at(5)


def test_the_library_reads_all_pages(twilio: FakeTwilio) -> None:
    sent = [twilio.add_message(to=NUMBER, sent_at=at(seconds)) for seconds in range(5)]
    twilio.add_message(to=CALLER, sent_at=T0)
    found = library(twilio).messages.list(to=NUMBER, date_sent_after=T0 - timedelta(days=1), page_size=2)
    assert sids(found) == sent[::-1]


def test_a_posted_message_is_accepted_and_there(twilio: FakeTwilio) -> None:
    created = library(twilio).messages.create(to=CALLER, from_=NUMBER, body="Sorry we missed you")
    assert (created.status, created.direction, created.date_sent) == ("queued", "outbound-api", None)
    assert isinstance(created.date_created, datetime)
    assert [message["sid"] for message in twilio.accepted] == [created.sid]
    twilio.update(created.sid, status="delivered")
    assert library(twilio).messages(created.sid).fetch().status == "delivered"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"from_": NUMBER, "body": "x", "to": ""}, 21604),
        ({"from_": NUMBER, "body": "x", "to": "0123"}, 21211),
        ({"from_": "", "body": "x", "to": CALLER}, 21603),
        ({"from_": NUMBER, "body": "", "to": CALLER}, 21602),
        ({"from_": NUMBER, "body": "x" * 1601, "to": CALLER}, 21617),
    ],
)
def test_a_message_that_twilio_would_refuse(twilio: FakeTwilio, message: dict[str, str], code: int) -> None:
    with pytest.raises(TwilioRestException) as caught:
        library(twilio).messages.create(**message)
    assert (caught.value.status, caught.value.code) == (400, code)
    assert twilio.accepted == []


def test_a_refused_or_dropped_message_is_not_accepted(twilio: FakeTwilio) -> None:
    twilio.fail_next(status=400, code=21610)
    with pytest.raises(TwilioRestException) as caught:
        library(twilio).messages.create(to=CALLER, from_=NUMBER, body="x")
    assert caught.value.code == 21610
    twilio.drop_next()
    with pytest.raises(requests.ConnectionError):
        library(twilio).messages.create(to=CALLER, from_=NUMBER, body="x")
    assert twilio.accepted == []


def test_a_message_may_be_accepted_in_silence(twilio: FakeTwilio) -> None:
    twilio.time_out_after_accepting()
    assert library(twilio).messages.list() == []
    with pytest.raises(requests.ReadTimeout):
        library(twilio, timeout=0.2).messages.create(to=CALLER, from_=NUMBER, body="x")
    assert sids(library(twilio).messages.list()) == [message["sid"] for message in twilio.accepted]
    assert len(twilio.accepted) == 1


def test_a_hanging_twilio_answers_at_last(twilio: FakeTwilio) -> None:
    twilio.hang_next(seconds=0.01)
    assert library(twilio).calls.list() == []


def test_a_misspelt_filter_and_a_foreign_account_are_refused(twilio: FakeTwilio) -> None:
    def status(path: str, **params: str) -> int:
        url = f"{twilio.url}/2010-04-01/Accounts/{path}"
        return requests.get(url, params=params, auth=(ACCOUNT, TOKEN), timeout=5).status_code

    assert status(f"{ACCOUNT}/Calls.json", StartTimeAfter="2026-03-02") == 400
    assert status(f"{ACCOUNT}/Calls.json", **{"StartTime>": "yesterday"}) == 400
    assert status(f"{ACCOUNT}/Calls.json", Page="1") == 400
    assert status(f"{ACCOUNT}/Calls.json") == 200
    assert status(f"AC{NOWHERE}/Calls.json") == 404
