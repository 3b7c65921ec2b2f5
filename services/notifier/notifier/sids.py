"""Whose message a SID is. One document for each, so that whoever learns of a SID meets all others who do."""

from notifier import domain
from notifier.domain import Document
from notifier.store import SIDS
from ringback.store.unit_of_work import UnitOfWork


def sid_id(business: str, message_sid: str) -> str:
    return f"{business}:{message_sid}"


def new_sid(business: str, message_sid: str) -> Document:
    return {
        "_id": sid_id(business, message_sid),
        "message_sid": message_sid,
        "message_id": None,
        "awaits": None,
        "statuses": {},
        "expires_at": None,
    }


def take_sid(work: UnitOfWork, message: Document, row: Document) -> Document:
    """Make the SID this message's, and give the message what was told of the SID before."""
    work.save(SIDS, {**row, "message_id": message["_id"], "awaits": None, "statuses": {}, "expires_at": None})
    message = {**message, "message_sid": message["message_sid"] or row["message_sid"]}
    for status, told in row["statuses"].items():
        message = domain.with_status(message, status, told["error_code"], told["at"])
    return message
