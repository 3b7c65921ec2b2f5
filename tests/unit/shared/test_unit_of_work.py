"""The one write path in memory: an identity map, and all of it or nothing."""

import json
from typing import Any

import pytest
from pymongo import UpdateMany

from ringback.contracts.envelope import Event, new_event
from ringback.errors import ConcurrentUpdate
from ringback.store.database import INBOX, OUTBOX
from tests.unit.fakes import MemoryDatabase, at

THINGS = "things"


def event(cause: str) -> Event:
    return new_event(
        "customer.deleted",
        business="demo",
        subject="x",
        time=at(0),
        data={"customer_id": "x"},
        cause=(cause,),
    )


@pytest.fixture
def database() -> MemoryDatabase:
    database = MemoryDatabase()
    database.insert(THINGS, {"_id": "a", "size": 1, "version": 3})
    return database


def things(database: MemoryDatabase) -> dict[str, dict[str, Any]]:
    return database.documents(THINGS)


def test_what_is_saved_is_seen_before_it_is_committed(database: MemoryDatabase) -> None:
    work = database.work()
    [loaded] = work.load(THINGS, {"_id": "a"})
    work.save(THINGS, {**loaded, "size": 2})
    work.save(THINGS, {"_id": "b", "size": 9})
    assert work.load(THINGS, {"_id": "a"}) == [{"_id": "a", "size": 2, "version": 3}]
    assert work.get(THINGS, "b") == {"_id": "b", "size": 9}
    assert work.get(THINGS, "c") is None
    assert things(database) == {"a": {"_id": "a", "size": 1, "version": 3}}


def test_commit_writes_documents_inbox_and_outbox_together(database: MemoryDatabase) -> None:
    work = database.work(at(5))
    [loaded] = work.load(THINGS, {"_id": "a"})
    work.save(THINGS, {**loaded, "size": 2})
    work.save(THINGS, {"_id": "b", "size": 9})
    work.mark_handled(event("in"))
    work.emit(event("out"))
    work.commit()
    assert things(database) == {
        "a": {"_id": "a", "size": 2, "version": 4},
        "b": {"_id": "b", "size": 9, "version": 1},
    }
    assert database.documents(INBOX) == {event("in").id: {"_id": event("in").id, "at": at(5)}}
    row = database.documents(OUTBOX)[event("out").id]
    assert (row["type"], row["due"], row["attempts"]) == ("customer.deleted", at(5), 0)
    assert json.loads(row["body"])["id"] == event("out").id
    assert database.signal(OUTBOX).is_set()


def test_nothing_is_written_when_the_commit_fails(database: MemoryDatabase) -> None:
    database.failures = [ValueError()]
    work = database.work()
    work.save(THINGS, {"_id": "b"})
    work.mark_handled(event("in"))
    work.emit(event("out"))
    with pytest.raises(ValueError):  # noqa: PT011 - any error of the database
        work.commit()
    assert list(things(database)) == ["a"]
    assert not database.documents(INBOX)
    assert not database.documents(OUTBOX)
    assert not database.signal(OUTBOX).is_set()


@pytest.mark.parametrize("both", ["a", "new"])
def test_of_two_who_change_the_same_document_one_loads_again(database: MemoryDatabase, both: str) -> None:
    one, other = database.work(), database.work()
    for size, work in ((2, one), (3, other)):
        loaded = work.load(THINGS, {"_id": both}) or [{"_id": both}]
        work.save(THINGS, {**loaded[0], "size": size})
    one.emit(event("one"))
    other.emit(event("other"))
    one.commit()
    with pytest.raises(ConcurrentUpdate):
        other.commit()
    assert things(database)[both]["size"] == 2
    assert list(database.documents(OUTBOX)) == [event("one").id]


def test_of_two_who_handle_the_same_event_one_loads_again(database: MemoryDatabase) -> None:
    one, other = database.work(), database.work()
    for work in (one, other):
        assert work.unseen([event("in")])
        work.mark_handled(event("in"))
    other.save(THINGS, {"_id": "b"})
    one.commit()
    with pytest.raises(ConcurrentUpdate):
        other.commit()
    assert "b" not in things(database)


def test_an_event_that_was_handled_is_not_seen_again(database: MemoryDatabase) -> None:
    work = database.work()
    work.mark_handled(event("in"))
    work.commit()
    assert database.work().unseen([event("in"), event("new"), event("new")]) == [event("new")]


def test_an_event_is_told_once_however_often_it_is_emitted(database: MemoryDatabase) -> None:
    work = database.work()
    work.emit(event("out"))
    work.emit(event("out"))
    work.commit()
    assert len(database.documents(OUTBOX)) == 1


def test_nothing_is_written_when_nothing_changed(database: MemoryDatabase) -> None:
    work = database.work()
    [loaded] = work.load(THINGS, {"_id": "a"})
    work.save(THINGS, {**loaded, "size": 2})
    work.save(THINGS, {**loaded})
    work.commit()
    assert database.commits == 0
    assert things(database)["a"]["version"] == 3


def test_a_plain_operation_is_part_of_the_transaction(database: MemoryDatabase) -> None:
    database.insert("rows", {"_id": 1, "pending": True})
    work = database.work()
    work.write("rows", UpdateMany({"_id": {"$in": [1]}}, {"$set": {"pending": False}}))
    database.failures = [ValueError()]
    with pytest.raises(ValueError):  # noqa: PT011 - any error of the database
        work.commit()
    assert database.documents("rows")[1]["pending"] is True  # type: ignore[index]
    work.commit()
    assert database.documents("rows")[1]["pending"] is False  # type: ignore[index]
