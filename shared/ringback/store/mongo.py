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
    InvalidURI,
    OperationFailure,
    PyMongoError,
)

from ringback.errors import ConcurrentUpdate, InvalidSettings, StoreUnavailable

Document = dict[str, Any]

DUPLICATE_KEY = 11000
WRITE_CONFLICT = 112
CONFLICT_CODES = frozenset({DUPLICATE_KEY, WRITE_CONFLICT})
# What MongoDB says of a value, a document or its size, rather than of itself: BadValue, FailedToParse, TypeMismatch,
# Overflow, InvalidBSON, DollarPrefixedFieldName, DocumentValidationFailure and BSONObjectTooLarge, as its manual's
# page on error codes lists them.
DOCUMENT_CODES = frozenset({2, 9, 14, 15, 22, 52, 121, 10334})
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
            connectTimeoutMS=2000,
            timeoutMS=int(OPERATION_SECONDS * 1000),
            maxPoolSize=20,
            tz_aware=True,
        )
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise InvalidSettings(f"RINGBACK_MONGO_URL is malformed ({type(error).__name__}).") from None


@contextmanager
def translated_errors() -> Iterator[None]:
    """MongoDB's errors as ours; what a document itself is to blame for stays as it is.

    Whatever else MongoDB refuses (it is away, it is no replica set, we may not) is no event's fault: unavailable.
    """
    try:
        yield
    except PyMongoError as error:
        if _is_conflict(error):
            raise ConcurrentUpdate("Another write was first.") from error
        if _is_documents_fault(error):
            raise
        raise StoreUnavailable(f"MongoDB cannot do it now ({type(error).__name__}).") from error


def _is_conflict(error: PyMongoError) -> bool:
    lost_race = error.has_error_label("TransientTransactionError") and not isinstance(error, ConnectionFailure)
    return lost_race or (bool(_codes(error) & CONFLICT_CODES) and not _is_unconfirmed(error))


def _is_documents_fault(error: PyMongoError) -> bool:
    return bool(_codes(error) & DOCUMENT_CODES) and not _is_unconfirmed(error)


def _codes(error: PyMongoError) -> set[int]:
    if isinstance(error, BulkWriteError):
        return {failure["code"] for failure in (error.details or {}).get("writeErrors", ())}
    return {error.code} if isinstance(error, OperationFailure) and error.code is not None else set()


def _is_unconfirmed(error: PyMongoError) -> bool:
    return isinstance(error, BulkWriteError) and bool((error.details or {}).get("writeConcernErrors"))
