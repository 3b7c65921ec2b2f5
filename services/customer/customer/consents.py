"""Use case: who said STOP, kept by number and beyond a customer's erasure, as ringback/consents.py has it."""

from collections.abc import Sequence
from dataclasses import dataclass

from customer import store
from customer.domain import Document
from ringback.consents import TYPES, consent_id, told
from ringback.contracts.envelope import Event
from ringback.seals import Seal
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork


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


def consents_of(database: Database, seal: Seal, business: str, phones: Sequence[str]) -> dict[str, Document]:
    """What these numbers said, by number; nothing of those that said nothing."""
    phone_of = {consent_id(seal, business, phone): phone for phone in phones}
    return {phone_of[row["_id"]]: row for row in store.find_opt_outs(database, phone_of)}


def opted_out(database: Database, seal: Seal, business: str, phone: str) -> bool:
    """Whether the number asked for no more texts of the business."""
    return any(row["opted_out"] for row in consents_of(database, seal, business, [phone]).values())
