"""A request that is sent again has its effect once.

A client that does not know whether it was heard sends the request again under the same `Idempotency-Key`. The key is
kept in the transaction of the effect itself, so that there is neither without the other.

`idempotency_keys`: {_id, digest, result, at}; keys and what was asked are kept as keyed hashes only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo import ASCENDING, IndexModel

from ringback.errors import Invalid
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork

KEYS = "idempotency_keys"
LIFETIME = timedelta(hours=24)
KEY_INDEXES = [IndexModel([("at", ASCENDING)], expireAfterSeconds=int(LIFETIME.total_seconds()))]


class KeyReused(Invalid):
    """The key was used for another request."""

    code = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class RequestKey:
    """`id`: a business's key. `digest`: what was asked under it."""

    id: str
    digest: str


def once(work: UnitOfWork, key: RequestKey | None, now: datetime, act: Callable[[], str]) -> str:
    """The id of what `act` made, now or when the key was used first, up to LIFETIME ago. Raises KeyReused.

    Of two at the same moment one finds at `commit` that the key is taken (ConcurrentUpdate), and then what it led to.
    """
    if key is None:
        return act()
    known = _known(work, key)
    if known is not None and now < known["at"] + LIFETIME:
        return _result(known, key)
    result = act()
    work.save(KEYS, {"_id": key.id, "digest": key.digest, "result": result, "at": now})
    return result


def _known(work: UnitOfWork, key: RequestKey) -> Document | None:
    return next(iter(work.load(KEYS, {"_id": {"$eq": key.id}})), None)


def _result(known: Document, key: RequestKey) -> str:
    if known["digest"] != key.digest:
        raise KeyReused("This Idempotency-Key was used for another request.")
    result: str = known["result"]
    return result
