"""A customer's history as it is read: their own entries and those of the records merged into theirs."""

from typing import Any

from customer.domain import Document
from customer.store import TIMELINE
from ringback.store.database import Database
from ringback.store.mongo import translated_errors
from ringback.store.paging import Page, keyset_page


def history_of(database: Database, root: Document, kind: str | None, cursor: str | None, limit: int) -> Page:
    """Newest first; `kind`: only entries of that kind. Raises Invalid for a cursor that is none of ours."""
    query: dict[str, Any] = {"customer_id": {"$in": [root["_id"], *root["members"]]}}
    if kind:
        query["kind"] = {"$eq": kind}
    with translated_errors():
        return keyset_page(database[TIMELINE], query, "at", cursor, limit)
