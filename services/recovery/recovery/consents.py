"""Use case: who said STOP, as ringback/consents.py has it. It outlives whoever is erased."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recovery import store
from ringback.consents import TYPES, consent_id, told
from ringback.contracts.envelope import Event
from ringback.seals import Seal
from ringback.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, eq=False)
class RecordConsents:
    """Free of order: of what was said in a scope the latest counts, of two at once the refusal."""

    seal: Seal

    def __call__(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        ids = {event.id: consent_id(self.seal, event.business, event.data["phone"]) for event in events}
        store.load_ids(work, store.OPT_OUTS, ids.values())
        for event in events:
            before = work.get(store.OPT_OUTS, ids[event.id])
            said = told(before, ids[event.id], event.data["scope"], TYPES[event.type], event.time)
            work.save(store.OPT_OUTS, said)


def load_consents(work: UnitOfWork, seal: Seal, numbers: Iterable[tuple[str, str]]) -> None:
    """What these numbers, by business, said."""
    store.load_ids(work, store.OPT_OUTS, {consent_id(seal, business, phone) for business, phone in numbers})


def opted_out(work: UnitOfWork, seal: Seal, business: str, phone: str) -> bool:
    """Whether the number, of those loaded, asked for no more texts of the business."""
    row = work.get(store.OPT_OUTS, consent_id(seal, business, phone))
    return row is not None and bool(row["opted_out"])
