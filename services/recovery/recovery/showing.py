"""Items as the API shows them: with whose numbers they are now, and what those people are called."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from recovery import store
from recovery.schemas import dump_item
from ringback.store.database import Database
from ringback.store.mongo import Document


def shown_items(database: Database, business: str, items: Sequence[Document], now: datetime) -> list[dict[str, Any]]:
    phones = [item["phone"] for item in items if item["phone"]]
    owners = store.customers_of_phones(database, business, phones)
    ids = [owners.get(item["phone"], item["nameless_id"]) for item in items]
    names = store.names_of(database, business, _known(ids))
    return [
        dump_item(item, customer_id, names.get(customer_id or ""), now)
        for item, customer_id in zip(items, ids, strict=True)
    ]


def _known(ids: Iterable[str | None]) -> list[str]:
    return [customer_id for customer_id in ids if customer_id]
