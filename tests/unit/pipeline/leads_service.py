"""The pipeline service's leads in memory: told events, moved, and read as a board would."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.handlers import RecordLeads
from pipeline.moves import Moves
from pipeline.store import ERASED, LEADS, TOTALS, VISITS
from ringback.contracts.envelope import Event, decode, new_event
from ringback.errors import ConcurrentUpdate
from ringback.seals import seal_with
from ringback.store.database import OUTBOX
from tests.unit.fakes import SECRET, Document, MemoryDatabase, at, demo

ANNA, BOB, CLEO = "id-anna", "id-bob", "id-cleo"
PHONES = {ANNA: "+12125550101", BOB: "+12125550102", CLEO: "+12125550103"}
BUSINESSES = {"demo": demo()}
SEAL = seal_with(SECRET)
NOW = at(100_000)


@dataclass
class Service:
    """`now` is what its clock shows."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    now: datetime = NOW
    _numbers: Callable[[], int] = field(default_factory=lambda: itertools.count().__next__)

    def take(self, *events: Event) -> "Service":
        """One batch, as the consumer handles it: one by one when it is in its own way."""
        try:
            self._commit(events)
        except ConcurrentUpdate:
            for event in events:
                self._commit([event])
        return self

    def _commit(self, events: Sequence[Event]) -> None:
        work = self.database.work(self.now)
        unseen = work.unseen(events)
        for event in unseen:
            work.mark_handled(event)
        if unseen:
            RecordLeads(BUSINESSES, lambda: self.now, SEAL)(work, unseen)
        work.commit()

    def take_each(self, events: Sequence[Event]) -> "Service":
        for event in events:
            self.take(event)
        return self

    def move(self, customer_id: str, stage: str, seconds: float, **more: Any) -> Document:
        def clock() -> datetime:
            return at(seconds)

        moves = Moves(self.database.as_database(), BUSINESSES, clock, lambda: f"move-{self._numbers()}")
        return moves.move("demo", customer_id, stage, **{"actor": "olga", **more})

    def lead(self, customer_id: str) -> Document:
        return self.database.documents(LEADS)[customer_id]

    def stage(self, customer_id: str) -> str:
        stage: str = self.lead(customer_id)["stage"]
        return stage

    def told(self) -> list[Event]:
        return [decode(row["body"]) for row in self.database.documents(OUTBOX).values()]

    def changes(self) -> list[tuple[str, str]]:
        return [(event.data["previous"], event.data["current"]) for event in self.told()]

    def history(self, customer_id: str) -> list[str]:
        return [visit["stage"] for visit in self.lead(customer_id)["history"]]

    def totals(self) -> dict[str, tuple[int, int]]:
        """What the columns come to by the counters; empty ones are left out."""
        counts, values = Counter[str](), Counter[str]()
        for row in self.database.documents(TOTALS).values():
            counts[row["stage"]] += row["count"]
            values[row["stage"]] += row["value"]
        return {stage: (counts[stage], values[stage]) for stage in counts if counts[stage] or values[stage]}

    def counted(self) -> dict[str, tuple[int, int]]:
        """What they come to by counting."""
        counts, values = Counter[str](), Counter[str]()
        for lead in self.database.documents(LEADS).values():
            if lead["shown"]:
                counts[lead["stage"]] += 1
                values[lead["stage"]] += lead["value"]
        return {stage: (counts[stage], values[stage]) for stage in counts}

    def rows(self, customer_id: str) -> list[str]:
        """The stages of the rows that the funnel reads."""
        rows = sorted(self.database.documents(VISITS).items())
        return [row["stage"] for _, row in rows if row["customer_id"] == customer_id]

    def without(self, *passing: str) -> dict[str, dict[str, Document]]:
        """All that is stored of leads, without fields that depend on order or repetition."""
        return {
            name: {
                _id: {key: value for key, value in document.items() if key not in passing}
                for _id, document in self.database.documents(name).items()
            }
            for name in (LEADS, "numbers", "appointments", VISITS, ERASED)
        }


def created(customer_id: str, seconds: float = 0, revision: int = 1, **more: Any) -> Event:
    phone = PHONES[customer_id]
    data = {
        "customer_id": customer_id,
        "revision": f"{revision:012d}",
        "name": customer_id.removeprefix("id-").title(),
        "phone": phone,
        "phones": [phone],
        "email": None,
        "source": "call",
        "segment": "lead",
        **more,
    }
    return _event("customer.created", customer_id, seconds, data)


def updated(customer_id: str, revision: int, seconds: float = 0, **changed: Any) -> Event:
    data = {"customer_id": customer_id, "revision": f"{revision:012d}", "changed": changed}
    return _event("customer.updated", customer_id, seconds, data)


def regrouped(action: str, kept: str, other: str, revision: int, seconds: float = 0) -> Event:
    data = {
        "customer_id": kept,
        "revision": f"{revision:012d}",
        "other_id": other,
        "other_revision": f"{revision:012d}",
        "phones": [PHONES[other]],
    }
    return _event(f"customer.{action}", kept, seconds, data)


def deleted(customer_id: str, seconds: float = 0) -> Event:
    return _event("customer.deleted", customer_id, seconds, {"customer_id": customer_id})


def called(customer_id: str, seconds: float, kind: str = "mobile") -> Event:
    data = {
        "call_sid": f"CA{seconds}",
        "caller": PHONES[customer_id],
        "called": "+15558675310",
        "caller_kind": kind,
        "caller_name": None,
        "duration_seconds": 30,
        "answered_at": None,
        "at": at(seconds),
    }
    return _event("call.completed", f"CA{customer_id}{seconds}", seconds, data)


def texted(customer_id: str, seconds: float) -> Event:
    data = {
        "request_id": f"r{seconds}",
        "message_sid": None,
        "recipient": PHONES[customer_id],
        "error_code": None,
        "reason": None,
    }
    return _event("sms.delivered", f"r{customer_id}{seconds}", seconds, data)


def appointment(
    status: str, customer_id: str, seconds: float, price: int = 5000, name: str = "a1", currency: str = "USD"
) -> Event:
    data = {
        "customer_id": customer_id,
        "appointment_id": name,
        "starts_at": at(seconds),
        "service": "Cleaning",
        "price": price,
        "currency": currency,
        "at": at(seconds),
        "told_by": f"{name}{seconds}",
    }
    return _event(f"appointment.{status}", name, seconds, data)


def _event(event_type: str, subject: str, seconds: float, data: Mapping[str, Any]) -> Event:
    cause = (subject, str(seconds), str(sorted(data.items(), key=lambda item: item[0])))
    return new_event(event_type, business="demo", subject=subject, time=at(seconds), data=data, cause=cause)
