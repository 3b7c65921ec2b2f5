"""Reserving, recording and settling on a real MongoDB: caps, opt-outs and rates that hold under two workers."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from notifier import store
from notifier.app import NAME
from notifier.domain import ATTEMPT_TIME, UNKNOWN_AFTER
from notifier.heeding import ACCOUNT_LINE
from notifier.matching import Listed
from notifier.orders import NOT_COMMITTED, Order
from notifier.outcomes import Accepted, Ambiguous, NotReached, Refused
from notifier.reserving import AHEAD, Reserving
from notifier.rules import MOST_AUTOMATIC_AN_HOUR
from notifier.store import INDEXES, MESSAGES
from ringback.errors import ConcurrentUpdate, UpstreamUnavailable
from ringback.store.database import Database, open_database
from tests.unit.fakes import T0, at
from tests.unit.notifier.shop import ANNA, BOB, SENDER, SID, Shop, deleted, received, requested, status_changed

ACCEPTED = Accepted(SID, "queued")


def sid(number: int) -> str:
    return f"SM{number:032x}"


def caller(number: int) -> str:
    return f"+1212555{number:04d}"


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, NAME)
    database.ensure_indexes(INDEXES)
    yield database
    database.close()


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


def request_many(shop: Shop, count: int, **data: Any) -> None:
    shop.happen(*(requested(f"r{number}", caller(number), at(number / 1000), **data) for number in range(count)))
    shop.wait(seconds=1)


# What is reserved.


def test_a_text_is_reserved_once_and_told_when_it_was_sent(shop: Shop) -> None:
    shop.happen(requested())
    [order] = shop.reserve()
    assert (order.to, order.body, order.sender) == (ANNA, "Hello", SENDER)
    assert shop.reserve() == []
    assert shop.told() == []
    shop.answer(ACCEPTED, order)
    assert shop.state() == ("sent", None)
    [sent] = shop.told()
    assert (sent.type, sent.data["message_sid"], sent.data["recipient"]) == ("sms.sent", SID, ANNA)


def test_recording_twice_changes_nothing(shop: Shop) -> None:
    shop.happen(requested())
    orders = shop.reserve()
    shop.answer(ACCEPTED, *orders)
    before = shop.everything()
    shop.answer(ACCEPTED, *orders)
    assert (shop.everything(), len(shop.told())) == (before, 1)


def test_of_two_workers_one_reserves(shop: Shop) -> None:
    shop.happen(requested())
    first, second = shop.reserving.prepare(["demo"], 10), shop.reserving.prepare(["demo"], 10)
    first.work.commit()
    with pytest.raises(ConcurrentUpdate):
        second.work.commit()


def test_an_opt_out_that_is_committed_before_wins(shop: Shop) -> None:
    shop.happen(requested())
    reservation = shop.reserving.prepare(["demo"], 10)
    shop.happen(received("opt_out", "STOP"))
    with pytest.raises(ConcurrentUpdate):
        reservation.work.commit()
    assert shop.reserve() == []
    assert shop.state() == ("suppressed", "opted_out")
    assert shop.told_types("sms") == ["sms.suppressed"]


def test_an_erasure_that_is_committed_before_wins(shop: Shop) -> None:
    shop.happen(requested())
    reservation = shop.reserving.prepare(["demo"], 10)
    shop.happen(deleted())
    with pytest.raises(ConcurrentUpdate):
        reservation.work.commit()
    assert shop.reserve() == []


def test_a_suppressed_text_says_why(shop: Shop) -> None:
    shop.happen(requested("r1", SENDER), requested("r2", "nobody"), requested("r3", body=""))
    assert shop.reserve() == []
    told = [(event.data["request_id"], event.data["reason"]) for event in shop.told("sms.suppressed")]
    assert sorted(told) == [("r1", "own_number"), ("r2", "invalid_number"), ("r3", "empty")]


def test_a_dry_run_is_marked(database: Database) -> None:
    shop = Shop(database, dry_run=True)
    shop.happen(requested())
    shop.send(Accepted(None, "sent"))
    message = shop.message()
    assert (message["state"], message["dry_run"], message["message_sid"]) == ("sent", True, None)
    [sent] = shop.told()
    assert (sent.type, sent.data["reason"]) == ("sms.sent", "dry_run")


def test_marketing_waits_for_the_morning(shop: Shop) -> None:
    night = datetime.fromisoformat("2026-03-02T23:00:00-05:00")
    shop.now = night
    shop.happen(
        requested("r1", at=night, purpose="marketing"),
        requested("r2", at=night, purpose="marketing", expires_at=night + timedelta(hours=1)),
    )
    assert shop.reserve() == []
    assert [shop.state("r1"), shop.state("r2")] == [("held", "quiet_hours")] * 2
    shop.wait(hours=1)
    assert shop.reserve() == []
    assert shop.state("r2") == ("suppressed", "quiet_hours")
    shop.wait(hours=8)
    assert [order.request_id for order in shop.reserve()] == ["r1"]


# Caps.


def test_caps_hold_within_a_batch_and_after_it(database: Database) -> None:
    shop = Shop(database, texting={"most_a_day": 5})
    request_many(shop, 8)
    assert [order.request_id for order in shop.reserve()] == ["r0", "r1", "r2", "r3", "r4"]
    assert shop.state("r5") == ("suppressed", "business_cap")
    assert shop.line()["texts"] == 5


def test_a_number_has_its_cap_and_loops_are_broken(database: Database) -> None:
    shop = Shop(database, texting={"most_per_number_a_day": 7})
    shop.happen(*(requested(f"r{number}", reason="auto_reply") for number in range(6)))
    assert len(shop.reserve()) == MOST_AUTOMATIC_AN_HOUR
    assert shop.state("r5") == ("suppressed", "reply_loop")
    shop.happen(*(requested(f"m{number}", reason="manual") for number in range(3)))
    assert [order.request_id for order in shop.reserve()] == ["m0", "m1"]
    assert shop.state("m2") == ("suppressed", "number_cap")


def test_segments_have_a_budget(database: Database) -> None:
    shop = Shop(database, texting={"most_segments_a_day": 4})
    shop.happen(requested("r1", body="a" * 400), requested("r2", BOB, body="a" * 161), requested("r3", caller(3)))
    assert {order.request_id for order in shop.reserve()} == {"r1", "r3"}
    assert shop.state("r2") == ("suppressed", "segment_cap")


def test_what_is_tried_again_is_counted_once(shop: Shop) -> None:
    shop.happen(requested())
    shop.send(NotReached("ConnectionError"))
    shop.wait(seconds=5)
    shop.send(ACCEPTED)
    assert (shop.message()["attempts"], shop.line()["texts"], len(shop.contact()["texted"])) == (2, 1, 1)


# Rate.


def test_slots_are_taken_ahead_and_not_further(database: Database) -> None:
    shop = Shop(database, texting={"per_second": 50})
    request_many(shop, 20)
    orders = shop.reserve()
    spacing = [(later.slot - before.slot).total_seconds() for before, later in pairwise(orders)]
    assert spacing == pytest.approx([0.02] * 9)
    assert orders[-1].slot < shop.now + AHEAD
    assert shop.reserve() == []
    shop.wait(milliseconds=100)
    assert len(shop.reserve()) == 5


def test_a_long_text_takes_its_segments_time(database: Database) -> None:
    shop = Shop(database, texting={"per_second": 1})
    shop.happen(requested("r1", body="a" * 307), requested("r2", BOB, at=at(1)))
    shop.wait(seconds=1)
    assert [order.request_id for order in shop.reserve()] == ["r1"]
    shop.wait(milliseconds=2700)
    assert shop.reserve() == []
    shop.wait(milliseconds=200)
    assert [order.request_id for order in shop.reserve()] == ["r2"]


def test_no_business_stands_in_anothers_way(database: Database) -> None:
    demo = Shop(database).businesses["demo"]
    shop = Shop(database, businesses={name: replace(demo, key=name) for name in ("busy", "demo", "quiet")})
    shop.happen(*(requested(f"r{number}", caller(number), business="busy") for number in range(100)))
    shop.happen(*(requested(f"q{number}", caller(number), business="quiet") for number in range(3)))
    due = store.due_businesses(database, shop.now, "busy", 10)
    assert due == ["quiet", "busy"]
    assert store.due_businesses(database, shop.now, "", 1) == ["busy"]
    orders = shop.reserve(10, due)
    assert [order.business for order in orders] == ["quiet"] * 3 + ["busy"] * 7
    assert [len(shop.reserve(10, ["busy", "quiet"])), len(shop.reserve(10, ["quiet"]))] == [5, 0]


def test_two_workers_side_by_side_drain_what_waits_and_nothing_twice(database: Database) -> None:
    """With the clock that counts: each reserves what it can as fast as it can."""
    shop = Shop(database, texting={"per_second": 1000, "most_a_day": 10_000})
    shop.now = T0 + timedelta(hours=1)
    request_many(shop, 300)
    taken: list[Order] = []

    def work(worker: Reserving) -> None:
        while any(store.due_messages(database, "demo", shop.now, 1)):
            try:
                reservation = worker.prepare(["demo"], 20)
                reservation.work.commit()
            except ConcurrentUpdate:
                continue
            taken.extend(reservation.orders)
            shop.wait(milliseconds=20)

    workers = [replace(shop.reserving, new_id=lambda: "one"), replace(shop.reserving, new_id=lambda: "two")]
    threads = [threading.Thread(target=work, args=[worker]) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(order.request_id for order in taken) == sorted(f"r{number}" for number in range(300))
    assert shop.line()["texts"] == 300


# What came of it.


def test_a_refusal_for_good_fails(shop: Shop) -> None:
    shop.happen(requested())
    shop.send(Refused(400, 21211))
    assert shop.state() == ("failed", "refused_by_twilio")
    [failed] = shop.told()
    assert (failed.type, failed.data["error_code"]) == ("sms.failed", 21211)


def test_a_stop_that_only_twilio_knows_counts_from_then_on(shop: Shop) -> None:
    shop.happen(requested())
    shop.send(Refused(400, 21610))
    assert shop.state() == ("suppressed", "opted_out")
    assert shop.told_types() == ["sms.suppressed", "contact.opted_out"]
    shop.happen(requested("r2"))
    assert shop.reserve() == []


def test_while_the_account_may_not_send_nothing_is_lost(shop: Shop) -> None:
    request_many(shop, 3)
    shop.send(Refused(429, 20429, retry_after=30))
    assert [shop.state(name) for name in ("r0", "r1", "r2")] == [("pending", "too_many_requests")] * 3
    assert shop.line(ACCOUNT_LINE)["pause"]["failures"] == 1
    assert shop.reserving.is_paused()
    assert shop.reserve() == []
    shop.wait(seconds=31)
    assert not shop.reserving.is_paused()
    [trial] = shop.reserve()
    assert shop.reserve() == []
    shop.answer(ACCEPTED, trial)
    assert shop.line(ACCOUNT_LINE)["pause"] is None
    assert len(shop.reserve()) == 2


def test_an_outage_leaves_few_texts_in_doubt(shop: Shop) -> None:
    """Two hours of time-outs: what was on its way when they began, then one at a time, and ever less often."""
    request_many(shop, 40)
    shop.answer(Ambiguous("ReadTimeout"), *shop.reserve(3))
    for _ in range(240):
        shop.wait(seconds=30)
        shop.answer(Ambiguous("ReadTimeout"), *shop.reserve(3))
    doubtful = [number for number in range(40) if shop.state(f"r{number}")[0] == "reserved"]
    assert 10 < len(doubtful) < 20


def test_what_expires_during_a_pause_ends(shop: Shop) -> None:
    shop.happen(requested(expires_at=at(60)))
    shop.send(Refused(401, 20003))
    shop.wait(seconds=61)
    shop.settling.drop(shop.settling.expired(10))
    assert shop.state() == ("suppressed", "expired")


def test_a_full_queue_stops_its_sender_only(database: Database) -> None:
    demo = Shop(database).businesses["demo"]
    shop = Shop(database, businesses={name: replace(demo, key=name) for name in ("demo", "other")})
    shop.happen(requested(), requested(business="other"))
    [order] = shop.reserve()
    shop.answer(Refused(400, 21611), order)
    shop.wait(seconds=1)
    assert [order.business for order in shop.reserve(10, ["demo", "other"])] == ["other"]


def test_a_reservation_that_may_not_have_been_committed_is_given_back(shop: Shop) -> None:
    shop.happen(requested())
    orders = shop.reserve()
    shop.answer(NotReached(NOT_COMMITTED), *orders)
    assert shop.state() == ("pending", NOT_COMMITTED)
    [order] = shop.reserve()
    shop.answer(NotReached(NOT_COMMITTED), *orders)  # of the attempt before
    assert shop.state() == ("reserved", None)
    shop.answer(ACCEPTED, order)
    assert shop.state() == ("sent", None)


# What is in doubt.


class OnList:
    """What Twilio lists."""

    def __init__(self) -> None:
        self.listed: list[Listed] = []
        self.away = False

    def __call__(self, to: str, since: datetime) -> list[Listed]:
        if self.away:
            raise UpstreamUnavailable("Twilio is away.")
        return [one for one in self.listed if one.to == to]

    def add(self, number: int, to: str = ANNA, body: str = "Hello", second: float = 0, status: str = "sent") -> None:
        self.listed.append(Listed(sid(number), to, SENDER, body, "outbound-api", status, None, at(second)))


@pytest.fixture
def on_list() -> OnList:
    return OnList()


@pytest.fixture
def doubtful(database: Database, on_list: OnList) -> Shop:
    return Shop(database, listed=on_list)


def test_an_ambiguous_text_is_found_on_twilios_list(doubtful: Shop, on_list: OnList) -> None:
    doubtful.happen(requested())
    doubtful.send(Ambiguous("ReadTimeout"))
    assert doubtful.told() == []
    assert doubtful.reserve() == []
    on_list.add(1, status="delivered")
    doubtful.wait(seconds=6)
    doubtful.settle()
    assert doubtful.message()["message_sid"] == sid(1)
    assert doubtful.told_types() == ["sms.sent", "sms.delivered"]


def test_one_whose_worker_died_is_looked_for_when_its_time_is_over(doubtful: Shop, on_list: OnList) -> None:
    doubtful.happen(requested())
    doubtful.reserve()
    on_list.add(1)
    doubtful.wait(seconds=59)
    doubtful.settle()
    assert doubtful.state() == ("reserved", None)
    doubtful.wait(seconds=2)
    doubtful.settle()
    assert doubtful.state() == ("sent", None)


def test_what_nobody_knows_of_is_left_to_a_person_and_never_sent_again(doubtful: Shop) -> None:
    doubtful.happen(requested())
    doubtful.send(Ambiguous("http_500"))
    for _ in range(60):
        doubtful.wait(seconds=15)
        doubtful.settle()
        assert doubtful.reserve() == []
    assert doubtful.state() == ("unknown", "may_have_been_sent")
    assert doubtful.told() == []
    doubtful.happen(status_changed("delivered", doubtful.now))
    assert doubtful.told_types() == ["sms.sent", "sms.delivered"]


def test_while_twilio_is_away_nothing_is_given_up(doubtful: Shop, on_list: OnList) -> None:
    doubtful.happen(requested())
    doubtful.send(Ambiguous("ReadTimeout"))
    on_list.away = True
    doubtful.wait(hours=3)
    doubtful.settle()
    assert doubtful.state() == ("reserved", "ReadTimeout")
    on_list.away = False
    on_list.add(1)
    doubtful.wait(minutes=5)
    doubtful.settle()
    assert doubtful.state() == ("sent", None)


def test_several_with_the_same_text_share_what_is_listed(doubtful: Shop, on_list: OnList) -> None:
    """Two of three were sent: nobody knows which, until one is told of by its callback and the time is over."""
    doubtful.happen(*(requested(f"r{number}") for number in range(3)))
    doubtful.send(Ambiguous("ReadTimeout"))
    on_list.add(1)
    on_list.add(2)
    doubtful.wait(seconds=10)
    doubtful.settle()
    assert {doubtful.state(f"r{number}")[0] for number in range(3)} == {"reserved"}
    doubtful.happen(status_changed("sent", doubtful.now, sid=sid(2), request_id="r1"))
    assert (doubtful.state("r1")[0], doubtful.message("r1")["message_sid"]) == ("sent", sid(2))
    doubtful.wait(seconds=UNKNOWN_AFTER.total_seconds())
    doubtful.settle()
    assert [doubtful.state(f"r{number}")[0] for number in range(3)] == ["sent", "sent", "unknown"]
    assert doubtful.message("r0")["message_sid"] == sid(1)


def test_doubts_of_different_times_are_settled_together(doubtful: Shop, on_list: OnList) -> None:
    doubtful.happen(requested("r1"))
    doubtful.send(Ambiguous("ReadTimeout"))
    doubtful.wait(seconds=3)
    doubtful.happen(requested("r2", at=doubtful.now))
    doubtful.send(Ambiguous("ReadTimeout"))
    on_list.add(1)
    on_list.add(2, second=3)
    doubtful.wait(seconds=3)
    doubtful.settle()
    assert [doubtful.message(name)["message_sid"] for name in ("r1", "r2")] == [sid(1), sid(2)]


def test_a_text_on_its_way_keeps_its_message_from_another(doubtful: Shop, on_list: OnList) -> None:
    doubtful.happen(requested("r1"))
    doubtful.send(Ambiguous("ReadTimeout"))
    doubtful.wait(seconds=4)
    doubtful.happen(requested("r2"))
    [order] = doubtful.reserve()
    on_list.add(2, second=4)
    doubtful.wait(seconds=2)
    doubtful.settle()
    assert doubtful.state("r1")[0] == "reserved"
    doubtful.answer(Accepted(sid(2), "queued"), order)
    doubtful.wait(seconds=30)
    doubtful.settle()
    assert doubtful.state("r1")[0] == "reserved"


def test_a_dry_run_that_was_not_recorded_is_done_again(database: Database) -> None:
    shop = Shop(database, dry_run=True)
    shop.happen(requested())
    shop.reserve()
    shop.wait(seconds=ATTEMPT_TIME.total_seconds() + 1)
    shop.settle()
    assert shop.state()[0] == "pending"
    assert len(shop.reserve()) == 1


# What it costs to find what is due.


def test_what_is_due_is_found_by_an_index(database: Database, shop: Shop) -> None:
    request_many(shop, 50)
    for query, order in (
        ({"business": "demo", "due_at": {"$type": "date", "$lte": shop.now}}, "due_at"),
        ({"settle_at": {"$type": "date", "$lte": shop.now}}, "settle_at"),
        ({"due_at": {"$type": "date"}, "expires_at": {"$lte": shop.now}}, "expires_at"),
        ({"business": {"$gt": "", "$lte": "z"}, "due_at": {"$type": "date", "$lte": shop.now}}, "business"),
    ):
        plan = database[MESSAGES].find(query).sort(order).limit(1).explain()["queryPlanner"]["winningPlan"]
        assert "COLLSCAN" not in str(plan), query
        assert "'SORT'" not in str(plan), query
