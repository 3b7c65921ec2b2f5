"""What is told of an appointment, in any order: what it is worth, and when it moved its lead on. Pure.

{_id, business, appointment_id, customer_id, first, latest, marks: {stage: [first, last time]}}. `first` and `latest`
are tellings: {at, told_by, customer_id, status, price, currency}.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pipeline.domain import Mark
from pipeline.stages import APPOINTMENT_SET, CONVERTED

Document = dict[str, Any]

STAGE_OF = {"booked": APPOINTMENT_SET.key, "completed": CONVERTED.key}


def appointment_id_of(business: str, appointment_id: str) -> str:
    return f"{business}:{appointment_id}"


def merged(known: Document | None, business: str, appointment_id: str, telling: Document, now: datetime) -> Document:
    """The appointment after it was told of. Commutative and idempotent.

    What is dated after `now` moves its lead as of now: a clock is wrong, and no person could move it back.

    Of what it is the latest telling counts. It is whose the first one names: what is told while customers are merged
    names the one that is kept.
    """
    known = known or _new(business, appointment_id, telling)
    first, latest = min(known["first"], telling, key=_order), max(known["latest"], telling, key=_order)
    marks = _with_mark(known["marks"], STAGE_OF.get(telling["status"]), min(telling["at"], now))
    return {**known, "customer_id": first["customer_id"], "first": first, "latest": latest, "marks": marks}


def marks_of(appointments: Iterable[Document]) -> list[Mark]:
    return [
        Mark(stage, at, "appointment")
        for appointment in appointments
        for stage, times in appointment["marks"].items()
        for at in times
    ]


def worth(appointments: Iterable[Document], currency: str) -> int:
    """What was or is to be paid, as far as it is in this currency, in minor units."""
    latest = [appointment["latest"] for appointment in appointments]
    return sum(one["price"] for one in latest if one["status"] in STAGE_OF and one["currency"] == currency)


def _new(business: str, appointment_id: str, telling: Document) -> Document:
    return {
        "_id": appointment_id_of(business, appointment_id),
        "business": business,
        "appointment_id": appointment_id,
        "customer_id": telling["customer_id"],
        "first": telling,
        "latest": telling,
        "marks": {},
    }


def _order(telling: Mapping[str, Any]) -> tuple[datetime, str]:
    return telling["at"], telling["told_by"]


def _with_mark(marks: Document, stage: str | None, at: datetime) -> Document:
    if stage is None:
        return marks
    times = sorted({*marks.get(stage, ()), at})
    return {**marks, stage: list(dict.fromkeys((times[0], times[-1])))}
