"""Texts back by themselves: when, to whom, once; and what came of them."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.timers import Timers
from ringback.contracts.envelope import Event
from ringback.errors import StoreUnavailable
from ringback.store.database import Database
from tests.unit.fakes import CALLER, T0
from tests.unit.recovery import queue as told
from tests.unit.recovery.queue import (
    ANNA,
    BUSINESSES,
    SEAL,
    Queue,
    answered,
    appointment,
    at,
    consent,
    created,
    deleted,
    missed,
    outcome,
    received,
    started,
    updated,
)

OPEN = "Hi, this is Bright Smile Dental. Sorry we missed your call! Reply here and we will get right back to you."


def requests(queue: Queue) -> list[Event]:
    return queue.told("sms.requested")


def test_who_was_missed_is_texted_after_the_delay() -> None:
    queue = Queue().take(created(), missed("CA1")).wait(seconds=59)
    assert requests(queue) == []
    queue.wait(seconds=1)
    [request] = requests(queue)
    assert (request.data["recipient"], request.data["body"], request.data["customer_id"]) == (CALLER, OPEN, ANNA)
    assert (request.data["purpose"], request.data["reason"], request.source) == (
        "transactional",
        "text_back",
        "/ringback/recovery",
    )
    assert request.data["expires_at"] == at(121)
    assert (queue.item["state"], queue.item["text_count"], queue.item["suppressed_reason"]) == ("texted", 1, None)
    queue.wait(hours=1)
    assert len(requests(queue)) == 1


@pytest.mark.parametrize(
    "meanwhile", [answered("CA2", 0.5), received("SM1", 0.5), appointment("booked", 0.5), answered("CA1", 0.5)]
)
def test_who_was_reached_meanwhile_is_not_texted(meanwhile: Event) -> None:
    queue = Queue().take(created(-1), missed("CA1"), meanwhile).wait(minutes=5)
    assert requests(queue) == []


def test_who_is_calling_again_is_not_texted_while_they_do() -> None:
    queue = Queue().take(missed("CA1"), started("CA2", 0.5)).wait(minutes=30)
    assert requests(queue) == []
    queue.take(answered("CA2", 31)).wait(hours=5)
    assert requests(queue) == []


def test_who_calls_again_in_vain_is_texted_then() -> None:
    queue = Queue().take(missed("CA1"), started("CA2", 0.5)).wait(minutes=2).take(missed("CA2", 2)).wait()
    assert len(requests(queue)) == 1


@pytest.mark.parametrize("other", [started("CA0", -1), started("CA2", 0.5, direction="outbound-dial")])
def test_other_calls_that_go_on_change_nothing(other: Event) -> None:
    assert len(requests(Queue().take(missed("CA1"), other).wait(minutes=1))) == 1


def test_a_call_that_never_ends_is_waited_for_until_it_is_too_late() -> None:
    queue = Queue().take(missed("CA1"), started("CA2", 0.5)).wait(hours=2, minutes=2)
    assert (requests(queue), queue.item["suppressed_reason"]) == ([], "too_late")


def test_three_calls_in_an_hour_are_one_text() -> None:
    queue = Queue().take(missed("CA1")).wait(minutes=2).take(missed("CA2", 2)).wait(minutes=20)
    queue.take(missed("CA3", 22)).wait(minutes=30)
    assert len(requests(queue)) == 1


def test_a_window_goes_across_items() -> None:
    queue = Queue().take(missed("CA1")).wait(minutes=2).take(received("SM1", 3), missed("CA2", 5)).wait(minutes=9)
    assert len(requests(queue)) == 1
    assert [item["suppressed_reason"] for item in queue.items] == [None, "recently_texted"]


def test_after_the_window_a_new_call_is_answered_again() -> None:
    queue = Queue().take(missed("CA1")).wait(minutes=2)
    queue.take(missed("CA2", 60 * 25)).wait(hours=26)
    assert len(requests(queue)) == 2
    assert len({request.data["request_id"] for request in requests(queue)}) == 2


def test_who_said_stop_is_not_texted_and_the_item_says_so() -> None:
    queue = Queue().take(consent("opted_out", -5), missed("CA1")).wait(minutes=5)
    assert requests(queue) == []
    assert (queue.item["state"], queue.item["open"], queue.item["suppressed_reason"]) == ("new", True, "opted_out")
    queue.take(consent("opted_in", 6), missed("CA2", 7)).wait(minutes=5)
    assert len(requests(queue)) == 1


@pytest.mark.parametrize("kind", ["landline", "toll_free", "premium"])
def test_numbers_that_get_no_texts_are_not_texted(kind: str) -> None:
    queue = Queue().take(missed("CA1", kind=kind)).wait(minutes=5)
    assert requests(queue) == []
    assert (queue.item["state"], queue.item["open"], queue.item["suppressed_reason"]) == ("new", True, "landline")


@pytest.mark.parametrize("status", ["suppressed", "failed"])
def test_what_could_not_be_sent_says_why(status: str) -> None:
    queue = Queue().take(missed("CA1")).wait(minutes=2)
    request_id = requests(queue)[0].data["request_id"]
    queue.take(outcome(status, request_id, 3, "daily_cap"))
    assert (queue.item["state"], queue.item["suppressed_reason"], queue.item["text_count"]) == ("new", "daily_cap", 0)
    queue.take(outcome("delivered", request_id, 2.5))
    assert (queue.item["state"], queue.item["suppressed_reason"]) == ("texted", None)


def test_a_late_text_is_none() -> None:
    queue = Queue().take(missed("CA1"))
    queue.wait(hours=3)
    assert requests(queue) == []
    assert queue.item["suppressed_reason"] == "too_late"
    queue.take(missed("CA2", 181)).wait(minutes=3)
    assert len(requests(queue)) == 1


def test_a_fresh_call_is_answered_though_an_older_one_was_not() -> None:
    queue = Queue().take(missed("CA1"), missed("CA2", 170)).wait(hours=3)
    assert len(requests(queue)) == 1


def with_demo(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    demo = BUSINESSES["demo"]
    monkeypatch.setattr(told, "BUSINESSES", {"demo": replace(demo, **changes)})  # type: ignore[arg-type]


def test_when_it_is_switched_off_nobody_is_texted(monkeypatch: pytest.MonkeyPatch) -> None:
    with_demo(monkeypatch, text_back=replace(BUSINESSES["demo"].text_back, enabled=False))
    queue = Queue().take(missed("CA1")).wait(minutes=5)
    assert requests(queue) == []
    assert queue.item["suppressed_reason"] is None


def test_while_it_is_closed_the_text_says_so_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = replace(BUSINESSES["demo"].text_back, closed="{name}, {business} is closed.")
    with_demo(monkeypatch, text_back=texts, hours={"tue": ((540, 600),)})
    queue = Queue().take(created(), updated(0, 2, name="Anna N."), missed("CA1")).wait(minutes=2)
    assert [request.data["body"] for request in requests(queue)] == ["Anna N., Bright Smile Dental is closed."]


def test_a_second_run_makes_the_same_request() -> None:
    queue = Queue(now=at(2)).take(missed("CA1"))
    queue.database.failures.append(StoreUnavailable("The outcome is unknown."))
    with pytest.raises(StoreUnavailable):
        queue.wait()
    assert requests(queue) == []
    queue.wait()
    [first] = requests(queue)
    again = Queue(now=at(2)).take(missed("CA1")).wait()
    assert [one.id for one in requests(again)] == [first.id]


def test_a_failure_without_a_reason_is_one() -> None:
    queue = Queue().take(missed("CA1")).wait(minutes=2)
    queue.take(outcome("failed", requests(queue)[0].data["request_id"], 3))
    assert queue.item["suppressed_reason"] == "failed"


def test_a_stop_outlives_who_said_it() -> None:
    queue = Queue().take(created(), consent("opted_out", 1), missed("CA1", 2), deleted(3), missed("CA2", 4))
    assert requests(queue.wait(minutes=6)) == []
    assert queue.items[-1]["suppressed_reason"] == "opted_out"


HAPPENINGS = [
    missed("CA1", 1),
    missed("CA2", 4),
    started("CA3", 5),
    answered("CA3", 9),
    missed("CA4", 20),
    missed("CA5", 60 * 24 + 30),
    received("SM1", 60 * 25),
]


@given(st.permutations(HAPPENINGS), st.lists(st.integers(0, 60 * 14), min_size=7, max_size=7))
def test_whatever_comes_when_nobody_is_texted_twice_in_a_window(events: list[Event], pauses: list[int]) -> None:
    queue = Queue()
    for event, pause in zip(events, pauses, strict=True):
        queue.take(event).wait(minutes=pause)
    queue.wait(days=40)
    times = [request.time for request in requests(queue)]
    assert all(later - earlier >= timedelta(hours=24) for earlier, later in pairwise(times))
    assert not any(item["open"] for item in queue.items)


def test_nothing_stays_due() -> None:
    queue = Queue().take(missed("CA1"), missed("CA2", caller="anonymous")).wait(minutes=2)
    ledgers = queue.database.documents("callers").values()
    assert all(ledger["wake_at"] > queue.now for ledger in ledgers)
    queue.wait(days=31)
    assert all(ledger["wake_at"] is None and ledger["forget_at"] for ledger in ledgers)


def test_who_is_not_there_any_more_is_no_error() -> None:
    queue = Queue()
    Timers(cast(Database, queue.database), BUSINESSES, lambda: T0 + timedelta(1), SEAL).wake(["demo:gone"])
    assert queue.items == []


def test_who_calls_again_before_the_first_end_is_known_is_not_texted_meanwhile() -> None:
    queue = Queue().take(started("CA1"), started("CA2", 0.9), missed("CA1", 1)).wait(minutes=5)
    assert requests(queue) == []
    queue.take(missed("CA2", 5)).wait(minutes=1)
    assert len(requests(queue)) == 1


def test_when_a_call_began_may_be_told_after_its_end() -> None:
    queue = Queue().take(started("CA2", 0.9), missed("CA1", 1), started("CA1")).wait(minutes=5)
    assert requests(queue) == []


def test_a_call_that_began_before_holds_up_no_text() -> None:
    queue = Queue().take(started("CA0"), started("CA1", 1), missed("CA1", 2)).wait(minutes=3)
    assert len(requests(queue)) == 1


def test_nobody_is_texted_about_a_call_that_was_given_up_hours_after_it_began() -> None:
    queue = Queue(now=at(255)).take(started("CA1"), answered("CA2", 10), missed("CA1", 255, reason="timeout"))
    queue.wait(minutes=2)
    assert requests(queue) == []
    assert (queue.item["state"], queue.item["suppressed_reason"]) == ("new", "too_late")
    queue.take(missed("CA3", 260)).wait(minutes=5)
    assert len(requests(queue)) == 1
