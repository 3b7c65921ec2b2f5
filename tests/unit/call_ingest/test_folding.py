"""Raw requests → calls and events, through the real unit of work on a database in memory."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_ingest import store
from call_ingest.domain import LONGEST_CALL, SETTLE
from call_ingest.handlers import Folding
from call_ingest.journal import Accepted
from call_ingest.store import CALLS, RAW_REQUESTS
from ringback.contracts.envelope import Event, decode
from ringback.errors import Permanent
from ringback.store.database import OUTBOX
from tests.unit.fakes import CALLER, NUMBER, T0, Document, MemoryDatabase, at, sample_settings

BUSINESSES = sample_settings().businesses
PATHS = {"voice": "/twilio/voice", "dial": "/twilio/voice/dial", "status": "/twilio/voice/status"}


def request(kind: str, seconds: float = 0, call: str = "CA1", to: str = NUMBER, **params: str) -> Document:
    pairs = [("CallSid", call), ("From", CALLER), ("To", to), *params.items()]
    webhook = Accepted(kind, PATHS[kind], pairs)
    business = BUSINESSES["demo"] if to == NUMBER else None
    return store.raw_request(webhook, at(seconds), business, "ring" if kind == "voice" else "take_message")


def missed_call(call: str) -> list[Document]:
    return [
        request("voice", 0, call),
        request("dial", 5, call, DialCallStatus="no-answer"),
        request("status", 6, call, CallStatus="completed"),
    ]


def fold(database: MemoryDatabase, now: datetime, *calls: str) -> None:
    work = database.work(now)
    Folding(BUSINESSES).fold(work, calls or ("CA1",), now)
    work.commit()


def events(database: MemoryDatabase) -> list[Event]:
    return [decode(row["body"]) for row in database.documents(OUTBOX).values()]


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
    calls = [{**call, "version": None} for call in database.documents(CALLS).values()]
    told = {event.id: event.type for event in events(database)}
    return sorted(calls, key=lambda call: str(call["_id"])), told


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
