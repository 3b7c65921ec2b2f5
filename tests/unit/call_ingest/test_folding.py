"""Raw requests → calls and events, through the real unit of work on a database in memory."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_ingest import store
from call_ingest.domain import ASK_AFTER, LONGEST_CALL, SETTLE
from call_ingest.handlers import Folding
from call_ingest.journal import Accepted
from call_ingest.store import CALLS, MESSAGES, RAW_REQUESTS
from ringback.contracts.envelope import Event, decode
from ringback.errors import Permanent
from ringback.store.database import OUTBOX
from tests.unit.fakes import CALLER, NUMBER, T0, Document, MemoryDatabase, at, sample_settings

BUSINESSES = sample_settings().businesses
PATHS = {"voice": "/twilio/voice", "sms": "/twilio/sms", "sms_status": "/twilio/sms/status"}
MESSAGE, REQUEST = "SM" + "1" * 32, "4dfe8a5e"
STAFF = "+15551230001"
TRANSCRIPTION = "TR" + "1" * 32


def request(kind: str, seconds: float = 0, call: str = "CA1", to: str = NUMBER, **params: str) -> Document:
    pairs = [("CallSid", call), ("From", CALLER), ("To", to), *params.items()]
    business = "demo" if to == NUMBER else None
    return stored(kind, seconds, pairs, "ring" if kind == "voice" else "take_message", business)


def stored(
    kind: str,
    seconds: float,
    params: list[tuple[str, str]],
    answer: str = "nothing",
    business: str | None = "demo",
    query: str = "",
) -> Document:
    webhook = Accepted(kind, PATHS.get(kind, f"/twilio/voice/{kind}") + query, params)
    return store.raw_request(webhook, at(seconds), BUSINESSES[business] if business else None, answer)


def text(body: str, seconds: float = 0, **params: str) -> Document:
    told = {"MessageSid": MESSAGE, "SmsStatus": "received", "From": CALLER, "To": NUMBER, "Body": body} | params
    return stored("sms", seconds, list(told.items()))


def text_status(status: str, seconds: float = 0, **params: str) -> Document:
    """Of a text of ours, told to the address that the notifier gave Twilio."""
    told = {"MessageSid": MESSAGE, "MessageStatus": status, "From": NUMBER, "To": CALLER} | params
    return stored("sms_status", seconds, list(told.items()), query=f"?business=demo&request_id={REQUEST}")


def live(event: str, sequence: int, seconds: float, **params: str) -> Document:
    told = {"CallSid": "CA1", "TranscriptionSid": "GT1", "TranscriptionEvent": event, "SequenceId": str(sequence)}
    return stored("transcription", seconds, list((told | params).items()))


def sentence(sequence: int, words: str, seconds: float) -> Document:
    data = json.dumps({"transcript": words, "confidence": 0.5})
    return live("transcription-content", sequence, seconds, TranscriptionData=data, Track="inbound_track")


def voicemail(words: str, seconds: float = 8) -> Document:
    named = {"RecordingSid": "RE1", "TranscriptionSid": TRANSCRIPTION, "TranscriptionStatus": "completed"}
    return request("transcription", seconds, TranscriptionText=words, **named)


def of_the_leg(seconds: float, business: str | None = "demo") -> Document:
    """The telephone that is rung was picked up."""
    leg = {"CallSid": "CA2", "ParentCallSid": "CA1", "From": CALLER, "To": STAFF, "Direction": "outbound-dial"}
    return stored("screen", seconds, list(leg.items()), "screen", business, "?business=demo")


def missed_call(call: str) -> list[Document]:
    return [
        request("voice", 0, call),
        request("dial", 5, call, DialCallStatus="no-answer"),
        request("status", 6, call, CallStatus="completed"),
    ]


def fold(database: MemoryDatabase, now: datetime, *calls: str) -> None:
    work = database.work(now)
    Folding(BUSINESSES, str).fold(work, calls or ("CA1",), now)
    work.commit()


def events(database: MemoryDatabase) -> list[Event]:
    return [decode(row["body"]) for row in database.documents(OUTBOX).values()]


def told(database: MemoryDatabase, event_type: str) -> Event:
    [event] = [event for event in events(database) if event.type == event_type]
    return event


def call_of(database: MemoryDatabase) -> Document:
    return database.documents(CALLS)["CA1"]


def types(database: MemoryDatabase) -> list[str]:
    return sorted(event.type for event in events(database))


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase()


def test_a_call_becomes_a_document_and_events(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, *missed_call("CA1"))
    fold(database, at(6))
    call = database.documents(CALLS)["CA1"]
    assert (call["business"], call["outcome"], call["reason"]) == ("demo", "missed", "no-answer")
    assert (call["started_at"], call["due_at"]) == (T0, None)
    assert types(database) == ["call.missed", "call.started"]
    assert {event.subject for event in events(database)} == {"CA1"}
    assert call["told"] == sorted(event.id for event in events(database))


def test_what_was_folded_is_not_pending_any_more(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, *missed_call("CA1"), *missed_call("CA2"))
    fold(database, at(6), "CA1")
    pending = {row["subject"] for row in database.documents(RAW_REQUESTS).values() if row["pending"]}
    assert pending == {"CA2"}


def test_folding_again_tells_nothing_and_changes_nothing(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, *missed_call("CA1"))
    fold(database, at(6))
    before = json.dumps(database.collections, default=str)
    fold(database, at(7))
    fold(database, T0 + LONGEST_CALL * 2)
    assert json.dumps(database.collections, default=str) == before


def test_what_was_told_and_relayed_is_not_told_again(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, *missed_call("CA1"))
    fold(database, at(6))
    database.documents(OUTBOX).clear()
    database.insert(RAW_REQUESTS, request("status", 8, CallStatus="completed", SequenceNumber="1"))
    fold(database, at(8))
    assert types(database) == []


def test_a_call_to_nobody_is_only_put_aside(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, request("voice", to="+15550000000"))
    fold(database, at(0))
    assert database.documents(CALLS) == {}
    assert events(database) == []
    assert not any(row["pending"] for row in database.documents(RAW_REQUESTS).values())


def test_a_webhook_without_a_number_belongs_to_the_call_it_names(database: MemoryDatabase) -> None:
    bare = request("dial", 5, to="", DialCallStatus="busy")
    database.insert(RAW_REQUESTS, bare, request("voice"))
    fold(database, at(5))
    assert database.documents(CALLS)["CA1"]["reason"] == "busy"


@given(
    st.permutations(missed_call("CA1") + missed_call("CA2")),
    st.lists(st.integers(0, 3), min_size=6, max_size=6),
)
def test_any_order_and_any_batches_end_in_the_same_calls_and_events(
    requests: list[Document], batches: list[int]
) -> None:
    """`received_at` is part of the request here, so even the documents have to be equal."""
    whole, piecemeal = MemoryDatabase(), MemoryDatabase()
    whole.insert(RAW_REQUESTS, *requests)
    fold(whole, at(30), "CA1", "CA2")
    for one, repeats in zip(requests, batches, strict=True):
        piecemeal.insert(RAW_REQUESTS, one)
        for _ in range(repeats):
            fold(piecemeal, at(7), one["subject"])
    fold(piecemeal, at(30), "CA1", "CA2")
    assert shown(piecemeal) == shown(whole)


def shown(database: MemoryDatabase) -> tuple[list[dict[str, Any]], dict[str, str]]:
    concluded = [*database.documents(CALLS).values(), *database.documents(MESSAGES).values()]
    told = {event.id: event.type for event in events(database)}
    return sorted(({**one, "version": None} for one in concluded), key=lambda one: str(one["_id"])), told


def test_time_alone_ends_a_call(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, request("voice"), request("status", 3, CallStatus="completed"))
    fold(database, at(3))
    assert database.documents(CALLS)["CA1"]["due_at"] == at(3) + SETTLE
    fold(database, at(3) + SETTLE)
    assert database.documents(CALLS)["CA1"]["reason"] == "abandoned"
    assert types(database) == ["call.missed", "call.started"]


@pytest.mark.parametrize(
    ("raw", "kind", "caller"),
    [
        ("+12125550123", "landline_or_mobile", "+12125550123"),
        ("(212) 555-0123", "landline_or_mobile", "+12125550123"),
        ("+7378742833", "withheld", "+7378742833"),
        ("anonymous", "withheld", "anonymous"),
        ("", "withheld", ""),
        ("client:bob", "client", "client:bob"),
    ],
)
def test_the_caller_is_told_in_e164_or_as_it_came(database: MemoryDatabase, raw: str, kind: str, caller: str) -> None:
    database.insert(RAW_REQUESTS, request("voice", From=raw) | {"params": [["CallSid", "CA1"], ["From", raw]]})
    fold(database, at(0))
    [started] = events(database)
    assert (started.data["caller_kind"], started.data["caller"]) == (kind, caller)


def test_a_call_of_a_business_that_is_gone_is_neither_dropped_nor_guessed(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, request("voice") | {"business": "gone"})
    with pytest.raises(Permanent):
        fold(database, at(0))
    assert all(row["pending"] for row in database.documents(RAW_REQUESTS).values())


def test_who_was_told_of_first_stays_the_caller_of_the_call(database: MemoryDatabase) -> None:
    blank = request("status", 0, CallStatus="in-progress")
    blank["params"] = [pair for pair in blank["params"] if pair[0] != "From"]
    database.insert(RAW_REQUESTS, blank)
    fold(database, at(60), "CA1")
    database.insert(RAW_REQUESTS, request("dial", 70, DialCallStatus="busy"))
    fold(database, at(70), "CA1")
    callers = {(one.type, one.data["caller_kind"]) for one in events(database)}
    assert callers == {("call.started", "withheld"), ("call.missed", "withheld")}


def test_of_a_call_in_the_log_stands_all_that_was_concluded(database: MemoryDatabase) -> None:
    recorded = request("recording", 7, RecordingSid="RE1", RecordingDuration="12")
    database.insert(RAW_REQUESTS, *missed_call("CA1"), recorded, voicemail("Call me back."))
    fold(database, at(8))
    call = call_of(database)
    assert call["numbers"] == sorted([CALLER, NUMBER])
    assert (call["caller"], call["called"], call["started_at"], call["ended_at"]) == (CALLER, NUMBER, T0, at(5))
    assert call["recordings"] == [{"sid": "RE1", "seconds": 12, "at": at(7)}]
    [transcript] = call["transcripts"]
    assert (transcript["text"], transcript["recording_sid"]) == ("Call me back.", "RE1")
    assert (call["why"], call["voicemail"]) == ("Nobody answered: ringing ended with no-answer.", True)
    assert (call["due_at"], call["ask_at"], call["asked"], call["missing"]) == (None, None, 0, [])
    assert types(database) == ["call.missed", "call.recorded", "call.started", "call.transcribed"]


def test_of_an_answered_call_stands_how_long_it_was(database: MemoryDatabase) -> None:
    database.insert(
        RAW_REQUESTS, request("voice"), request("dial", 40, DialCallStatus="completed", DialCallDuration="9")
    )
    fold(database, at(40))
    call = call_of(database)
    assert (call["outcome"], call["reason"], call["duration_seconds"]) == ("completed", None, 9)
    assert (call["recordings"], call["transcripts"], call["voicemail"]) == ([], [], False)


def test_a_call_that_is_open_has_no_end(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, request("voice"))
    fold(database, at(0))
    call = call_of(database)
    assert [call[name] for name in ("outcome", "reason", "why", "ended_at", "duration_seconds")] == [None] * 5
    assert call["due_at"] == T0 + LONGEST_CALL


def test_who_withheld_the_number_is_found_by_the_one_called(database: MemoryDatabase) -> None:
    blank = request("voice")
    blank["params"] = [pair for pair in blank["params"] if pair[0] != "From"]
    database.insert(RAW_REQUESTS, blank)
    fold(database, at(0))
    assert call_of(database)["numbers"] == [NUMBER]


def test_a_blocked_caller_is_in_the_log_and_told_to_nobody(database: MemoryDatabase) -> None:
    database.insert(
        RAW_REQUESTS, request("voice") | {"answer": "turn_away"}, request("status", 1, CallStatus="no-answer")
    )
    fold(database, at(1))
    call = call_of(database)
    assert (call["outcome"], call["ask_at"], call["due_at"], call["told"]) == ("rejected", None, None, [])
    assert events(database) == []


# When Twilio is asked.


def test_twilio_is_asked_about_a_call_while_it_is_open(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, request("voice"))
    fold(database, at(0))
    assert call_of(database)["ask_at"] == T0 + ASK_AFTER[0]
    database.insert(RAW_REQUESTS, request("status", 6, CallStatus="completed"))
    fold(database, at(6))
    assert call_of(database)["ask_at"] == at(6), "it is over, and what came of ringing did not come"
    database.insert(RAW_REQUESTS, request("dial", 7, DialCallStatus="busy"))
    fold(database, at(7))
    assert call_of(database)["ask_at"] is None


@pytest.mark.parametrize("asked", range(len(ASK_AFTER) + 1))
def test_how_often_twilio_was_asked_decides_when_it_is_next(database: MemoryDatabase, asked: int) -> None:
    database.insert(RAW_REQUESTS, request("voice"))
    fold(database, at(0))
    call_of(database)["asked"] = asked
    database.insert(RAW_REQUESTS, request("status", 1, CallStatus="in-progress"))
    fold(database, at(1))
    assert call_of(database)["ask_at"] == ([T0 + after for after in ASK_AFTER] + [None])[asked]


def test_a_text_that_is_missing_is_asked_for_at_once_and_then_no_more(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, *missed_call("CA1"), voicemail(""))
    fold(database, at(8))
    call = call_of(database)
    assert (call["missing"], call["ask_at"], call["due_at"]) == ([TRANSCRIPTION], at(8), None)
    found = [("CallSid", "CA1"), ("TranscriptionSid", TRANSCRIPTION), ("TranscriptionText", "Call me back.")]
    database.insert(RAW_REQUESTS, stored("transcription", 20, found, "", None))
    fold(database, at(20))
    call = call_of(database)
    assert (call["missing"], call["ask_at"]) == ([], None)
    data = told(database, "call.transcribed").data
    assert (data["text"], data["recording_sid"], data["source"]) == ("Call me back.", "RE1", "voicemail")


def test_a_text_that_twilio_does_not_have_is_given_up(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, *missed_call("CA1"), voicemail(""))
    fold(database, at(8))
    call_of(database)["asked"] = len(ASK_AFTER)
    database.insert(RAW_REQUESTS, request("status", 9, CallStatus="completed", SequenceNumber="2"))
    fold(database, at(9))
    assert (call_of(database)["missing"], call_of(database)["ask_at"]) == ([TRANSCRIPTION], None)


def test_an_end_that_twilio_was_asked_for_ends_the_call(database: MemoryDatabase) -> None:
    told_of = [("CallSid", "CA1"), ("CallStatus", "completed"), ("EndTime", "2026-03-02T15:01:00Z")]
    ringing = [("DialCallStatus", "completed"), ("DialCallDuration", "40")]
    database.insert(RAW_REQUESTS, request("voice"), stored("rest", 180, told_of + ringing, ""))
    fold(database, at(180))
    call = call_of(database)
    assert (call["outcome"], call["ended_at"], call["ask_at"]) == ("completed", at(60), None)
    assert told(database, "call.completed").data["answered_at"] == at(20)


# Sentences as they come.


def test_sentences_of_a_conversation_are_folded_together() -> None:
    later = sentence(1, "Hello", 3)
    assert later["fold_at"] - later["received_at"] == timedelta(seconds=5)
    others = [live("transcription-stopped", 2, 3), voicemail("Hi", 3), text("Hi", 3), *missed_call("CA1")]
    assert all(one["fold_at"] == one["received_at"] for one in others)


def test_a_conversation_is_told_once_and_again_only_when_it_is_longer(database: MemoryDatabase) -> None:
    rung = [request("voice"), request("dial", 20, DialCallStatus="completed", DialCallDuration="15")]
    spoken = [sentence(1, "Hello", 6), sentence(3, "Bye", 15), live("transcription-stopped", 4, 16)]
    database.insert(RAW_REQUESTS, *rung, *spoken)
    fold(database, at(20))
    assert (call_of(database)["transcripts"], call_of(database)["due_at"]) == ([], at(26))
    fold(database, at(26))
    fold(database, at(60))
    data = told(database, "call.transcribed").data
    assert (data["text"], data["confidence"], data["source"]) == ("Hello Bye", 0.5, "realtime")
    database.insert(RAW_REQUESTS, sentence(2, "I broke a tooth", 90))
    fold(database, at(95))
    assert [one["text"] for one in call_of(database)["transcripts"]] == ["Hello I broke a tooth Bye"]
    texts = [event.data["text"] for event in events(database) if event.type == "call.transcribed"]
    assert sorted(texts) == ["Hello Bye", "Hello I broke a tooth Bye"]
    assert call_of(database)["due_at"] is None


# Legs that are rung, and calls that we make.


def test_a_call_that_we_make_leaves_nothing(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, request("status", Direction="outbound-api", CallStatus="completed"))
    fold(database, at(60))
    assert (database.documents(CALLS), events(database)) == ({}, [])
    assert not any(row["pending"] for row in database.documents(RAW_REQUESTS).values())


def test_a_call_that_turns_out_to_be_ours_is_not_looked_for_any_more(database: MemoryDatabase) -> None:
    """It would stay due, and be folded for ever."""
    database.insert(RAW_REQUESTS, request("status", CallStatus="ringing"))
    fold(database, at(0))
    assert call_of(database)["due_at"] == T0 + SETTLE
    database.insert(RAW_REQUESTS, request("status", 1, CallStatus="completed", Direction="outbound-api"))
    fold(database, at(1))
    assert (call_of(database)["due_at"], call_of(database)["ask_at"], events(database)) == (None, None, [])


def test_a_call_whose_first_webhook_was_lost_is_a_call_although_we_rang_somebody(database: MemoryDatabase) -> None:
    database.insert(
        RAW_REQUESTS, of_the_leg(2), request("dial", 30, DialCallStatus="completed", DialCallDuration="9")
    )
    fold(database, at(30))
    assert call_of(database)["numbers"] == sorted([CALLER, NUMBER])
    assert types(database) == ["call.completed", "call.started"]
    assert "CA2" not in database.documents(CALLS)


def test_the_business_is_that_of_the_number_called_not_of_the_telephone_rung(database: MemoryDatabase) -> None:
    """One business may forward its calls to another's number."""
    other = replace(BUSINESSES["demo"], key="another")
    database.insert(RAW_REQUESTS, of_the_leg(2) | {"business": "another"}, *missed_call("CA1"))
    work = database.work(at(6))
    Folding({**BUSINESSES, "another": other}, str).fold(work, ["CA1"], at(6))
    work.commit()
    assert call_of(database)["business"] == "demo"
    assert {event.business for event in events(database)} == {"demo"}


