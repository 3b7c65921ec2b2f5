"""The journal: what identifies a request, and one insert for all that wait."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_ingest.journal import GROUP, Accepted, Journal, raw_request_id
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
        == "e45b5eac1cb53168e8181ae3837ea5609465296a19011f73068b7ac2406bf523"
    )


def test_of_a_parameter_and_its_synonyms_the_first_that_says_something_counts() -> None:
    accepted = Accepted("voice", "/", [("To", " "), ("Called", " +1 "), ("Called", "+2"), ("From", "a")])
    assert accepted.first("To", "Called") == "+1"
    assert accepted.first("From", "Caller") == "a"
    assert accepted.first("Caller") == ""


def document(number: int) -> Document:
    return {"_id": f"r{number}"}


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
        except StoreUnavailable as error:
            self.error = error

    def ended(self) -> "Appending":
        self._thread.join(SOON)
        assert not self._thread.is_alive()
        return self


@dataclass
class Store:
    """Inserts into a list; holds the first insert back until `open` is set; fails what `fails` says."""

    fails: Callable[[Sequence[Document]], bool] = lambda _documents: False
    open: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    groups: list[list[str]] = field(default_factory=list)

    def insert(self, documents: Sequence[Document]) -> None:
        self.begun.set()
        assert self.open.wait(SOON)
        self.groups.append([one["_id"] for one in documents])
        if self.fails(documents):
            raise StoreUnavailable("x")

    def inserted(self) -> list[str]:
        return sorted(key for group in self.groups for key in group)


def wait_for_queue(journal: Journal, length: int) -> None:
    """Until so many wait behind the insert in hand."""
    tick, deadline = threading.Event(), 10_000
    while len(journal._queue) < length:
        tick.wait(0.001)
        deadline -= 1
        assert deadline


def behind_one(store: Store, journal: Journal, count: int) -> tuple[Appending, list[Appending]]:
    """One appending whose insert is in hand, and `count` that wait behind it; then the store opens."""
    first = Appending(journal, document(0))
    assert store.begun.wait(SOON)
    others = [Appending(journal, document(number)) for number in range(1, count + 1)]
    wait_for_queue(journal, count)
    store.open.set()
    return first.ended(), [one.ended() for one in others]


def test_all_that_wait_share_one_insert() -> None:
    store = Store()
    journal = Journal(store.insert, threading.Event())
    behind_one(store, journal, 20)
    assert [len(group) for group in store.groups] == [1, 20]
    assert store.inserted() == sorted(f"r{number}" for number in range(21))


def test_a_group_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert GROUP == 500
    monkeypatch.setattr("call_ingest.journal.GROUP", 8)
    store = Store()
    journal = Journal(store.insert, threading.Event())
    behind_one(store, journal, 20)
    assert [len(group) for group in store.groups] == [1, 8, 8, 4]
    assert store.inserted() == sorted(f"r{number}" for number in range(21))


def test_an_append_returns_only_when_its_document_was_inserted() -> None:
    store = Store()
    journal = Journal(store.insert, threading.Event())
    store.open.set()
    for number in range(5):
        journal.append(document(number))
        assert store.groups[-1] == [f"r{number}"]


def test_the_folding_is_woken_after_the_insert() -> None:
    woken, store = threading.Event(), Store()
    journal = Journal(store.insert, woken)
    appending = Appending(journal, document(0))
    assert store.begun.wait(SOON)
    assert not woken.is_set()
    store.open.set()
    appending.ended()
    assert woken.is_set()


def test_an_error_reaches_its_whole_group_and_only_that() -> None:
    store = Store(fails=lambda documents: document(3) in documents)
    journal = Journal(store.insert, threading.Event())
    first, others = behind_one(store, journal, 10)
    assert first.error is None
    assert all(isinstance(one.error, StoreUnavailable) for one in others)
    journal.append(document(99))
    assert store.groups[-1] == ["r99"]


def test_after_an_error_of_the_first_the_others_are_inserted() -> None:
    store = Store(fails=lambda documents: document(0) in documents)
    first, others = behind_one(store, Journal(store.insert, threading.Event()), 10)
    assert isinstance(first.error, StoreUnavailable)
    assert all(one.error is None for one in others)


def test_in_a_crowd_every_document_is_inserted_exactly_once_and_every_error_told() -> None:
    bad = {f"r{number}" for number in range(0, 400, 37)}
    store = Store(fails=lambda documents: any(one["_id"] in bad for one in documents))
    store.open.set()
    journal = Journal(store.insert, threading.Event())
    crowd = [Appending(journal, document(number)) for number in range(400)]
    failed = {one.ended().document["_id"] for one in crowd if one.ended().error}
    assert store.inserted() == sorted(f"r{number}" for number in range(400))
    assert failed == {key for group in store.groups for key in group if bad & set(group)}
