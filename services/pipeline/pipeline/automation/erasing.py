"""Somebody is erased: what was kept, done or is still to be done about them loses the person."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import store as leads_store
from pipeline.automation import runs, store
from pipeline.outbound import deliveries
from pipeline.outbound import store as outbound_store
from ringback.clock import Clock
from ringback.contracts.envelope import Event
from ringback.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, eq=False)
class EraseTraces:
    """Facts go, runs that wait are canceled, runs and deliveries that are over lose whom they were about.

    What is kept by number is found by the numbers that the event tells and those of the lead, which is erased in the
    same unit of work.
    """

    clock: Clock

    def __call__(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        now, ids = self.clock(), {event.data["customer_id"] for event in events}
        phones: defaultdict[str, set[str]] = defaultdict(set)
        for event in events:
            phones[event.business].update(event.data.get("phones", ()))
        for lead in leads_store.load(work, leads_store.LEADS, ids):
            phones[lead["business"]].update(lead["phones"])
        leads_store.erase(work, store.FACTS, store.load_facts_about(work, ids, phones))
        for run in store.load_runs_about(work, ids, phones):
            work.save(store.RUNS, runs.erased(run, now))
        for delivery in outbound_store.load_deliveries_about(work, ids, phones):
            work.save(outbound_store.DELIVERIES, deliveries.erased(delivery, now))
