"""Keyset paging by time: stable under writes, as fast on the last page as on the first."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection

from ringback.errors import Invalid
from ringback.store.mongo import Document


class Page(NamedTuple):
    """`next` is the cursor of what follows, None after the last page."""

    items: list[Document]
    next: str | None


def keyset_page(
    collection: Collection[Document],
    query: Mapping[str, Any],
    order: str,
    cursor: str | None,
    limit: int,
    *,
    oldest_first: bool = False,
    hint: Sequence[tuple[str, int]] | None = None,
) -> Page:
    """What matches, by the time in the field `order` and by `_id`, both descending, or both ascending with
    `oldest_first`. Wants an index that ends so.

    `hint`: the index to use, where MongoDB could take a slower one for the better. Raises Invalid when the cursor is
    none of ours.
    """
    if cursor:
        at, after = _decode(cursor)
        # MongoDB makes bounds of an index out of the first condition, not out of the `$or`.
        beyond = "$gt" if oldest_first else "$lt"
        query = {
            "$and": [query, {order: {f"{beyond}e": at}}, {"$or": [{order: {beyond: at}}, {"_id": {beyond: after}}]}]
        }
    direction = ASCENDING if oldest_first else DESCENDING
    ordered = collection.find(query, hint=hint).sort([(order, direction), ("_id", direction)])
    found = list(ordered.limit(limit + 1))
    if len(found) <= limit:
        return Page(found, None)
    last = found[limit - 1]
    return Page(found[:limit], _encode(last[order], last["_id"]))


def _encode(at: datetime, document_id: str) -> str:
    text = json.dumps([round(at.timestamp() * 1000), document_id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[datetime, str]:
    try:
        milliseconds, document_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        str(document_id).encode()  # a lone surrogate is no text that MongoDB could compare with
        return datetime.fromtimestamp(milliseconds / 1000, UTC), str(document_id)
    except (ValueError, TypeError, OverflowError, OSError) as error:
        raise Invalid("The cursor is not one of ours.", errors={"cursor": ["Not valid."]}) from error
