"""kill -9 of the notifier at every step of sending, under every fault of Twilio's: at most one message for each
request, and every request ends.
"""

import multiprocessing
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from notifier.app import NAME
from notifier.domain import UNKNOWN_AFTER
from notifier.heeding import ACCOUNT_LINE
from notifier.store import INDEXES, LINES, MESSAGES
from ringback.clock import system_clock
from ringback.store.database import OUTBOX, Database, open_database
from tests.faults import notifier_crashing
from tests.support.fake_twilio import FakeTwilio
from tests.unit.notifier.shop import Shop, requested, status_changed

SPAWN = multiprocessing.get_context("forkserver")
SPAWN.set_forkserver_preload(["tests.faults.notifier_crashing"])
WORKER_SECONDS = 40
# When every doubt has been settled.
LATER = UNKNOWN_AFTER.total_seconds() + 60

Fault = Callable[[FakeTwilio], None]
FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "none": (FakeTwilio.forget_faults, {"sent"}),
    "400": (lambda twilio: twilio.fail_next(1, 400, code=21211), {"failed"}),
    "opted out": (lambda twilio: twilio.fail_next(1, 400, code=21610), {"suppressed"}),
    "429": (lambda twilio: twilio.fail_next(1, 429), {"sent"}),
    "503 before it": (lambda twilio: twilio.fail_next(1, 503), {"unknown"}),
    "500 after it": (lambda twilio: twilio.fail_after_accepting(), {"sent"}),
    "silence after it": (lambda twilio: twilio.time_out_after_accepting(), {"sent"}),
    "reset after it": (lambda twilio: twilio.reset_after_accepting(), {"sent"}),
}
# One where nothing goes wrong, one where it was surely not sent, one where nobody knows.
OFTEN = {"none", "opted out", "reset after it"}
# A kill may come before the fault did, and may make of what was surely not sent what is not known.
AFTER_A_KILL = {"unknown", "sent"}


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    with FakeTwilio() as twilio:
        yield twilio


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, NAME)
    database.ensure_indexes(INDEXES)
    yield database
    database.close()


@pytest.fixture(autouse=True)
def quick_to_give_up_transactions(mongo_url: str) -> Iterator[None]:
    """What a killed worker had open blocks its documents for this long; a minute by default."""
    with MongoClient[dict[str, Any]](mongo_url) as client:
        before = client.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=1)["was"]
        yield
        client.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=before)


def request(database: Database, number: int) -> str:
    request_id = f"r{number}"
    now = system_clock()
    Shop(database, now=now).happen(requested(request_id, f"+1212555{number:04d}", now))
    # Each begins with a sender that is free.
    database[LINES].delete_many({"_id": {"$in": ["demo", ACCOUNT_LINE]}})
    return request_id


def work(mongo_url: str, twilio: FakeTwilio, fatal: int = 0, later: float = 0) -> tuple[int | None, int]:
    """Let a worker work; its exit code and the steps that it reported."""
    report: Any = SPAWN.Queue()
    process = SPAWN.Process(target=notifier_crashing.run, args=(mongo_url, twilio.url, fatal, later, report))
    process.start()
    process.join(WORKER_SECONDS)
    return process.exitcode, 0 if process.exitcode else report.get(timeout=5)


def state(database: Database, request_id: str) -> str:
    [message] = database[MESSAGES].find({"request_id": request_id})
    return str(message["state"])


def tell_by_callback(database: Database, twilio: FakeTwilio, request_id: str) -> None:
    """What Twilio tells of what it sent, late and in any order."""
    for sid in twilio.sids_by_request().get(request_id, ()):
        now = system_clock()
        told = [status_changed(status, now, sid, request_id) for status in ("delivered", "sent", "queued")]
        random.shuffle(told)
        for event in told:
            Shop(database, now=now).happen(event)


def assert_sent_at_most_once(database: Database, twilio: FakeTwilio, request_id: str) -> None:
    assert len(twilio.sids_by_request().get(request_id, ())) <= 1
    told = Counter(row["type"] for row in database[OUTBOX].find({}) if f'"{request_id}"' in row["body"])
    assert not [name for name, count in told.items() if count > 1]


def assert_told_the_truth(database: Database, twilio: FakeTwilio, request_id: str) -> None:
    tell_by_callback(database, twilio, request_id)
    was_sent = request_id in twilio.sids_by_request()
    assert (state(database, request_id) == "delivered") is was_sent


@pytest.mark.fault
@pytest.mark.timeout(500)
@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow) for name in FAULTS]
)
def test_killing_the_notifier_at_any_step_sends_nothing_twice_and_loses_nothing(
    mongo_url: str, database: Database, twilio: FakeTwilio, fault: str
) -> None:
    cause, ends = FAULTS[fault]
    first = request(database, 0)
    cause(twilio)
    code, steps = work(mongo_url, twilio)
    assert code == 0
    assert steps >= 6
    work(mongo_url, twilio, later=LATER)
    assert state(database, first) in ends
    assert_sent_at_most_once(database, twilio, first)
    assert_told_the_truth(database, twilio, first)
    for fatal in range(1, steps + 1):
        request_id = request(database, fatal)
        cause(twilio)
        code, _ = work(mongo_url, twilio, fatal)
        assert code in (-signal.SIGKILL, 0)
        twilio.forget_faults()
        code, _ = work(mongo_url, twilio, later=LATER)
        assert code == 0
        assert state(database, request_id) in ends | AFTER_A_KILL, fatal
        assert_sent_at_most_once(database, twilio, request_id)
        assert_told_the_truth(database, twilio, request_id)


@pytest.mark.fault
@pytest.mark.timeout(200)
def test_callbacks_that_come_before_anything_was_recorded_settle_what_was_sent(
    mongo_url: str, database: Database, twilio: FakeTwilio
) -> None:
    """The notifier is killed between Twilio's answer and its record; Twilio's list is empty, its callbacks come."""
    request_id = request(database, 0)
    twilio.time_out_after_accepting()
    code, _ = work(mongo_url, twilio)
    assert code == 0
    assert state(database, request_id) == "reserved"
    tell_by_callback(database, twilio, request_id)
    assert state(database, request_id) == "delivered"
    work(mongo_url, twilio, later=LATER)
    assert_sent_at_most_once(database, twilio, request_id)
    assert not [asked for asked in twilio.requests if asked.method == "GET"]
