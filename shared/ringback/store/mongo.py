"""The client, and MongoDB's errors as ours.

Writes are majority-acknowledged and journaled; a replica set is needed (transactions, retryable writes).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
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
    except UNAVAILABLE as error:
        raise StoreUnavailable(f"MongoDB is out of reach ({type(error).__name__}).") from error
    except BulkWriteError as error:
        if (error.details or {}).get("writeConcernErrors"):
            raise StoreUnavailable("MongoDB did not confirm a write in time.") from error
        if _is_conflict(error.details):
            raise ConcurrentUpdate("A document was changed meanwhile.") from error
        raise
    except DuplicateKeyError as error:
        raise ConcurrentUpdate("A document was made meanwhile.") from error
    except OperationFailure as error:
        if error.code == WRITE_CONFLICT or error.has_error_label("TransientTransactionError"):
            raise ConcurrentUpdate("Another transaction was first.") from error
        if _means_unavailable(error):
            raise StoreUnavailable(f"MongoDB is out of reach ({error.code}).") from error
        raise


def _means_unavailable(error: PyMongoError) -> bool:
    return error.timeout or any(error.has_error_label(label) for label in UNAVAILABLE_LABELS)


def _is_conflict(details: Mapping[str, Any] | None) -> bool:
    codes = {failure.get("code") for failure in (details or {}).get("writeErrors", ())}
    return bool(codes & {DUPLICATE_KEY, WRITE_CONFLICT})
