"""Folding on a real replica set: a call that cannot be folded is put off, alone."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from call_ingest.handlers import Folding
from call_ingest.journal import Accepted
from call_ingest.store import CALLS, INDEXES, RAW_REQUESTS, raw_request
from call_ingest.worker import FoldLoop
from ringback.clock import system_clock
from ringback.contracts.envelope import event_id
from ringback.settings import load_settings
from ringback.store.database import OUTBOX, Database, open_database
from tests.support.events import CALLED, CALLER, NOON, call_sid

BUSINESSES = load_settings({}).businesses


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, "call-ingest")
    database.ensure_indexes(INDEXES)
    yield database
    database.close()


def loop_of(database: Database, businesses: Any = BUSINESSES) -> FoldLoop:
    return FoldLoop(Folding(businesses, str), database, system_clock, "test", 0.0)


def store_call(database: Database, number: int) -> None:
    params = {"CallSid": call_sid(number), "From": CALLER, "To": CALLED, "Direction": "inbound"}
    accepted = Accepted("voice", f"/twilio/voice?{number}", list(params.items()))
    request = raw_request(accepted, NOON, BUSINESSES["demo"], "ring" if accepted.kind == "voice" else "take_message")
    database[RAW_REQUESTS].insert_one(request)


def folded(database: Database) -> set[str]:
    return {call["_id"] for call in database[CALLS].find()}


def test_a_call_whose_event_stands_in_the_outbox_already_is_put_off_and_the_others_are_folded(
    database: Database,
) -> None:
    for number in (1, 2, 3):
        store_call(database, number)
    database[OUTBOX].insert_one({"_id": event_id("demo", "call.started", call_sid(2)), "due": NOON})
    loop = loop_of(database)
    loop.step()
    assert folded(database) == {call_sid(1), call_sid(3)}
    [waiting] = database[RAW_REQUESTS].find({"pending": True})
    assert waiting["subject"] == call_sid(2)
    assert waiting["fold_at"] > system_clock()
    database[RAW_REQUESTS].update_one({"_id": waiting["_id"]}, {"$set": {"fold_at": NOON}})
    loop.step()
    [waiting] = database[RAW_REQUESTS].find({"pending": True})
    assert waiting["fold_at"] > system_clock() + timedelta(seconds=5)
    loop.close()


def test_a_call_of_a_business_that_is_not_configured_waits_until_it_is(database: Database) -> None:
    store_call(database, 1)
    loop = loop_of(database, {})
    loop.step()
    loop.close()
    assert folded(database) == set()
    database[RAW_REQUESTS].update_many({}, {"$set": {"fold_at": NOON}})
    loop = loop_of(database)
    loop.step()
    assert folded(database) == {call_sid(1)}
    loop.close()


def test_a_due_call_without_requests_is_not_looked_at_again_and_again(database: Database) -> None:
    database[CALLS].insert_one({"_id": call_sid(9), "due_at": NOON, "told": [], "version": 1})
    loop = loop_of(database)
    loop.step()
    assert database[CALLS].count_documents({"due_at": None}) == 1
    loop.close()


def test_a_batch_ends_where_its_requests_would_be_too_many_for_a_transaction(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("call_ingest.worker.BATCH_ROWS", 3)
    for number in range(1, 6):
        store_call(database, number)
    loop = loop_of(database)
    loop.step()
    assert len(folded(database)) == 3
    loop.step()
    assert len(folded(database)) == 5


def test_a_call_with_more_requests_than_that_is_folded_in_turns_and_told_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("call_ingest.worker.BATCH_ROWS", 3)
    monkeypatch.setattr("call_ingest.store.MOST_MARKED", 4)
    for number in range(10):
        params = [("CallSid", call_sid(1)), ("To", CALLED), ("From", CALLER), ("SequenceId", str(number))]
        database[RAW_REQUESTS].insert_one(
            raw_request(Accepted("voice", "/twilio/voice", params), NOON, BUSINESSES["demo"], "ring")
        )
    loop = loop_of(database)
    steps = 0
    while database[RAW_REQUESTS].count_documents({"pending": True}):
        loop.step()
        steps += 1
    assert steps == 3
    assert database[OUTBOX].count_documents({"type": "call.started"}) == 1


def test_a_call_that_is_due_but_cannot_be_folded_is_looked_at_less_and_less(database: Database) -> None:
    store_call(database, 1)
    loop_of(database).step()
    database[CALLS].update_one({"_id": call_sid(1)}, {"$set": {"due_at": NOON}})
    waits = []
    for _ in range(3):
        loop_of(database, {}).step()
        call = database[CALLS].find_one({"_id": call_sid(1)}) or {}
        waits.append((call["due_at"] - system_clock()).total_seconds())
        database[CALLS].update_one({"_id": call_sid(1)}, {"$set": {"due_at": NOON}})
    assert waits[0] < 2.1 < waits[1] < 10.1 < waits[2]
