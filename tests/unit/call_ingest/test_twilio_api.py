"""What Twilio's REST API says is read without trust, and nothing is sent for what cannot be."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_ingest.twilio_api import (
    TwilioApi,
    TwilioRefused,
    TwilioUnavailable,
    call_of,
    message_of,
    moment,
    records_of,
    second,
    whole_number,
    window,
)
from ringback.errors import NotFound
from tests.unit.fakes import ACCOUNT, CALLER, T0, TOKEN

SID_OF = {kind: kind + "0123456789abcdef" * 2 for kind in ("CA", "SM", "MM", "RE", "TR", "ME")}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=3,
)
CALL_FIELDS = ["sid", "parent_call_sid", "from", "to", "direction", "status", "start_time", "end_time", "duration"]
MESSAGE_FIELDS = ["sid", "from", "to", "body", "direction", "status", "error_code", "date_sent", "num_media"]


def odd_records(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), JSON)


@given(odd_records(CALL_FIELDS))
def test_no_call_is_too_odd_to_read(payload: dict[str, Any]) -> None:
    call = call_of(payload)
    assert isinstance(call.sid, str)
    assert isinstance(call.duration_seconds, int | None)


@given(odd_records(MESSAGE_FIELDS))
def test_no_message_is_too_odd_to_read(payload: dict[str, Any]) -> None:
    message = message_of(payload)
    assert isinstance(message.body, str)
    assert message.media >= 0


@given(st.text(st.sampled_from("0123456789:,+- MonTueJanFebGMT")) | st.text())
def test_no_date_is_too_odd_to_read(text: str) -> None:
    read = moment(text)
    assert read is None or read.utcoffset() == timedelta(0)


@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001 - zoned below
    st.integers(min_value=-12, max_value=14),
)
def test_a_date_comes_back_in_utc(naive: datetime, hours: int) -> None:
    at = naive.replace(microsecond=0, tzinfo=timezone(timedelta(hours=hours)))
    read = moment(format_datetime(at))
    assert read == at
    assert read is not None
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Mon, 02 Mar 2026 15:00:00 +0000", T0),
        ("Mon, 02 Mar 2026 15:00:00 -0000", T0),
        ("Mon, 02 Mar 2026 16:00:00 +0100", T0),
        ("2026-03-02T15:00:00Z", None),
        ("Mon, 42 Mar 2026 15:00:00 +0000", None),
        ("Mon, 99999999999999999999 Mar 2026 15:00:00 +0000", None),
        ("Fri, 31 Dec 9999 23:59:59 -1400", None),
        ("", None),
        (None, None),
        (1772463600, None),
    ],
)
def test_dates(value: object, expected: datetime | None) -> None:
    assert moment(value) == expected


@pytest.fixture
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


def test_a_date_without_a_zone_is_not_in_the_machines(far_from_utc: None) -> None:
    assert moment("Mon, 02 Mar 2026 15:00:00 -0000") == T0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[("12", 12), (12, 12), ("0", 0), ("abc", None), ("-5", None), ("1.5", None), ("", None), (None, None)],
        *[(True, None), ("٣", None), ("12\n", None), ("9" * 5000, None)],
    ],
)
def test_numbers(value: object, expected: int | None) -> None:
    assert whole_number(value) == expected


def test_records_without_a_sid_are_left_out() -> None:
    page = {"calls": [{"sid": "CA1"}, {"sid": None}, {}, "CA2", None, {"sid": ""}]}
    assert records_of(page, "calls") == [{"sid": "CA1"}]


@pytest.mark.parametrize("page", [{}, {"calls": None}, {"calls": {"sid": "CA1"}}, {"messages": []}])
def test_what_is_no_page_is_not_taken_for_an_empty_one(page: dict[str, Any]) -> None:
    with pytest.raises(TwilioUnavailable):
        records_of(page, "calls")


def test_a_window_is_in_whole_seconds_of_utc_and_leaves_none_out() -> None:
    start = datetime(2026, 3, 2, 10, 0, 0, 900_000, timezone(timedelta(hours=-5)))
    assert window("StartTime", start, start + timedelta(seconds=30)) == {
        "StartTime>": "2026-03-02T15:00:00Z",
        "StartTime<": "2026-03-02T15:00:31Z",
    }
    assert second(T0) == "2026-03-02T15:00:00Z"


def test_a_record_in_a_log_shows_nobody() -> None:
    private = {
        "from": CALLER,
        "to": "+15558675310",
        "body": "my secret",
        "caller_name": "ADA",
        "forwarded_from": CALLER,
    }
    shown = repr(call_of(private)) + repr(message_of(private))
    assert not any(value in shown for value in private.values())


ASK: dict[str, tuple[str, Callable[[TwilioApi, str], object]]] = {
    "call": ("CA", lambda api, sid: api.call(sid)),
    "child_calls": ("CA", lambda api, sid: api.child_calls(sid)),
    "media_of": ("SM", lambda api, sid: api.media_of(sid)),
    "transcription_text": ("TR", lambda api, sid: api.transcription_text(sid)),
    "recording": ("RE", lambda api, sid: api.recording(sid)),
}


def shapeless(kind: str) -> list[str]:
    sid = SID_OF[kind]
    other = SID_OF["ME"]
    odd = ["", kind, other, sid[:-1], sid + "0", sid.lower(), sid + "\n", f" {sid}", sid[:-1] + "٣", sid[:-1] + "g"]
    return [
        *odd,
        f"../{sid}",
        f"{sid}/../{sid}",
        f"//evil.example/{sid}",
        f"{sid}?x=1",
        f"{sid}#",
        f"@{sid}",
        f"{sid}%2f",
    ]


@pytest.mark.parametrize("ask", ASK)
def test_a_sid_of_another_shape_is_not_there_and_sends_nothing(ask: str) -> None:
    kind, method = ASK[ask]
    api = TwilioApi(ACCOUNT, [TOKEN], "http://127.0.0.1:1")  # in a unit test a socket is an error
    for sid in shapeless(kind):
        with pytest.raises(NotFound):
            method(api, sid)


def test_without_a_token_nothing_is_asked() -> None:
    with pytest.raises(TwilioRefused):
        TwilioApi(ACCOUNT, []).call(SID_OF["CA"])
