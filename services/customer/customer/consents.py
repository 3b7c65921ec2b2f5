"""Use case: who said STOP, kept by number and beyond a customer's erasure, as keyed hashes.

`opt_outs`: {_id: the sealed number of a business, opted_out, at, scopes: [{scope, opted_out, at}]}. Somebody who
opted out of any scope counts as opted out here; the notifier, who sends, knows which texts a scope is about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from customer import store
from customer.domain import Document
from ringback.contracts.envelope import Event
from ringback.seals import Seal
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork

TYPES: Mapping[str, bool] = {"contact.opted_out": True, "contact.opted_in": False}


@dataclass(frozen=True, eq=False)
class RecordConsents:
    """Free of order: of what was said in a scope the latest counts, of two at once the refusal."""

    seal: Seal

    def __call__(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        ids = {event.id: consent_id(self.seal, event.business, event.data["phone"]) for event in events}
        store.load_opt_outs(work, ids.values())
        for event in events:
            row_id = ids[event.id]
            said = told(work.get(store.OPT_OUTS, row_id), row_id, event.data["scope"], TYPES[event.type], event.time)
            work.save(store.OPT_OUTS, said)


def told(row: Document | None, row_id: str, scope: str, opted_out: bool, at: datetime) -> Document:
    """The row after somebody said so. Commutative and idempotent."""
    scopes = {one["scope"]: one for one in (row or {"scopes": []})["scopes"]}
    said = {"scope": scope, "opted_out": opted_out, "at": at}
    scopes[scope] = max(scopes.get(scope, said), said, key=lambda one: (one["at"], one["opted_out"]))
    every = [scopes[name] for name in sorted(scopes)]
    return {
        **(row or {"_id": row_id}),
        "opted_out": any(one["opted_out"] for one in every),
        "at": max(one["at"] for one in every),
        "scopes": every,
    }


def consent_id(seal: Seal, business: str, phone: str) -> str:
    return seal(f"{business}:{phone}")


def consents_of(database: Database, seal: Seal, business: str, phones: Sequence[str]) -> dict[str, Document]:
    """What these numbers said, by number; nothing of those that said nothing."""
    phone_of = {consent_id(seal, business, phone): phone for phone in phones}
    return {phone_of[row["_id"]]: row for row in store.find_opt_outs(database, phone_of)}


def opted_out(database: Database, seal: Seal, business: str, phone: str) -> bool:
    """Whether the number asked for no more texts of the business."""
    return any(row["opted_out"] for row in consents_of(database, seal, business, [phone]).values())
