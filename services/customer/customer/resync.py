"""Counts anew what customers add up to, out of their timelines: it should change nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from customer import store
from customer.appointments import totals
from customer.domain import ENTRY_COUNTS, Document
from customer.people import Needs, People
from customer.telling import Cause, finish
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork, repeated

BATCH = 200
# What a view holds besides what is compared field by field.
NOT_COMPARED = frozenset({"version", "own", "segment_due_at"})


@dataclass
class Report:
    """How many records were looked at, and which fields of which stood otherwise: {customer_id: [fields]}."""

    checked: int = 0
    changed: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Resync:
    database: Database
    businesses: Mapping[str, Business]
    clock: Clock

    def run(self, *, repair: bool, on_batch: Callable[[int], None] = lambda _count: None) -> Report:
        """Every record, in batches; what is wrong is set right when `repair`. Safe while events come in."""
        report, last = Report(), ""
        while ids := store.record_ids(self.database, last, BATCH):
            report.changed |= self._batch(ids, repair)
            report.checked += len(ids)
            last = ids[-1]
            on_batch(len(ids))
        return report

    def _batch(self, ids: Sequence[str], repair: bool) -> dict[str, list[str]]:
        def act(work: UnitOfWork) -> dict[str, list[str]]:
            return self._compare(work, ids)

        if repair:
            return repeated(self.database, self.clock, act)
        return act(UnitOfWork(self.database, self.clock))

    def _compare(self, work: UnitOfWork, ids: Sequence[str]) -> dict[str, list[str]]:
        people = People(work, self.businesses, self.clock())
        people.load(Needs(records=set(ids)))
        counts = store.entry_counts(self.database, ids)
        changed = {}
        for record_id in ids:
            record = people.record(record_id)
            if record is None or record["business"] not in self.businesses:
                continue
            fields = self._recounted(people, record, counts.get(record_id, {}))
            if fields:
                changed[record_id] = fields
        return changed

    def _recounted(self, people: People, record: Document, counts: Mapping[str, int]) -> list[str]:
        own = {**record["own"], **{name: counts.get(name, 0) for name in ENTRY_COUNTS}}
        own |= totals(people.appointments_of(record["_id"]))
        before = people.root_of(record)
        after = finish(
            people, {**record, "own": own}, Cause(f"resync:{record['_id']}:{record['version']}", people.now)
        )
        wrong = {f"own.{name}" for name in own if own[name] != record["own"].get(name)}
        wrong |= {name for name in after if name not in NOT_COMPARED and after[name] != before.get(name)}
        return sorted(wrong)
