"""kill -9 of the worker at every step of the write path: no event is lost, no effect happens twice."""

import multiprocessing
import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from call_ingest.journal import Accepted
from call_ingest.store import RAW_REQUESTS, raw_request
from ringback.bus.connection import Bus, discard
from ringback.bus.consumer import BatchConsumer
from ringback.callers import customer_id_of
from ringback.contracts.envelope import event_id
from ringback.settings import load_settings
from ringback.store.database import open_database
from tests.faults import crashing
from tests.support.events import CALLED, NOON, call_sid

SPAWN = multiprocessing.get_context("forkserver")
SPAWN.set_forkserver_preload(["tests.faults.crashing"])
WORKER_SECONDS = 40
AUDIT = "audit"


def caller_of(number: int) -> str:
    return f"+1415555{number:04d}"


def store_webhooks(mongo_url: str, number: int) -> None:
    """A missed call's three webhooks, as the web process leaves them."""
    business = load_settings({}).businesses["demo"]
    database = open_database(mongo_url, "call-ingest")
    base = {"CallSid": call_sid(number), "From": caller_of(number), "To": CALLED, "Direction": "inbound"}
    webhooks = [
        ("voice", {"CallStatus": "ringing"}),
        ("dial", {"CallStatus": "in-progress", "DialCallStatus": "no-answer"}),
        ("status", {"CallStatus": "completed", "CallDuration": "20"}),
    ]
    for index, (kind, more) in enumerate(webhooks):
        accepted = Accepted(kind, f"/twilio/voice/{kind}", list({**base, **more}.items()))
        at = NOON + timedelta(seconds=index)
        database[RAW_REQUESTS].insert_one(
            raw_request(accepted, at, business, "ring" if accepted.kind == "voice" else "take_message")
        )
    database.close()


def expected_events(number: int) -> list[str]:
    sid = call_sid(number)
    return [event_id("demo", "call.started", sid), event_id("demo", "call.missed", sid, "no-answer")]


def all_events(number: int) -> set[str]:
    customer_id = customer_id_of("demo", caller_of(number), call_sid(number))
    return {*expected_events(number), event_id("demo", "customer.created", customer_id)}


def work(mongo_url: str, bus_url: str, number: int, fatal: int) -> tuple[int | None, int]:
    """Let a worker work on a call; its exit code and the steps that it reported."""
    report: Any = SPAWN.Queue()
    args = (mongo_url, bus_url, expected_events(number), fatal, report)
    process = SPAWN.Process(target=crashing.run, args=args)
    process.start()
    process.join(WORKER_SECONDS)
    return process.exitcode, 0 if process.exitcode else report.get(timeout=5)


def assert_handled_once(mongo_url: str, number: int) -> None:
    database = open_database(mongo_url, "customer")
    [profile] = database["customers"].find({"phones": caller_of(number)})
    [entry] = database["timeline"].find({"call_sid": call_sid(number)})
    database.close()
    assert (profile["total_calls"], profile["missed_calls"]) == (1, 1)
    assert (entry["outcome"], entry["reason"], entry["customer_id"]) == (
        "missed",
        "no-answer",
        profile["_id"],
    )


@pytest.fixture(autouse=True)
def quick_to_give_up_transactions(mongo_url: str) -> Iterator[None]:
    """What a killed worker had open blocks its documents for this long; a minute by default."""
    with MongoClient[dict[str, Any]](mongo_url) as client:
        before = client.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=1)["was"]
        yield
        client.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=before)


@pytest.mark.fault
@pytest.mark.timeout(400)
def test_killing_the_worker_at_any_step_loses_no_event_and_repeats_no_effect(mongo_url: str, bus_url: str) -> None:
    store_webhooks(mongo_url, 0)
    code, steps = work(mongo_url, bus_url, 0, fatal=0)
    assert code == 0
    assert steps > 20
    for number in range(1, steps + 1):
        store_webhooks(mongo_url, number)
        code, _ = work(mongo_url, bus_url, number, fatal=number)
        assert code in (-signal.SIGKILL, 0)
        if code:
            code, _ = work(mongo_url, bus_url, number, fatal=0)
        assert code == 0
        assert_handled_once(mongo_url, number)


@pytest.mark.fault
@pytest.mark.timeout(200)
def test_a_killed_worker_publishes_every_event_of_its_call_and_no_other(mongo_url: str, rabbit_url: str) -> None:
    audit = _audit_everything(rabbit_url)
    store_webhooks(mongo_url, 0)
    _, steps = work(mongo_url, rabbit_url, 0, fatal=0)
    assert set(_drain(rabbit_url)) == all_events(0)
    for fatal in range(1, steps + 1, 4):
        store_webhooks(mongo_url, fatal)
        if work(mongo_url, rabbit_url, fatal, fatal)[0]:
            work(mongo_url, rabbit_url, fatal, 0)
        assert set(_drain(rabbit_url)) == all_events(fatal)
    discard(audit)


def _audit_everything(url: str) -> Any:
    """A queue that gets a copy of every event."""
    connection = Bus(url).connect("audit")
    channel = connection.channel()
    channel.queue_declare(AUDIT, durable=True, auto_delete=False)
    channel.queue_bind(AUDIT, "ringback", "#")
    return connection


def _drain(url: str) -> list[str]:
    connection = Bus(url).connect("audit")
    consumer = BatchConsumer(connection, AUDIT)
    ids: list[str] = []
    while batch := consumer.receive(0.3):
        ids += [delivery.message_id for delivery in batch]
        consumer.ack(batch)
    discard(connection)
    return ids
