"""The journal: what identifies a request, one insert for all that wait, and the spool while MongoDB is away."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_ingest.journal import GROUP, IDLE_SECONDS, OUTAGE_SECONDS, Accepted, Drain, Journal, raw_request_id
from call_ingest.spool import Spool
from ringback.errors import StoreUnavailable
from tests.unit.fakes import Document

Pairs = list[tuple[str, str]]
SOON = 10.0

texts = st.text(max_size=5)
params = st.lists(st.tuples(texts, texts), max_size=4)


@given(texts, params, st.data())
def test_the_order_of_parameters_does_not_matter(target: str, pairs: Pairs, data: st.DataObject) -> None:
    assert raw_request_id(target, data.draw(st.permutations(pairs))) == raw_request_id(target, pairs)


@given(st.tuples(texts, params), st.tuples(texts, params))
def test_requests_are_one_exactly_when_they_say_the_same(one: tuple[str, Pairs], other: tuple[str, Pairs]) -> None:
    same = one[0] == other[0] and sorted(one[1]) == sorted(other[1])
    assert (raw_request_id(*one) == raw_request_id(*other)) is same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("/voice", [("a", "b")]), ("/dial", [("a", "b")])),
        (("/voice", [("a", "b")]), ("/voice?x=1", [("a", "b")])),
        (("/voice", [("ab", "c")]), ("/voice", [("a", "bc")])),
        (("/voice", [("a", "b"), ("c", "d")]), ("/voice", [("a", "bc"), ("", "d")])),
        (("/voice", [("a", "1:b")]), ("/voice", [("a1:", "b")])),
        (("/voice", [("a", "")]), ("/voice", [])),
        (("/voice", [("a", "b"), ("a", "b")]), ("/voice", [("a", "b")])),
        (("/voice", [("a", "b"), ("a", "c")]), ("/voice", [("a", "b")])),
        (("/voice", [("a", "b")]), ("/voice", [("a", "b ")])),
        (("/voice", [("a", "b")]), ("/voice", [("A", "b")])),
        (("/voice", [("a", "é")]), ("/voice", [("a", "e\u0301")])),
        (("/voicea", [("b", "c")]), ("/voice", [("ab", "c")])),
    ],
)
def test_no_two_requests_read_alike(one: tuple[str, Pairs], other: tuple[str, Pairs]) -> None:
    assert raw_request_id(*one) != raw_request_id(*other)


def test_an_id_stays_what_it_was() -> None:
    """Else what was accepted before an update would be taken for new."""
    assert (
        raw_request_id("/twilio/voice", [("To", "+1"), ("From", "ž")])
        == "05206541d1c0b87c3604660dfe01a7468975861b660f700fbfcce8e1ea7be489"
    )


def test_of_a_parameter_and_its_synonyms_the_first_that_says_something_counts() -> None:
    accepted = Accepted("voice", "/", [("To", " "), ("Called", " +1 "), ("Called", "+2"), ("From", "a")])
    assert accepted.first("To", "Called") == "+1"
    assert accepted.first("From", "Caller") == "a"
    assert accepted.first("Caller") == ""


def document(number: int) -> Document:
    return {"_id": f"r{number}"}


@dataclass
class Records:
    """MongoDB as a list; holds the first insert back until `open` is set; fails what `fails` says."""

    fails: Callable[[Sequence[Document]], bool] = lambda _documents: False
    open: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    groups: list[list[str]] = field(default_factory=list)
    taken_over: list[str] = field(default_factory=list)
    away: bool = False

    def insert(self, documents: Sequence[Document]) -> Mapping[str, Document]:
        self.begun.set()
        assert self.open.wait(SOON)
        known = {key: {"_id": key, "answer": "first"} for group in self.groups for key in group}
        self.groups.append([one["_id"] for one in documents])
        if self.away or self.fails(documents):
            raise StoreUnavailable("x")
        return {one["_id"]: known[one["_id"]] for one in documents if one["_id"] in known}

    def encode(self, document: Document) -> bytes:
        return json.dumps(document).encode()

    def take_over(self, records: Sequence[bytes]) -> None:
        self.ping()
        self.taken_over += [json.loads(record)["_id"] for record in records]

    def ping(self) -> None:
        if self.away:
            raise StoreUnavailable("x")

    def inserted(self) -> list[str]:
        return sorted(key for group in self.groups for key in group)


@dataclass
class Desk:
    """A journal on `Records` and a real spool."""

    folder: Path
    records: Records = field(default_factory=Records)
    woken: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.spool = Spool(self.folder / "spool")
        self.journal = Journal(self.records, self.spool, self.woken)
        self.drain = Drain(self.journal, self.records, self.spool, self.woken)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@dataclass
class Appending:
    """A thread that appends, and what came of it."""

    journal: Journal
    document: Document
    error: BaseException | None = None
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.journal.append(self.document)
        except (StoreUnavailable, ValueError) as error:
            self.error = error

    def ended(self) -> "Appending":
        self._thread.join(SOON)
        assert not self._thread.is_alive()
        return self


def wait_for_queue(journal: Journal, length: int) -> None:
    """Until so many wait behind the insert in hand."""
    tick, deadline = threading.Event(), 10_000
    while len(journal._queue) < length:
        tick.wait(0.001)
        deadline -= 1
        assert deadline


def behind_one(desk: Desk, count: int) -> tuple[Appending, list[Appending]]:
    """One appending whose insert is in hand, and `count` that wait behind it; then the store opens."""
    first = Appending(desk.journal, document(0))
    assert desk.records.begun.wait(SOON)
    others = [Appending(desk.journal, document(number)) for number in range(1, count + 1)]
    wait_for_queue(desk.journal, count)
    desk.records.open.set()
    return first.ended(), [one.ended() for one in others]


def test_all_that_wait_share_one_insert(desk: Desk) -> None:
    behind_one(desk, 20)
    assert [len(group) for group in desk.records.groups] == [1, 20]
    assert desk.records.inserted() == sorted(f"r{number}" for number in range(21))


def test_a_group_has_an_end(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> None:
    assert GROUP == 500
    monkeypatch.setattr("call_ingest.journal.GROUP", 8)
    behind_one(desk, 20)
    assert [len(group) for group in desk.records.groups] == [1, 8, 8, 4]
    assert desk.records.inserted() == sorted(f"r{number}" for number in range(21))


def test_an_append_returns_only_when_its_document_was_inserted(desk: Desk) -> None:
    desk.records.open.set()
    for number in range(5):
        desk.journal.append(document(number))
        assert desk.records.groups[-1] == [f"r{number}"]


def test_of_a_repeated_request_the_first_one_is_given(desk: Desk) -> None:
    desk.records.open.set()
    assert desk.journal.append({"_id": "r1", "answer": "first"})["answer"] == "first"
    assert desk.journal.append({"_id": "r1", "answer": "second"})["answer"] == "first"
    assert desk.journal.append({"_id": "r2", "answer": "second"})["answer"] == "second"


def test_the_folding_is_woken_after_the_insert(desk: Desk) -> None:
    appending = Appending(desk.journal, document(0))
    assert desk.records.begun.wait(SOON)
    assert not desk.woken.is_set()
    desk.records.open.set()
    appending.ended()
    assert desk.woken.is_set()


def test_what_no_outage_explains_reaches_its_whole_group_and_only_that(desk: Desk) -> None:
    def refuse(documents: Sequence[Document]) -> bool:
        if document(3) in documents:
            raise ValueError("x")
        return False

    desk.records.fails = refuse
    first, others = behind_one(desk, 10)
    assert first.error is None
    assert all(isinstance(one.error, ValueError) for one in others)
    desk.journal.append(document(99))
    assert desk.records.groups[-1] == ["r99"]
    assert not desk.spool.waiting()


def test_in_a_crowd_every_document_is_kept_exactly_once(desk: Desk) -> None:
    desk.records.open.set()
    crowd = [Appending(desk.journal, document(number)) for number in range(400)]
    assert [one.ended().error for one in crowd] == [None] * 400
    assert desk.records.inserted() == sorted(f"r{number}" for number in range(400))


# While MongoDB is away.


def test_what_mongodb_does_not_take_is_accepted_and_comes_later(desk: Desk) -> None:
    desk.records.open.set()
    desk.records.away = True
    for number in range(3):
        desk.journal.append(document(number))
    assert desk.journal.spooling.is_set()
    assert desk.records.groups == [["r0"]], "nobody waits for a MongoDB that is known to be away"
    assert desk.drain.step() == OUTAGE_SECONDS
    assert desk.spool.waiting()
    desk.records.away = False
    assert desk.drain.step() == 0.0
    assert desk.records.taken_over == ["r0", "r1", "r2"]
    assert desk.woken.is_set()
    assert not desk.spool.waiting()
    desk.journal.append(document(9))
    assert desk.records.groups[-1] == ["r9"]


def test_those_that_waited_behind_the_insert_that_failed_are_kept_too(desk: Desk) -> None:
    desk.records.away = True
    first, others = behind_one(desk, 10)
    assert [one.error for one in (first, *others)] == [None] * 11
    desk.records.away = False
    desk.drain.step()
    assert sorted(desk.records.taken_over) == sorted(f"r{number}" for number in range(11))


def test_what_can_be_kept_nowhere_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.records.open.set()
    desk.records.away = True
    (tmp_path / "spool").write_text("no folder")
    with pytest.raises(StoreUnavailable):
        desk.journal.append(document(0))
    with pytest.raises(StoreUnavailable):
        desk.journal.check()


def test_a_webhook_can_be_kept_while_either_works(desk: Desk) -> None:
    desk.journal.check()
    desk.records.away = True
    desk.journal.check()


def test_with_nothing_spooled_the_drain_rests(desk: Desk) -> None:
    assert desk.drain.step() == IDLE_SECONDS
    assert not desk.woken.is_set()


def test_what_an_ended_process_left_is_carried_over(desk: Desk, tmp_path: Path) -> None:
    left = Spool(tmp_path / "spool")
    left.append([desk.records.encode(document(7))])
    left.close()
    assert desk.drain.step() == 0.0
    assert desk.records.taken_over == ["r7"]


def test_at_the_end_what_waits_stays_for_the_next_process(desk: Desk, tmp_path: Path) -> None:
    desk.records.open.set()
    desk.records.away = True
    desk.journal.append(document(1))
    desk.drain.close()
    again = Desk(tmp_path)
    again.drain.step()
    assert again.records.taken_over == ["r1"]
