"""What counts as an answer, and in time."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from recovery.commands import Closed, Desk, Suppressed
from recovery.schemas import is_overdue
from ringback.errors import NotFound
from ringback.store.database import Database
from tests.unit.fakes import CALLER
from tests.unit.recovery.queue import BUSINESSES, SEAL, Queue, answered, consent, missed, received


def desk(queue: Queue) -> Desk:
    numbers = iter(range(1000))
    new_id: Callable[[], str] = lambda: f"id-{queue.now.isoformat()}-{next(numbers)}"  # noqa: E731 - a stand-in
    return Desk(cast(Database, queue.database), BUSINESSES, lambda: queue.now, new_id, SEAL)


def act(queue: Queue, name: str, **values: Any) -> Any:
    return getattr(desk(queue), name)("demo", queue.items[-1]["_id"], "olga", **values)


def handle(queue: Queue, resolution: str = "handled", note: str | None = None) -> Any:
    return act(queue, "mark_handled", resolution=resolution, note=note)


def met(queue: Queue) -> tuple[bool | None, int | None]:
    return queue.item["met"], queue.item["response_seconds"]


def test_a_text_back_is_no_answer_and_the_clock_runs_on() -> None:
    queue = Queue().take(missed("CA1")).wait(minutes=4)
    assert met(queue) == (None, None)
    assert not is_overdue(queue.item, queue.now)
    queue.wait(minutes=2)
    assert is_overdue(queue.item, queue.now)


def test_a_persons_text_answers_and_leaves_it_open() -> None:
    queue = Queue().take(missed("CA1")).wait(minutes=4)
    act(queue, "send_text", values={"body": "We call you back."})
    assert (queue.item["open"], queue.item["state"], met(queue)) == (True, "texted", (True, 240))
    queue.wait(hours=1)
    assert not is_overdue(queue.item, queue.now)
    queue.take(received("SM1", 70))
    assert met(queue) == (True, 240)


@pytest.mark.parametrize(("minutes", "in_time"), [(5, True), (5.1, False)])
def test_getting_through_answers(minutes: float, in_time: bool) -> None:
    queue = Queue().take(missed("CA1"), answered("CA2", minutes))
    assert met(queue) == (in_time, minutes * 60)


def test_it_is_when_somebody_answers_that_counts_not_how_long_they_talk() -> None:
    assert met(Queue().take(missed("CA1"), answered("CA2", 30, after=3))) == (True, 180)


def test_what_expired_was_not_answered_in_time() -> None:
    assert met(Queue().take(missed("CA1")).wait(days=31)) == (False, None)


def test_handling_closes_once_and_says_who() -> None:
    queue = Queue().take(missed("CA1")).wait(minutes=3)
    handle(queue, "called_back", "No vacancy")
    item = queue.wait(minutes=3).item
    assert handle(queue) == item == queue.item
    assert (item["resolution"], item["closed_by"], item["note"], met(queue)) == (
        "called_back",
        "olga",
        "No vacancy",
        (True, 180),
    )
    assert [entry["state"] for entry in item["history"]] == ["new", "texted", "called_back"]
    assert len(queue.told("missed_call.closed")) == 1


def test_what_a_person_does_comes_after_what_they_saw_whatever_their_clock_says() -> None:
    queue = Queue().take(missed("CA1"), missed("CA2", 2))
    handle(queue)
    assert (queue.item["resolution"], queue.item["attempts"]) == ("handled", 2)


def test_claims_pass_on_and_are_given_back() -> None:
    queue = Queue().take(missed("CA1"))
    assert act(queue, "claim", assignee="olga")["assignee"] == "olga"
    assert act(queue, "claim", assignee="pete")["assignee"] == "pete"
    assert act(queue, "release")["assignee"] is None
    assert act(queue, "release")["assignee"] is None
    handle(queue)
    with pytest.raises(Closed):
        act(queue, "claim", assignee="olga")
    with pytest.raises(Closed):
        act(queue, "release")


def test_a_claim_is_of_the_item_not_of_the_caller() -> None:
    queue = Queue().take(missed("CA1"))
    act(queue, "claim", assignee="olga")
    queue.take(received("SM1", 5), missed("CA2", 6))
    assert [item["assignee"] for item in queue.items] == ["olga", None]


@pytest.mark.parametrize(
    ("kind", "caller", "code"),
    [("landline", CALLER, "landline"), (None, "anonymous", "withheld"), ("mobile", CALLER, "opted_out")],
)
def test_who_may_not_be_texted_is_not(kind: str | None, caller: str, code: str) -> None:
    queue = Queue().take(consent("opted_out", -1), missed("CA1", caller=caller, kind=kind))
    with pytest.raises(Suppressed) as refused:
        act(queue, "send_text", values={"body": "Hi"})
    assert refused.value.code == code
    assert queue.told("sms.requested") == []


def test_another_business_s_item_is_not_there() -> None:
    queue = Queue().take(missed("CA1"))
    with pytest.raises(NotFound):
        desk(queue).mark_handled("other", queue.item["_id"], "olga", "handled", None)


def test_what_is_done_outlives_a_late_earlier_call() -> None:
    queue = Queue().take(missed("CA2", 2))
    old_id = queue.item["_id"]
    queue.take(missed("CA1", 1))
    done = desk(queue).mark_handled("demo", old_id, "olga", "handled", None)
    assert (done["resolution"], done["attempts"]) == ("handled", 2)
