"""The customer service as it stands, driven by its use cases and events on whatever database."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from customer.aging import Aging
from customer.commands import Desk
from customer.consents import opted_out
from customer.csv_files import Row
from customer.events import subscriptions
from customer.importing import Importing
from customer.importing import Report as Imported
from customer.lifecycle import Lifecycle
from customer.outreach import Outreach
from customer.resync import Resync
from customer.store import CUSTOMERS, ERASED_TOTALS, TIMELINE
from ringback.businesses import Business, SegmentRules
from ringback.contracts.envelope import Event, decode, encode
from ringback.seals import seal_with
from ringback.store.database import OUTBOX, Database
from ringback.store.unit_of_work import UnitOfWork
from ringback.worker.batch import commit_batch
from ringback.worker.consumer import Handler
from tests.unit.fakes import SECRET, T0, Document, demo

DEMO: Business = replace(demo(), segments=SegmentRules(vip_appointments=2, inactive_months=6))
WRITTEN = ("version", "regrouped_by")
SEAL = seal_with(SECRET)


@dataclass
class System:
    """`now` is its clock."""

    database: Database
    now: datetime = T0
    businesses: Mapping[str, Business] = field(default_factory=lambda: {"demo": DEMO, "other": DEMO})
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def clock(self) -> datetime:
        return self.now

    def new_id(self) -> str:
        return f"id-{next(self._numbers)}"

    @property
    def desk(self) -> Desk:
        return Desk(self.database, self.businesses, self.clock, self.new_id, SEAL)

    @property
    def lifecycle(self) -> Lifecycle:
        return Lifecycle(self.database, self.businesses, self.clock, self.new_id, SEAL)

    @property
    def outreach(self) -> Outreach:
        return Outreach(
            self.database, self.businesses, self.clock, self.new_id, "https://ring.example", self._opted_out
        )

    def _opted_out(self, business: str, phone: str) -> bool:
        return opted_out(self.database, SEAL, business, phone)

    def bring_in(self, *rows: Mapping[str, str]) -> Imported:
        importing = Importing(self.database, self.businesses, self.clock, SEAL)
        return importing.run("demo", [Row(line, row) for line, row in enumerate(rows, 2)], dry_run=False)

    def wrong(self) -> dict[str, list[str]]:
        """What counting anew would change."""
        return Resync(self.database, self.businesses, self.clock).run(repair=False).changed

    def age(self) -> None:
        """As the loop does it, until nobody is due."""
        aging = Aging(self.database, self.businesses, self.clock)
        while due := aging.due(200):
            commit_batch(due, aging.recompute, _give_up)

    # Events.

    def take(self, events: Sequence[Event]) -> list[Event]:
        """A batch as the consumer takes it, over the wire; those that nobody can ever take."""
        handlers = subscriptions(self.businesses, self.clock, SEAL)
        refused: list[Event] = []
        over_the_wire = [decode(encode(event)) for event in events]
        commit_batch(
            over_the_wire,
            lambda batch: self._commit(handlers, batch),
            lambda event, error: refused.append(_only_permanent(event, error)),
        )
        return refused

    def _commit(self, handlers: Mapping[str, Handler], events: Sequence[Event]) -> None:
        work = UnitOfWork(self.database, self.clock)
        by_handler: dict[Handler, list[Event]] = {}
        for event in work.unseen(events):
            by_handler.setdefault(handlers[event.type], []).append(event)
            work.mark_handled(event)
        for handler, group in by_handler.items():
            handler(work, group)
        work.commit()

    def take_unheeding(self, event: Event) -> None:
        """As if the inbox had forgotten it."""
        work = UnitOfWork(self.database, self.clock)
        subscriptions(self.businesses, self.clock, SEAL)[event.type](work, [event])
        work.commit()

    # What is stored.

    def documents(self, collection: str) -> dict[str, Document]:
        return {document["_id"]: document for document in self.database[collection].find({})}

    def everything(self) -> dict[str, dict[str, Document]]:
        """All that events may change, but for what only says that something was written."""
        stored = {name: self.documents(name).items() for name in (CUSTOMERS, TIMELINE, OUTBOX, ERASED_TOTALS)}
        return {name: {key: _without(one, *WRITTEN) for key, one in rows} for name, rows in stored.items()}

    def customers(self) -> dict[str, Document]:
        """Records as a merge that was taken back leaves them."""
        found = self.documents(CUSTOMERS).values()
        return {
            one["_id"]: _without({**one, "own": _without(one["own"], "updated_at")}, "updated_at", *WRITTEN)
            for one in found
        }

    def told(self, after: int) -> list[Event]:
        """In the order in which they were told, without the first ones."""
        return [decode(row["body"]) for row in itertools.islice(self.database[OUTBOX].find({}), after, None)]

    def appointment(self, name: str) -> Document:
        """By the service that was booked: the machine gives each its own."""
        [entry] = [one for one in self.database[TIMELINE].find({"kind": "appointment"}) if one["service"] == name]
        return entry

    def owner(self, **known: Any) -> str:
        """Of the one entry of a call or text."""
        [entry] = [one for one in self.database[TIMELINE].find(known) if one["kind"] in {"call", "sms"}]
        return str(entry["customer_id"])


def _without(document: Document, *names: str) -> Document:
    return {name: value for name, value in document.items() if name not in names}


def _give_up(_item: object, error: Exception) -> None:
    raise error


def _only_permanent(event: Event, error: Exception) -> Event:
    if getattr(error, "code", None) != "unknown_customer":
        raise error
    return event
