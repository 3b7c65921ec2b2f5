"""The client, and MongoDB's errors as ours.

Writes are majority-acknowledged and journaled; a replica set is needed (transactions, retryable writes).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
    WTimeoutError,
)

from ringback.errors import ConcurrentUpdate, InvalidSettings, StoreUnavailable

Document = dict[str, Any]

DUPLICATE_KEY = 11000
WRITE_CONFLICT = 112
CONFLICT_CODES = frozenset({DUPLICATE_KEY, WRITE_CONFLICT})
UNAVAILABLE = (ConnectionFailure, ExecutionTimeout, WTimeoutError, WaitQueueTimeoutError)
UNAVAILABLE_LABELS = ("RetryableWriteError", "UnknownTransactionCommitResult")
OPERATION_SECONDS = 5.0


def connect(url: str, application: str) -> MongoClient[Document]:
    """A client; opens nothing until the first operation. One a process, made after any fork."""
    try:
        return MongoClient(
            url,
            appname=application,
            w="majority",
            journal=True,
            readConcernLevel="majority",
            serverSelectionTimeoutMS=2000,
            connectTimeoutMS=2000,
            timeoutMS=int(OPERATION_SECONDS * 1000),
            maxPoolSize=20,
            tz_aware=True,
        )
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise InvalidSettings(f"RINGBACK_MONGO_URL is malformed: {error}") from error


@contextmanager
def translated_errors() -> Iterator[None]:
    """MongoDB's passing errors as Transient ones; what a document itself is to blame for stays as it is."""
    try:
        yield
    except PyMongoError as error:
        if _is_conflict(error):
            raise ConcurrentUpdate("Another write was first.") from error
        if _is_outage(error):
            raise StoreUnavailable(f"MongoDB did not answer in time ({type(error).__name__}).") from error
        raise


def _is_outage(error: PyMongoError) -> bool:
    if isinstance(error, UNAVAILABLE) or error.timeout:
        return True
    unconfirmed = isinstance(error, BulkWriteError) and bool((error.details or {}).get("writeConcernErrors"))
    return unconfirmed or any(error.has_error_label(label) for label in UNAVAILABLE_LABELS)


def _is_conflict(error: PyMongoError) -> bool:
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        codes = {failure.get("code") for failure in details.get("writeErrors", ())}
        return bool(codes & CONFLICT_CODES) and not details.get("writeConcernErrors")
    code = error.code if isinstance(error, OperationFailure) else None
    lost_race = error.has_error_label("TransientTransactionError") and not isinstance(error, UNAVAILABLE)
    return code in CONFLICT_CODES or lost_race
