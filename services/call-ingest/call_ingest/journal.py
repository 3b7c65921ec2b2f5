"""The journal of raw requests: what was answered 2xx stands here, whole, before the answer.

Concurrent requests share one journaled majority insert: who comes first inserts for all that wait (group commit).
While MongoDB does not take them within INSERT_SECONDS they go to the local spool instead, together with one sync,
and `Drain` carries them over when it is back. A request is identified by its content, so a repeated one, or one
that went both ways, is the one that is there already.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import structlog

from ringback.errors import StoreUnavailable, describe, error_name

GROUP = 500
IDLE_SECONDS = 1.0
OUTAGE_SECONDS = 0.5

Params = Sequence[tuple[str, str]]
Document = dict[str, Any]

log = structlog.get_logger(__name__)


class Records(Protocol):
    """Raw requests in MongoDB, and as bytes."""

    def insert(self, documents: Sequence[Document]) -> Mapping[str, Document]:
        """Those that were there already, by `_id`, as they stand. Raises StoreUnavailable, soon."""

    def encode(self, document: Document) -> bytes: ...

    def take_over(self, records: Sequence[bytes]) -> None:
        """Insert what was encoded before; what is there already stays. Raises StoreUnavailable."""

    def ping(self) -> object:
        """Raises StoreUnavailable."""


class SpoolsRecords(Protocol):
    def append(self, records: Sequence[bytes]) -> None:
        """Raises StoreUnavailable when they are not known to be durable."""

    def waiting(self) -> bool: ...

    def check(self) -> None:
        """Raises StoreUnavailable when nothing could be appended."""

    def drain(self, take: Callable[[Sequence[bytes]], None]) -> int:
        """How many records were taken; what `take` fails with is raised, and nothing is lost."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class Accepted:
    """A webhook that Twilio signed; `kind` is its route's, `target` path and query as they came."""

    kind: str
    target: str
    params: Params

    def first(self, *names: str) -> str:
        """The value of the first of these parameters that is not blank."""
        return next((self.values[name] for name in names if self.values.get(name)), "")

    @cached_property
    def values(self) -> dict[str, str]:
        return first_values(self.params)


def first_values(params: Sequence[Sequence[str]]) -> dict[str, str]:
    """Of a repeated parameter the first value counts."""
    return {name: value.strip() for name, value in reversed(params)}


def raw_request_id(target: str, params: Params) -> str:
    """A digest of path, query and parameters, sorted; as JSON no two requests read alike."""
    return hashlib.sha256(json.dumps([target, sorted(params)]).encode()).hexdigest()


def _held() -> threading.Lock:
    """A lock that somebody else will release: to wait for it costs half of what an Event costs."""
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(eq=False)
class _Waiting:
    """A request, until its `turn`: to be answered when it is `done`, else to insert for all that wait."""

    document: Document
    turn: threading.Lock = field(default_factory=_held)
    done: bool = False
    stored: Document | None = None
    error: BaseException | None = None


class Journal:
    """`append` returns once the request is durable. Safe to call from any number of threads."""

    def __init__(self, records: Records, spool: SpoolsRecords, wakeup: threading.Event) -> None:
        self.spooling = threading.Event()
        """Set while MongoDB is taken to be away; `Drain` clears it."""
        self._records = records
        self._spool = spool
        self._wakeup = wakeup
        self._queue: list[_Waiting] = []
        self._inserting = False
        self._lock = threading.Lock()
        """Guards the two above; never held for longer than it takes to look at them."""

    def append(self, document: Document) -> Document:
        """The document as it stands: of a repeated request, known by its `_id`, the first one.

        Raises StoreUnavailable when it is durable neither in MongoDB nor in the spool.
        """
        waiting = _Waiting(document)
        with self._lock:
            self._queue.append(waiting)
            is_first, self._inserting = not self._inserting, True
        if not is_first:
            waiting.turn.acquire()
        if not waiting.done:
            self._store_group()
        if waiting.error is not None:
            raise waiting.error
        return waiting.stored or document

    def check(self) -> None:
        """Raises StoreUnavailable when a webhook could be kept nowhere.

        While the spool works nobody asks MongoDB: one that is frozen would be waited for.
        """
        try:
            self._spool.check()
        except StoreUnavailable as error:
            log.warning("journal.no_spool", reason=error.message)
            if self.spooling.is_set():
                raise
            self._records.ping()

    def _store_group(self) -> None:
        with self._lock:
            group, self._queue = self._queue[:GROUP], self._queue[GROUP:]
        try:
            known = self._store([waiting.document for waiting in group])
            for waiting in group:
                waiting.stored = known.get(waiting.document["_id"])
        except BaseException as error:  # whoever waits for this group has to be told, whatever ends the leader
            for waiting in group:
                waiting.error = error
        self._pass_on()
        for waiting in group:
            waiting.done = True
            waiting.turn.release()

    def _pass_on(self) -> None:
        """The next group first: those who are answered only use the time that its insert takes."""
        with self._lock:
            self._inserting = bool(self._queue)
            if self._queue:
                self._queue[0].turn.release()

    def _store(self, documents: Sequence[Document]) -> Mapping[str, Document]:
        if not self.spooling.is_set():
            try:
                known = self._records.insert(documents)
            except StoreUnavailable as error:
                log.warning("journal.spooling", reason=error.message)
                self.spooling.set()
            else:
                self._wakeup.set()
                return known
        self._spool.append([self._records.encode(document) for document in documents])
        return {}


class Drain:
    """The loop that carries the spool over to MongoDB, and tells the journal that it is back."""

    name = "call-ingest.drain"

    def __init__(self, journal: Journal, records: Records, spool: SpoolsRecords, drained: threading.Event) -> None:
        self.wakeup = threading.Event()
        self._journal = journal
        self._records = records
        self._spool = spool
        self._drained = drained

    def step(self) -> float:
        if not self._journal.spooling.is_set() and not self._spool.waiting():
            return IDLE_SECONDS
        try:
            self._records.ping()
            # Before the drain: a spool that cannot be read is no reason to go on with it.
            self._journal.spooling.clear()
            count = self._spool.drain(self._records.take_over)
        except StoreUnavailable as error:
            log.warning("drain.waiting", code=error_name(error), reason=describe(error))
            return OUTAGE_SECONDS
        if not count:
            return IDLE_SECONDS
        log.info("drain.done", count=count)
        self._drained.set()
        return 0.0

    def reset(self) -> None:
        """Nothing is held between two steps."""

    def close(self) -> None:
        self._spool.close()