# Texts.


def test_a_text_that_comes_in_becomes_a_document_and_an_event(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, text("stop", NumMedia="0"))
    fold(database, at(0), MESSAGE)
    event = told(database, "sms.received")
    assert (event.subject, event.business, event.time) == (MESSAGE, "demo", T0)
    assert (event.data["sender"], event.data["sender_kind"]) == (CALLER, "landline_or_mobile")
    assert (event.data["body"], event.data["consent"], event.data["keyword"]) == ("stop", "opt_out", "STOP")
    assert database.documents(MESSAGES)[MESSAGE] == {
        "_id": MESSAGE,
        "business": "demo",
        "direction": "inbound",
        "status": "received",
        "error_code": None,
        "at": T0,
        "told": [event.id],
        "version": 1,
    }
    assert database.documents(CALLS) == {}
    assert not any(row["pending"] for row in database.documents(RAW_REQUESTS).values())


def test_each_status_of_a_text_of_ours_is_told_once(database: MemoryDatabase) -> None:
    statuses = [text_status("sent", 1), text_status("delivered", 3, RawDlrDoneDate="2603021500")]
    database.insert(RAW_REQUESTS, *statuses)
    fold(database, at(3), MESSAGE)
    database.insert(RAW_REQUESTS, text_status("delivered", 9), text_status("queued", 10))
    fold(database, at(10), MESSAGE)
    fold(database, at(11), MESSAGE)
    changes = sorted((event.data["status"], event.data["at"]) for event in events(database))
    assert changes == [("delivered", at(3)), ("queued", at(10)), ("sent", at(1))]
    message = database.documents(MESSAGES)[MESSAGE]
    assert (message["direction"], message["status"], len(message["told"])) == ("outbound", "delivered", 3)


