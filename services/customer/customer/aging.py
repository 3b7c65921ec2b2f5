"""What time alone changes: segments. Each customer says when; nobody is looked through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from customer import store
from customer.people import Needs, People
from customer.telling import Cause, finish
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork

PUT_OFF = timedelta(hours=1)


@dataclass(frozen=True)
class Aging:
    database: Database
    businesses: Mapping[str, Business]
    clock: Clock

    def due(self, limit: int) -> list[str]:
        return store.due_segments(self.database, self.clock(), limit)

    def recompute(self, customer_ids: Sequence[str]) -> None:
        """Bring these customers' segments up to date, in one transaction. Raises ConcurrentUpdate."""
        work = UnitOfWork(self.database, self.clock)
        people = People(work, self.businesses, self.clock())
        people.load(Needs(records=set(customer_ids)))
        for customer_id in customer_ids:
            root = people.record(customer_id)
            if root is not None and root["business"] in self.businesses and not root["merged_into"]:
                moment = root["segment_due_at"] or people.now
                finish(people, root, Cause(f"time:{root['_id']}:{moment.isoformat()}", people.now))
        work.commit()

    def put_off(self, customer_id: str) -> None:
        """Take one that cannot be recomputed now out of the way of the others."""
        store.put_off_segment(self.database, customer_id, self.clock() + PUT_OFF)
