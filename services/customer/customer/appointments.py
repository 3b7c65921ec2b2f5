"""Appointments: what is told of one, in any order, and what a customer's add up to. Pure; money in minor units.

An appointment is an entry of the timeline. Of what was told of it the newest counts, so that the same set of facts
always makes the same appointment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Document = dict[str, Any]

BOOKED, COMPLETED, CANCELED, NO_SHOW = STATUSES = ("booked", "completed", "canceled", "no_show")


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
    told = (fact.told_at, fact.told_by)
    if entry is not None and (entry["told_at"], entry["told_by"]) >= told:
        return {**entry, "booked_at": min(entry["booked_at"], fact.told_at)}
    return {
        **(entry or {"_id": entry_id, "business": business, "customer_id": owner, "kind": "appointment"}),
        "appointment_id": fact.appointment_id,
        "at": fact.starts_at,
        "starts_at": fact.starts_at,
        "service": fact.service,
        "price": fact.price,
        "currency": fact.currency,
        "status": fact.status,
        "booked_at": min(entry["booked_at"], fact.told_at) if entry else fact.told_at,
        "told_at": fact.told_at,
        "told_by": fact.told_by,
    }


def totals(appointments: Iterable[Mapping[str, Any]]) -> Document:
    """What all appointments of a record add up to: counted anew each time, so that no change can make it drift.

    `spend`: {currency: {total, visits}} of completed ones.
    """
    known = list(appointments)
    kept = [one for one in known if one["status"] != CANCELED]
    visits = [one for one in known if one["status"] == COMPLETED]
    return {
        "total_appointments": len(kept),
        "last_booked_at": max((one["booked_at"] for one in kept), default=None),
        "last_visit_at": max((one["starts_at"] for one in visits), default=None),
        "last_appointment_at": max((one["told_at"] for one in known), default=None),
        "spend": _spend(visits),
    }


def _spend(visits: Iterable[Mapping[str, Any]]) -> Document:
    spend: Document = {}
    for visit in visits:
        before = spend.get(visit["currency"], {"total": 0, "visits": 0})
        spend[visit["currency"]] = {"total": before["total"] + visit["price"], "visits": before["visits"] + 1}
    return dict(sorted(spend.items()))
