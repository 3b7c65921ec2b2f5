"""The notifier's loops with a real MongoDB and a Twilio over HTTP: what waits is sent, once, at the sender's rate."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from notifier.app import NAME
from notifier.dispatch import SendingLoop
from notifier.pace import CATCH_UP
from notifier.store import INDEXES, MESSAGES
from notifier.worker import loops, sending_loops
from ringback.bus.connection import Bus
from ringback.bus.outlet import Outlet
from ringback.clock import system_clock
from ringback.contracts.envelope import Event
from ringback.errors import StoreUnavailable
from ringback.settings import Settings
from ringback.store.database import Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from ringback.worker.runtime import Worker
from tests.support.events import message_of
from tests.support.fake_twilio import ACCOUNT, TOKEN, FakeTwilio
from tests.support.waiting import eventually
from tests.unit.fakes import sample_settings
from tests.unit.notifier.shop import ANNA, Shop, requested

ENDED = ("sent", "delivered", "failed", "suppressed", "unknown")


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, NAME)
    database.ensure_indexes(INDEXES)
    yield database
    database.close()


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    with FakeTwilio() as twilio:
        yield twilio


def settings_for(twilio: FakeTwilio | None, per_second: float = 1000) -> Settings:
    account = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN}
    environ = account | ({"TWILIO_API_BASE_URL": twilio.url} if twilio else {"TWILIO_ACCOUNT_SID_GENERATED": "yes"})
    settings = sample_settings(**environ)
    demo = settings.businesses["demo"]
    texting = replace(demo.texting, per_second=per_second)
    return replace(settings, businesses={"demo": replace(demo, texting=texting)})


@contextmanager
def working(database: Database, settings: Settings, workers: int = 1) -> Iterator[None]:
    running = [
        Worker(sending_loops(settings, database, system_clock, f"worker {number}", 0.02)) for number in range(workers)
    ]
    for worker in running:
        worker.start()
    yield
    stopped = [worker.stop() for worker in running]
    assert all(stopped)


def request_some(database: Database, count: int) -> None:
    shop = Shop(database, now=system_clock())
    shop.happen(*(requested(f"r{number}", f"+1212555{number:04d}", shop.now) for number in range(count)))


def ended(database: Database) -> int:
    return database[MESSAGES].count_documents({"state": {"$in": ENDED}})


def states(database: Database) -> dict[str, Any]:
    return {row["request_id"]: row["state"] for row in database[MESSAGES].find({})}


def test_two_workers_drain_what_waits_at_the_limit_and_nothing_twice(database: Database, twilio: FakeTwilio) -> None:
    request_some(database, 150)
    with working(database, settings_for(twilio, per_second=60), workers=2):
        eventually(lambda: ended(database) == 150, 30)
    sent = twilio.sids_by_request()
    assert sorted(sent) == sorted(f"r{number}" for number in range(150))
    assert {len(sids) for sids in sent.values()} == {1}
    slots: list[datetime] = sorted(row["attempted_at"] for row in database[MESSAGES].find({}))
    took = (slots[-1] - slots[0]).total_seconds()
    # The limit is not passed but to catch up, and next to nothing of it is left unused.
    assert 149 / 60 - CATCH_UP.total_seconds() <= took <= 149 / 60 * 1.5


def test_without_an_account_texts_are_recorded_and_marked(database: Database) -> None:
    request_some(database, 3)
    with working(database, settings_for(None)):
        eventually(lambda: ended(database) == 3)
    assert {row["dry_run"] for row in database[MESSAGES].find({})} == {True}


def test_what_is_in_hand_when_a_worker_stops_is_finished(database: Database, twilio: FakeTwilio) -> None:
    request_some(database, 5)
    twilio.hang_next(5, seconds=0.5)
    with working(database, settings_for(twilio)):
        eventually(lambda: len(twilio.requests) == 5)
    assert set(states(database).values()) == {"sent"}


@pytest.mark.parametrize("committed", [True, False])
def test_what_may_have_been_reserved_is_sent_once(
    database: Database, twilio: FakeTwilio, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    """MongoDB does not answer the commit of a reservation."""
    request_some(database, 1)
    [sending, _] = sending_loops(settings_for(twilio), database, system_clock, "worker", 0.02)
    assert isinstance(sending, SendingLoop)
    commit = UnitOfWork.commit

    def commit_without_answer(work: UnitOfWork) -> None:
        if committed:
            commit(work)
        raise StoreUnavailable("No answer.")

    with monkeypatch.context() as patch:
        patch.setattr(UnitOfWork, "commit", commit_without_answer)
        with pytest.raises(StoreUnavailable):
            sending.step()
    assert states(database) == {"r0": "reserved" if committed else "pending"}
    sending.reset()
    eventually(lambda: sending.step() is not None and states(database) == {"r0": "sent"})
    sending.close()
    assert {name: len(sids) for name, sids in twilio.sids_by_request().items()} == {"r0": 1}


def test_what_could_not_be_recorded_is_recorded_later(
    database: Database, twilio: FakeTwilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_some(database, 1)
    [sending, _] = sending_loops(settings_for(twilio), database, system_clock, "worker", 0.02)

    def no_commit(_work: UnitOfWork) -> None:
        raise StoreUnavailable("Away.")

    sending.step()
    eventually(lambda: twilio.accepted)
    with monkeypatch.context() as patch:
        patch.setattr(UnitOfWork, "commit", no_commit)
        eventually(lambda: _fails(sending))
        sending.reset()
    eventually(lambda: sending.step() is not None and states(database) == {"r0": "sent"})
    sending.close()
    assert len(twilio.accepted) == 1


def _fails(loop: Any) -> bool:
    try:
        loop.step()
    except StoreUnavailable:
        return True
    return False


def test_one_that_cannot_be_judged_stands_in_nobodys_way(database: Database, twilio: FakeTwilio) -> None:
    request_some(database, 2)
    database[MESSAGES].update_one({"request_id": "r0"}, {"$set": {"expires_at": "no time"}})
    with working(database, settings_for(twilio)):
        eventually(lambda: states(database) == {"r0": "pending", "r1": "sent"})


def test_a_request_on_the_bus_is_sent_and_told_of(database: Database, twilio: FakeTwilio, bus_url: str) -> None:
    """The whole worker, on each bus."""
    bus = Bus(bus_url)
    worker = Worker(loops(settings_for(twilio), database, bus, system_clock, "worker", 0.02))
    worker.start()
    _publish(bus, requested("r1", ANNA, system_clock()))
    eventually(lambda: states(database) == {"r1": "sent"}, 30)
    eventually(lambda: database["outbox"].count_documents({}) == 0, 30)
    assert worker.stop()
    assert [payload["to"] for payload in twilio.accepted] == [ANNA]


def _publish(bus: Bus, event: Event) -> None:
    outlet = Outlet(bus, "test")
    eventually(lambda: not outlet.publish([message_of(event)]))
    outlet.close()
