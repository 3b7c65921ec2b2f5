"""Texts back on real servers: each once, with two workers at once and with one killed at any step."""

import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient, monitoring

from recovery.app import NAME
from recovery.events import subscriptions
from recovery.store import CALLERS, INDEXES, ITEMS
from recovery.timers import Timers
from recovery.worker import TimersLoop, loops
from ringback.bus.connection import Bus, discard
from ringback.clock import system_clock
from ringback.contracts.envelope import decode
from ringback.errors import ConcurrentUpdate
from ringback.seals import seal_with
from ringback.settings import load_settings
from ringback.store.database import OUTBOX, Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from ringback.worker.runtime import Worker
from tests.faults.crashing import Steps
from tests.support.events import call_event, call_sid, message_of
from tests.support.waiting import eventually
from tests.unit.fakes import T0
from tests.unit.recovery.queue import missed

SPAWN = multiprocessing.get_context("forkserver")
SETTINGS = load_settings({"RINGBACK_SECRET_KEY": "s" * 40})
SEAL = seal_with("s" * 40)
DUE = T0 + timedelta(minutes=2)
CHILD_SECONDS = 40


def caller(number: int) -> str:
    return f"+1415555{number:04}"


def timers(database: Database, now: datetime = DUE) -> Timers:
    return Timers(database, SETTINGS.businesses, lambda: now, SEAL)


def miss(database: Database, *numbers: int) -> list[str]:
    """Missed calls of these callers; their ledgers."""
    work = UnitOfWork(database, lambda: T0)
    handlers = subscriptions(SETTINGS.businesses, lambda: T0, SEAL)
    handlers["call.missed"](work, [missed(f"CA{number}", caller=caller(number)) for number in numbers])
    work.commit()
    return [f"demo:{caller(number)}" for number in numbers]


def texted(database: Database) -> list[str]:
    """The numbers that texts were asked for, one for each text."""
    rows = database[OUTBOX].find({"type": "sms.requested"})
    return sorted(decode(row["body"]).data["recipient"] for row in rows)


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, NAME)
    database.ensure_indexes(INDEXES)
    yield database
    database.close()


def test_two_who_wake_the_same_callers_at_once_text_each_once(database: Database) -> None:
    ledgers = miss(database, *range(20))

    def wake(_worker: int) -> int:
        refused = 0
        for ledger in ledgers:
            try:
                timers(database).wake([ledger])
            except ConcurrentUpdate:
                refused += 1
        return refused

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(wake, range(2)))
    assert texted(database) == [caller(number) for number in range(20)]
    assert timers(database).due(100) == []


def test_one_that_cannot_be_done_is_put_off_and_hinders_nobody(database: Database) -> None:
    ledgers = miss(database, 1, 2)
    database[CALLERS].update_one({"_id": ledgers[0]}, {"$set": {"business": "gone"}})
    loop = TimersLoop(timers(database), database, "a worker")
    assert loop.step() > 0
    loop.close()
    assert texted(database) == [caller(2)]
    assert timers(database).due(100) == []
    assert timers(database, DUE + timedelta(hours=2)).due(100) == [ledgers[0]]


def test_of_two_workers_one_does_what_is_due(database: Database) -> None:
    miss(database, 1)
    first, second = (TimersLoop(timers(database), database, holder) for holder in ("one", "two"))
    first.step()
    assert texted(database) == [caller(1)]
    miss(database, 2)
    second.step()
    assert texted(database) == [caller(1)]
    first.close()
    second.step()
    second.close()
    assert texted(database) == [caller(1), caller(2)]


def test_whoever_is_due_is_found_by_an_index(database: Database) -> None:
    miss(database, *range(30))
    query = {"wake_at": {"$type": "date", "$lte": DUE}}
    plan = str(database[CALLERS].find(query, {"_id": 1}).sort("wake_at", 1).limit(5).explain()["queryPlanner"])
    assert "IXSCAN" in plan
    assert "'SORT'" not in plan


# Killed.


@pytest.fixture
def quick_to_give_up_transactions(mongo_url: str) -> Iterator[None]:
    """What a killed worker had open blocks its documents for this long; a minute by default."""
    with MongoClient[dict[str, Any]](mongo_url) as client:
        before = client.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=1)["was"]
        yield
        client.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=before)


def wake_and_die(mongo_url: str, ledger: str, fatal: int) -> None:
    """Wake a caller, killed at the `fatal` step."""
    monitoring.register(Steps(fatal))
    timers(open_database(mongo_url, NAME)).wake([ledger])


@pytest.mark.usefixtures("quick_to_give_up_transactions")
def test_who_is_killed_at_any_step_texts_once(database: Database, mongo_url: str) -> None:
    killed = 0
    for fatal in range(1, 50):
        [ledger] = miss(database, fatal)
        process = SPAWN.Process(target=wake_and_die, args=(mongo_url, ledger, fatal))
        process.start()
        process.join(CHILD_SECONDS)
        assert process.exitcode in {0, -signal.SIGKILL}
        killed += process.exitcode != 0
        eventually(lambda ledger=ledger: woken(database, ledger))  # type: ignore[misc]
        assert texted(database) == sorted(caller(number) for number in range(1, fatal + 1))
        if not process.exitcode:
            break
    assert killed > 4


def woken(database: Database, ledger: str) -> bool:
    try:
        timers(database).wake([ledger])
    except ConcurrentUpdate:
        return False
    return True


# Through the bus.


def test_a_missed_call_on_the_bus_becomes_an_item_and_a_text(database: Database, bus_url: str) -> None:
    bus = Bus(bus_url)
    connection = bus.connect("test")
    call = call_event("call.missed", call_sid(1), at=system_clock() - timedelta(minutes=2))
    bus.publisher(connection).publish([message_of(call)])
    discard(connection)
    worker = Worker(loops(SETTINGS, database, bus, system_clock, "a worker"))
    worker.start()
    try:
        eventually(lambda: list(database[ITEMS].find({"state": "texted"})), 30)
    finally:
        assert worker.stop()
