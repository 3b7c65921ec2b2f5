"""The journal of raw requests: what was answered 2xx stands here, whole, before the answer.

Concurrent requests share one journaled majority insert: who comes first inserts for all that wait (group
commit). A request is identified by its content, so a repeated one is the one that is there already.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

GROUP = 500

Params = Sequence[tuple[str, str]]
Document = dict[str, Any]
Insert = Callable[[Sequence[Document]], None]


@dataclass(frozen=True)
class Accepted:
    """A webhook that Twilio signed; `kind` is its route's, `target` path and query as they came."""

    kind: str
    target: str
    params: Params

    def first(self, *names: str) -> str:
        """The value of the first of these parameters that is not blank."""
        return next((self._values[name] for name in names if self._values.get(name)), "")

    @cached_property
    def _values(self) -> dict[str, str]:
        return first_values(self.params)


def first_values(params: Iterable[Sequence[str]]) -> dict[str, str]:
    """Of a repeated parameter the first value counts."""
    return {name: value.strip() for name, value in reversed(list(params))}


def raw_request_id(target: str, params: Params) -> str:
    """A digest of path, query and parameters (sorted, lengths included, so that no two requests read alike)."""
    parts = [target, *(part for pair in sorted(params) for part in pair)]
    return hashlib.sha256(b"".join(b"%d:%s" % (len(p.encode()), p.encode()) for p in parts)).hexdigest()


@dataclass(eq=False)
class _Waiting:
    document: Document
    done: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


class Journal:
    """`append` returns once the request is durable. Safe to call from any number of threads."""

    def __init__(self, insert: Insert, wakeup: threading.Event) -> None:
        self._insert = insert
        self._wakeup = wakeup
        self._queue: list[_Waiting] = []
        self._queue_lock = threading.Lock()
        self._leader = threading.Lock()

    def append(self, document: Document) -> None:
        """Idempotent on `_id`. Raises StoreUnavailable when it is not known to be durable."""
        waiting = _Waiting(document)
        with self._queue_lock:
            self._queue.append(waiting)
        while not waiting.done.is_set():
            with self._leader:
                if not waiting.done.is_set():
                    self._insert_group()
        if waiting.error is not None:
            raise waiting.error

    def _insert_group(self) -> None:
        with self._queue_lock:
            group, self._queue = self._queue[:GROUP], self._queue[GROUP:]
        error = self._insert_all(group)
        for waiting in group:
            waiting.error = error
            waiting.done.set()
        self._wakeup.set()

    def _insert_all(self, group: Sequence[_Waiting]) -> BaseException | None:
        try:
            self._insert([waiting.document for waiting in group])
        except BaseException as error:  # whoever waits for this group has to be told, whatever ends the leader
            return error
        return None
