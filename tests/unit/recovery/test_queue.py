"""The queue of missed calls: one open item a caller, closed by what happens, the same in any order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recovery.domain import item_id_of
from recovery.store import BOOKINGS, CALLERS, CALLS, CUSTOMERS, ERASED, ITEMS
from ringback.callers import customer_id_of
from ringback.contracts.envelope import Event
from ringback.errors import Permanent
from tests.unit.fakes import CALLER, NUMBER, sample_settings
from tests.unit.recovery.queue import (
    ANNA,
    Queue,
    answered,
    appointment,
    at,
    created,
    deleted,
    merged,
    missed,
    outcome,
    received,
    recorded,
    started,
    transcribed,
    updated,
)

BOB = "+14155550101"
FORWARDED = sample_settings().businesses["demo"].forward_to[0]


def item_id(sid: str) -> str:
    return item_id_of("demo", sid)


def states(queue: Queue) -> list[str]:
    return [item["state"] for item in queue.items]


# Items.


def test_a_missed_call_makes_an_item_that_others_are_told_of() -> None:
    queue = Queue().take(created(), missed("CA1", 1))
    assert (queue.item["phone"], queue.item["attempts"], queue.item["state"]) == (CALLER, 1, "new")
    assert (queue.item["first_missed_at"], queue.item["due_at"]) == (at(1), at(6))
    [opened] = queue.told("missed_call.opened")
    assert opened.data["missed_call_id"] == queue.item["_id"] == item_id("CA1")
    assert (opened.data["customer_id"], opened.data["phone"], opened.data["reason"]) == (ANNA, CALLER, "no-answer")
    assert queue.told("missed_call.closed") == []


def test_three_calls_are_one_item_with_three_attempts() -> None:
    queue = Queue().take(missed("CA1", 1), missed("CA2", 2, reason="busy"), missed("CA3", 30))
    assert (queue.item["attempts"], queue.item["first_missed_at"], queue.item["last_missed_at"]) == (3, at(1), at(30))
    assert [call["call_sid"] for call in queue.item["calls"]] == ["CA1", "CA2", "CA3"]
    assert len(queue.told("missed_call.opened")) == 1


@pytest.mark.parametrize(
    ("end", "resolution"),
    [
        (answered("CA2", 5), "called_back"),
        (received("SM1", 5), "replied"),
        (received("SM1", 5, consent="opt_in"), "replied"),
        (appointment("booked", 5), "booked"),
    ],
)
def test_an_item_closes_itself(end: Event, resolution: str) -> None:
    queue = Queue().take(created(), missed("CA1"), end)
    assert (queue.item["state"], queue.item["resolution"], queue.item["closed_at"]) == (resolution, resolution, at(5))
    assert not queue.item["open"]
    [closed] = queue.told("missed_call.closed")
    assert (closed.data["resolution"], closed.data["missed_call_id"]) == (resolution, queue.item["_id"])


@pytest.mark.parametrize(
    "other",
    [
        answered("CA2", -5),
        received("SM1", -5),
        received("SM1", 5, consent="opt_out"),
        received("SM1", 5, consent="help"),
        received("SM1", 5, sender=BOB),
        answered("CA2", 5, caller=BOB),
        appointment("booked", -5),
        appointment("booked", 5, customer_id="somebody else"),
        appointment("canceled", 5),
    ],
)
def test_what_says_nothing_about_it_leaves_it_open(other: Event) -> None:
    queue = Queue().take(created(-10), missed("CA1"), other)
    assert queue.item["open"]
    assert queue.told("missed_call.closed") == []


def test_a_new_missed_call_after_the_end_is_a_new_item() -> None:
    queue = Queue().take(missed("CA1"), received("SM1", 5), missed("CA2", 10))
    assert states(queue) == ["replied", "new"]
    assert len(queue.told("missed_call.opened")) == 2


def test_what_nobody_sees_to_is_given_up_after_the_last_call() -> None:
    queue = Queue().take(missed("CA1"), missed("CA2", 60 * 24)).wait(days=30, hours=23)
    assert queue.item["open"]
    queue.wait(hours=2)
    assert (queue.item["state"], queue.item["closed_at"]) == ("expired", at(60 * 24) + timedelta(days=30))
    assert [event.data["resolution"] for event in queue.told("missed_call.closed")] == ["expired"]


def test_a_voicemail_and_its_words_are_attached_whenever_they_come() -> None:
    queue = Queue().take(transcribed("CA1", 2), missed("CA1", 1), recorded("CA1", 1))
    queue.take(transcribed("CA1", 3, "Call me back please"), transcribed("CA1", 1, "Hi, is anybody", "realtime"))
    [call] = queue.item["calls"]
    assert (call["recording_sid"], call["transcript"]) == ("RECA1", "Call me back please")


@pytest.mark.parametrize("caller", [NUMBER, FORWARDED])
def test_our_own_numbers_make_no_item(caller: str) -> None:
    assert Queue().take(missed("CA1", caller=caller)).items == []


def test_an_unknown_business_is_refused_for_good() -> None:
    with pytest.raises(Permanent):
        Queue().take(replace(missed("CA1"), business="nobody"))


# Who cannot be reached.


@pytest.mark.parametrize(
    ("caller", "kind"),
    [("anonymous", "withheld"), ("sip:bob@x", "sip"), ("client:bob", "client"), ("12345", "short")],
)
def test_callers_without_a_number_are_never_taken_for_one(caller: str, kind: str) -> None:
    queue = Queue().take(missed("CA1", caller=caller), missed("CA2", 1, caller=caller)).wait(hours=1)
    assert states(queue) == ["suppressed", "suppressed"]
    assert [item["suppressed_reason"] for item in queue.items] == [kind, kind]
    assert [item["phone"] for item in queue.items] == [None, None]
    assert not any(item["open"] for item in queue.items)
    assert queue.told("sms.requested") == []


def test_a_caller_without_a_number_who_left_a_message_has_to_be_looked_at() -> None:
    queue = Queue().take(recorded("CA1"), missed("CA1", caller="anonymous"))
    assert (queue.item["state"], queue.item["open"]) == ("suppressed", True)
    queue.wait(days=31)
    assert (queue.item["state"], queue.item["open"], queue.item["met"]) == ("expired", False, None)


# Appointments and money.


def test_a_booking_counts_for_the_missed_call_that_it_came_after() -> None:
    queue = Queue().take(created(), missed("CA1"), received("SM1", 5), appointment("booked", 60 * 24))
    queue.take(appointment("completed", 60 * 48, price=7000))
    [gained] = queue.item["appointments"]
    assert (gained["status"], gained["price"], gained["currency"]) == ("completed", 7000, "USD")
    assert queue.item["resolution"] == "replied"


def test_a_booking_long_after_is_not_what_the_missed_call_brought() -> None:
    queue = Queue().take(created(), missed("CA1"), received("SM1", 5), appointment("booked", 60 * 24 * 31))
    assert queue.item["appointments"] == []


def test_a_booking_is_of_the_number_that_the_customer_had_then() -> None:
    queue = Queue().take(missed("CA1"), missed("CA2", caller=BOB), created(-10, [CALLER]))
    queue.take(appointment("booked", 5), updated(10, 2, phones=[BOB]))
    assert {item["phone"]: item["resolution"] for item in queue.items} == {CALLER: "booked", BOB: None}


def test_an_item_that_is_long_over_still_learns_the_price() -> None:
    queue = Queue().take(created(), missed("CA1"), appointment("booked", 5))
    queue.now += timedelta(days=60)
    queue.take(missed("CA2", 60 * 24 * 60), appointment("completed", 60 * 24 * 60, price=9900))
    assert queue.database.documents(CALLERS)[f"demo:{CALLER}"]["items"] == [item_id("CA2")]
    [old, _] = queue.items
    assert [(one["status"], one["price"]) for one in old["appointments"]] == [("completed", 9900)]


# Late facts, and what is told then.


def test_whoever_has_an_id_from_before_an_earlier_call_was_known_still_finds_the_item() -> None:
    queue = Queue().take(missed("CA2", 2), missed("CA1", 1))
    assert queue.item["_id"] == item_id("CA1")
    assert queue.item["names"] == sorted([item_id("CA1"), item_id("CA2")])
    assert [event.data["missed_call_id"] for event in queue.told("missed_call.opened")] == [item_id("CA2")]
    queue.take(received("SM1", 9))
    assert [event.data["missed_call_id"] for event in queue.told("missed_call.closed")] == [item_id("CA2")]


def test_a_call_that_was_answered_after_all_was_no_missed_call() -> None:
    queue = Queue().take(missed("CA1"), answered("CA1", 1))
    assert queue.items == []
    [closed] = queue.told("missed_call.closed")
    assert (closed.data["missed_call_id"], closed.data["resolution"]) == (item_id("CA1"), "called_back")
    queue.take(missed("CA1", 2, reason="timeout"))
    assert queue.items == []
    assert len(queue.told("missed_call.closed")) == 1


def test_a_late_reply_parts_an_item_in_two() -> None:
    queue = Queue().take(missed("CA1", 1), missed("CA2", 9), received("SM1", 5))
    assert states(queue) == ["replied", "new"]
    assert len(queue.told("missed_call.opened")) == 2
    assert [event.data["missed_call_id"] for event in queue.told("missed_call.closed")] == [item_id("CA1")]


def test_an_end_that_turns_out_otherwise_is_told_again() -> None:
    queue = Queue().take(missed("CA1")).wait(days=31).take(received("SM1", 5))
    assert states(queue) == ["replied"]
    assert sorted(event.data["resolution"] for event in queue.told("missed_call.closed")) == ["expired", "replied"]


def test_items_that_turn_out_to_be_one_are_each_told_as_closed() -> None:
    month = 60 * 24 * 29
    queue = Queue(now=at(month * 2)).take(missed("CA1"), missed("CA3", month * 2))
    assert states(queue) == ["expired", "new"]
    queue.take(missed("CA2", month), answered("CA4", month * 2 + 1))
    assert states(queue) == ["called_back"]
    told = {(one.data["missed_call_id"], one.data["resolution"]) for one in queue.told("missed_call.closed")}
    ends = {(item_id("CA1"), "called_back"), (item_id("CA3"), "called_back")}
    assert told == {(item_id("CA1"), "expired")} | ends


# Order.

HISTORY = [
    created(-60),
    started("CA1", -1),
    missed("CA1", 0),
    missed("CA1", 1, reason="timeout"),
    recorded("CA1", 1),
    transcribed("CA1", 2),
    missed("CA2", 3, reason="busy"),
    received("SM1", 4),
    received("SM2", 4, consent="help"),
    missed("CA3", 10),
    missed("CA4", 11),
    answered("CA4", 12),
    missed("CA5", 20),
    appointment("booked", 21),
    appointment("completed", 900, price=7000),
    missed("CA6", 30),
    missed("CA7", 31, caller="anonymous"),
    recorded("CA7", 32),
    missed("CA8", 33, caller=BOB),
    updated(40, 2, phones=[CALLER, BOB]),
    appointment("booked", 50, "A2"),
    missed("CA9", 60, caller=BOB),
    merged(70, 3, "bert"),
    started("CA10", 80),
]
IN_ORDER = Queue(now=at(1000)).take(*HISTORY)


def test_the_history_has_all_that_can_happen() -> None:
    assert states(IN_ORDER) == ["replied", "called_back", "booked", "booked", "suppressed", "booked", "new"]
    assert {event.data["resolution"] for event in IN_ORDER.told("missed_call.closed")} == {
        "replied",
        "called_back",
        "booked",
    }


@settings(max_examples=150)
@given(st.permutations(HISTORY + HISTORY[3:9]), st.integers(1, 7))
def test_any_order_repetition_and_batching_makes_the_same_queue(events: list[Event], size: int) -> None:
    queue = Queue(now=at(1000))
    for start in range(0, len(events), size):
        queue.batch(events[start : start + size])
    assert queue.state() == IN_ORDER.state()
    assert queue.database.documents(BOOKINGS).keys() == IN_ORDER.database.documents(BOOKINGS).keys()
    assert_told_once(queue)


def assert_told_once(queue: Queue) -> None:
    """Each open item was told as opened, each closed one as closed as it is; nothing twice."""
    opened = [event.data["missed_call_id"] for event in queue.told("missed_call.opened")]
    closed = [(one.data["missed_call_id"], one.data["resolution"]) for one in queue.told("missed_call.closed")]
    assert len(set(opened)) == len(opened)
    assert len(set(closed)) == len(closed)
    for item in queue.items:
        names = set(item["names"]) & set(opened)
        assert names
        assert not item["resolution"] or {(name, item["resolution"]) for name in names} <= set(closed)


# Erasing.


def everything(queue: Queue) -> str:
    names = (CALLERS, ITEMS, CALLS, BOOKINGS, CUSTOMERS, ERASED)
    return str([queue.database.documents(name) for name in names])


@pytest.mark.parametrize("late", [missed("CA1", 6), answered("CA1", 6), started("CA1", 6)])
def test_a_late_end_of_an_erased_call_is_nobodys(late: Event) -> None:
    queue = Queue(now=at(10)).take(created(), missed("CA1", 1, reason="abandoned"), deleted(5), late)
    assert [item["erased"] for item in queue.items] == [True]
    assert not queue.database.documents(CALLERS)


def test_who_is_erased_leaves_figures_only() -> None:
    queue = Queue().take(*HISTORY[:10]).take(deleted(100))
    left = everything(queue)
    for trace in (CALLER, "Anna", "Call me", ANNA, "RECA1"):
        assert trace not in left
    [replied, new] = queue.items
    assert (replied["attempts"], replied["resolution"], new["open"]) == (2, "replied", False)
    assert queue.told("missed_call.closed")[-1].data["resolution"] == "replied"


@settings(max_examples=100)
@given(st.permutations([*HISTORY[:12], deleted(100), missed("CA99", 200)]))
def test_what_happened_before_the_erasure_never_comes_back(events: Sequence[Event]) -> None:
    queue = Queue(now=at(1000)).take(*events)
    [item] = [one for one in queue.items if not one.get("erased")]
    assert (item["_id"], item["attempts"], item["phone"]) == (item_id("CA99"), 1, CALLER)
    left = everything(queue)
    for trace in ("Anna", "Call me", "RECA1", "SM1", "CA1'"):
        assert trace not in left


@settings(max_examples=30)
@given(
    st.permutations([missed("CA1", caller="anonymous"), recorded("CA1", 1), transcribed("CA1", 2), deleted(9, "?")])
)
def test_a_message_of_a_caller_without_a_number_goes_with_the_customer(events: list[Event]) -> None:
    nameless = customer_id_of("demo", None, "CA1")
    queue = Queue(now=at(60)).take(
        *(deleted(9, nameless) if one.type == "customer.deleted" else one for one in events)
    )
    assert "Call me" not in everything(queue)
    assert all(item.get("erased") for item in queue.items)


def test_a_number_that_is_somebody_elses_now_stays_theirs() -> None:
    queue = Queue().take(
        created(), updated(1, 2, phones=[BOB]), created(2, [CALLER], "cleo", "Cleo"), missed("CA1", 3)
    )
    queue.take(deleted(9))
    assert (queue.item["phone"], queue.item["open"]) == (CALLER, True)


# Size.


def test_a_machine_that_calls_all_day_makes_a_short_ledger() -> None:
    queue = Queue(now=at(2000))
    queue.batch([missed(f"CA{n:04}", n) for n in range(700)])
    queue.batch([missed(f"CA{n:04}", n) for n in range(700, 1400)])
    [ledger] = queue.database.documents(CALLERS).values()
    assert len(ledger["calls"]) < 400
    assert (queue.item["attempts"], queue.item["_id"]) == (1400, item_id("CA0000"))
    assert len(queue.item["calls"]) == 50


def test_whoever_texts_all_day_makes_a_short_ledger() -> None:
    queue = Queue(now=at(2000)).take(missed("CA1"))
    queue.batch([received(f"SM{n:04}", n) for n in range(1, 1500)])
    [ledger] = queue.database.documents(CALLERS).values()
    assert len(ledger["replies"]) <= 600
    assert states(queue) == ["replied"]


def test_a_repeated_call_of_an_item_that_is_long_over_changes_nothing() -> None:
    queue = Queue().take(missed("CA1"), missed("CA2", 1), received("SM1", 5))
    queue.now += timedelta(days=60)
    queue.take(received("SM2", 60 * 24 * 60))
    before = queue.items
    queue.take(missed("CA1", 0, reason="busy"))
    assert queue.items == before


def test_a_text_of_somebody_else_is_not_ours() -> None:
    queue = Queue().take(missed("CA1"), outcome("sent", "R-unknown", 3))
    assert (queue.item["state"], queue.item["texts"]) == ("new", [])