def test_the_address_that_a_status_is_told_to_says_whose_text_it_is(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, text_status("undelivered", ErrorCode="30006"))
    fold(database, at(0), MESSAGE)
    data = told(database, "sms.status_changed").data
    assert (data["request_id"], data["error_code"], data["recipient"]) == (REQUEST, 30006, CALLER)
    assert database.documents(MESSAGES)[MESSAGE]["error_code"] == 30006


def test_what_stands_in_the_form_counts_before_the_address(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, text_status("sent", request_id=" another "))
    fold(database, at(0), MESSAGE)
    assert told(database, "sms.status_changed").data["request_id"] == "another"


def test_a_text_to_nobody_is_only_put_aside(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, text("Hi") | {"business": None})
    fold(database, at(0), MESSAGE)
    assert (database.documents(MESSAGES), events(database)) == ({}, [])
    assert not any(row["pending"] for row in database.documents(RAW_REQUESTS).values())


@pytest.mark.parametrize("oddly_named", [MESSAGE, "a-message"])
def test_what_twilio_was_asked_about_a_text_is_of_that_text(database: MemoryDatabase, oddly_named: str) -> None:
    asked = [("MessageSid", oddly_named), ("MessageStatus", "delivered"), ("To", CALLER), ("From", NUMBER)]
    database.insert(RAW_REQUESTS, stored("rest", 1, asked, ""), text_status("sent", 2, MessageSid=oddly_named))
    fold(database, at(2), oddly_named)
    assert database.documents(CALLS) == {}
    assert database.documents(MESSAGES)[oddly_named]["status"] == "delivered"
    assert types(database) == ["sms.status_changed"] * 2


text_webhooks = [text_status("queued", 1), text_status("sent", 2), text_status("failed", 3, ErrorCode="30003")]


@given(
    st.permutations([*text_webhooks, text_status("sent", 9, ErrorMessage="x")]),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_texts_end_the_same_in_any_order_and_any_batches(requests: list[Document], folds: list[bool]) -> None:
    whole, piecemeal = MemoryDatabase(), MemoryDatabase()
    whole.insert(RAW_REQUESTS, *requests)
    fold(whole, at(30), MESSAGE)
    for one, now in zip(requests, folds, strict=True):
        piecemeal.insert(RAW_REQUESTS, one)
        if now:
            fold(piecemeal, at(10), MESSAGE)
    piecemeal.insert(RAW_REQUESTS, *requests)
    fold(piecemeal, at(30), MESSAGE)
    assert shown(piecemeal) == shown(whole)
