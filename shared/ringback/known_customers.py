"""What a service knows of customers that it does not own: its projection of `customer.*` events. Pure.

A row: {_id: customer_id, business, name, phone, phones, email, source, segment, merged_into, created_at, told}.
`told` says by which revision each field is known, so that rows are the same in whatever order events come, and
however often. Fields that nobody told of yet are None, `phones` empty.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ringback.contracts.envelope import Event

Row = dict[str, Any]

FIELDS = ("name", "phone", "phones", "email", "source", "segment", "merged_into")
UNTOLD: Mapping[str, Any] = {**dict.fromkeys(FIELDS), "phones": [], "created_at": None}


@dataclass(frozen=True, slots=True)
class Telling:
    """What an event says of one customer."""

    customer_id: str
    values: Mapping[str, Any]
    revision: str
    created_at: datetime | None = None


def tellings(event: Event) -> Iterator[Telling]:
    """What the event says, for each customer that it concerns; nothing for a type that is not of TOLD_BY."""
    tell = TOLD_BY.get(event.type)
    return iter(()) if tell is None else tell(event)


def _created(event: Event) -> Iterator[Telling]:
    phones = event.data["phones"]
    if phones is None:  # from a version that did not tell them
        phones = [event.data["phone"]] if event.data["phone"] else []
    values = {name: event.data[name] for name in ("name", "phone", "email", "source", "segment")}
    yield Telling(event.data["customer_id"], values | {"phones": phones}, event.data["revision"], event.time)


def _updated(event: Event) -> Iterator[Telling]:
    values = {name: value for name, value in event.data["changed"].items() if name in FIELDS}
    yield Telling(event.data["customer_id"], values, event.data["revision"])


def _merged(event: Event) -> Iterator[Telling]:
    yield Telling(event.data["other_id"], {"merged_into": event.data["customer_id"]}, event.data["other_revision"])


def _unmerged(event: Event) -> Iterator[Telling]:
    yield Telling(event.data["other_id"], {"merged_into": None}, event.data["other_revision"])


TOLD_BY: Mapping[str, Callable[[Event], Iterator[Telling]]] = {
    "customer.created": _created,
    "customer.updated": _updated,
    "customer.merged": _merged,
    "customer.unmerged": _unmerged,
}


def with_told(row: Row | None, business: str, telling: Telling) -> Row:
    """The row after that was told. Commutative and idempotent."""
    known = row or {"_id": telling.customer_id, "business": business, **UNTOLD, "told": {}}
    newer = {name: value for name, value in telling.values.items() if _is_newer(known, name, telling.revision)}
    created = [moment for moment in (known["created_at"], telling.created_at) if moment is not None]
    return {
        **known,
        **newer,
        "created_at": min(created, default=None),
        "told": {**known["told"], **dict.fromkeys(newer, telling.revision)},
    }


def _is_newer(row: Row, name: str, revision: str) -> bool:
    return name not in row["told"] or row["told"][name] < revision


def root_id(customer_id: str, row_of: Callable[[str], Row | None]) -> str:
    """Whom a customer is part of now, through all merges; itself when of none."""
    seen = {customer_id}
    row = row_of(customer_id)
    while row is not None and row["merged_into"] and row["merged_into"] not in seen:
        customer_id = row["merged_into"]
        seen.add(customer_id)
        row = row_of(customer_id)
    return customer_id
