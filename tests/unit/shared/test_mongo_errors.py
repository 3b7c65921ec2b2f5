"""Which of MongoDB's errors are a race, an outage, or a document's own fault."""

from types import SimpleNamespace
from typing import Any

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    NetworkTimeout,
    OperationFailure,
    ProtocolError,
    PyMongoError,
    ServerSelectionTimeoutError,
    WTimeoutError,
)

from ringback.errors import ConcurrentUpdate, InvalidSettings, StoreUnavailable
from ringback.store.database import Database
from ringback.store.mongo import translated_errors


def failing_writes(*codes: int, unconfirmed: bool = False) -> BulkWriteError:
    concern = [{"code": 64}] if unconfirmed else []
    return BulkWriteError({"writeErrors": [{"code": code} for code in codes], "writeConcernErrors": concern})


def labelled(error: PyMongoError, label: str) -> PyMongoError:
    error._add_error_label(label)
    return error


ERRORS: list[tuple[PyMongoError, type[Exception]]] = [
    (DuplicateKeyError("x", 11000), ConcurrentUpdate),
    (OperationFailure("x", 112), ConcurrentUpdate),
    (labelled(OperationFailure("x", 251), "TransientTransactionError"), ConcurrentUpdate),
    (failing_writes(11000), ConcurrentUpdate),
    (labelled(AutoReconnect("x"), "TransientTransactionError"), StoreUnavailable),
    (failing_writes(11000, unconfirmed=True), StoreUnavailable),
    (failing_writes(unconfirmed=True), StoreUnavailable),
    (ServerSelectionTimeoutError("x"), StoreUnavailable),
    (NetworkTimeout("x"), StoreUnavailable),
    (WTimeoutError("x", 64), StoreUnavailable),
    (OperationFailure("authentication failed", 18), StoreUnavailable),
    (OperationFailure("no replica set", 20), StoreUnavailable),
    (ProtocolError("x"), StoreUnavailable),
    (OperationFailure("validation", 121), OperationFailure),
    (failing_writes(121), BulkWriteError),
]


@pytest.mark.parametrize(("error", "expected"), ERRORS, ids=lambda value: repr(value)[:40])
def test_an_error_is_what_it_means(error: PyMongoError, expected: type[Exception]) -> None:
    with pytest.raises(expected), translated_errors():
        raise error


def test_a_mongodb_that_is_no_replica_set_is_refused_before_any_traffic() -> None:
    standalone: Any = SimpleNamespace(admin=SimpleNamespace(command=lambda _name: {"isWritablePrimary": True}))
    with pytest.raises(InvalidSettings, match="no replica set"):
        Database(standalone, "test").ensure_indexes({})
