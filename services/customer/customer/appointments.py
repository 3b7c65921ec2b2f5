"""Appointments: what is told of one, in any order, and what a customer's add up to. Pure; money in minor units.

An appointment is an entry of the timeline. Of what was told of it the newest counts, so that the same set of facts
always makes the same appointment.

Since when it counted (was not canceled), and since when not, stands in its `changes`: [{at, by, counts}], one for a
moment, the earliest first; of more than MOST_CHANGES the newest.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, chain
from typing import Any

Document = dict[str, Any]

BOOKED, COMPLETED, CANCELED, NO_SHOW = STATUSES = ("booked", "completed", "canceled", "no_show")
MOST_CHANGES = 50


@dataclass(frozen=True, slots=True)
class AppointmentFact:
    """An appointment as somebody says it stands. `told_at` and `told_by` order what is said of it: a person who
    changes one field says again what the others are."""

    appointment_id: str
    starts_at: datetime
    service: str
    price: int
    currency: str
    status: str
    told_at: datetime
    told_by: str


def entry_id_of(business: str, appointment_id: str) -> str:
    return f"{business}:appointment:{appointment_id}"


def merged(entry: Document | None, fact: AppointmentFact, *, entry_id: str, business: str, owner: str) -> Document:
    """The entry after a fact. Commutative and idempotent over the facts of one appointment."""
    entry = entry or {"_id": entry_id, "business": business, "customer_id": owner, "kind": "appointment"}
    return {
        **entry,
        **_newest(entry, fact),
        "booked_at": min(entry.get("booked_at", fact.told_at), fact.told_at),
        "changes": _changes(entry.get("changes", ()), fact),
    }


def _newest(entry: Document, fact: AppointmentFact) -> Document:
    """What the fact says, unless something newer is known."""
    if "told_at" in entry and (entry["told_at"], entry["told_by"]) >= (fact.told_at, fact.told_by):
        return {}
    return {
        "appointment_id": fact.appointment_id,
        "at": fact.starts_at,
        "starts_at": fact.starts_at,
        "service": fact.service,
        "price": fact.price,
        "currency": fact.currency,
        "status": fact.status,
        "told_at": fact.told_at,
        "told_by": fact.told_by,
    }


def _changes(known: Iterable[Document], fact: AppointmentFact) -> list[Document]:
    """With the fact's, even when that changes nothing: it ends what a fact between, still to come, may begin."""
    change = {"at": fact.told_at, "by": fact.told_by, "counts": fact.status != CANCELED}
    in_order = sorted((*known, change), key=lambda one: (one["at"], one["by"]))
    return list({one["at"]: one for one in in_order}.values())[-MOST_CHANGES:]


def totals(appointments: Iterable[Mapping[str, Any]]) -> Document:
    """What all appointments of a record add up to: counted anew each time, so that no change can make it drift.

    `spend`: {currency: {total, visits}} of completed ones. `most_appointments`: how many ever counted at once.
    `appointment_changes` changes the record whenever that may have changed, so that of two who tell of different
    appointments at the same time one has to look again.
    """
    known = list(appointments)
    kept = [one for one in known if one["status"] != CANCELED]
    visits = [one for one in known if one["status"] == COMPLETED]
    return {
        "total_appointments": len(kept),
        "most_appointments": most_at_once(known),
        "appointment_changes": sum(len(one["changes"]) for one in known),
        "last_booked_at": max((one["booked_at"] for one in kept), default=None),
        "last_visit_at": max((one["starts_at"] for one in visits), default=None),
        "last_appointment_at": max((one["told_at"] for one in known), default=None),
        "spend": _spend(visits),
    }


def most_at_once(appointments: Iterable[Mapping[str, Any]]) -> int:
    """The most that counted at one moment, by when it was told, whatever became known here first."""
    steps: Counter[datetime] = Counter()
    for moment, step in chain.from_iterable(map(_steps, appointments)):
        steps[moment] += step
    return max(accumulate(steps[moment] for moment in sorted(steps)), default=0)


def _steps(appointment: Mapping[str, Any]) -> Iterator[tuple[datetime, int]]:
    """When the count goes up or down for it, and by how much.

    Up to the earliest change that is kept it counts since it was booked, so that no VIP is lost with older changes.
    """
    yield appointment["booked_at"], 1
    before = True
    for change in appointment["changes"]:
        yield change["at"], change["counts"] - before
        before = change["counts"]


def _spend(visits: Iterable[Mapping[str, Any]]) -> Document:
    spend: Document = {}
    for visit in visits:
        before = spend.get(visit["currency"], {"total": 0, "visits": 0})
        spend[visit["currency"]] = {"total": before["total"] + visit["price"], "visits": before["visits"] + 1}
    return dict(sorted(spend.items()))
