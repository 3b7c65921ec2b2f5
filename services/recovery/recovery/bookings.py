"""What is told of an appointment, and what the queue makes of it. Pure; prices in minor units.

A booking: {_id, business, appointment_id, customer_id, booked_at, booked_by, status, price, currency, told_at,
told_by, phones}. Of what is told of an appointment the latest counts; it was booked when that was told first, by whom
that was told of. One that was never told as booked counts for nothing.
"""

from collections.abc import Mapping
from typing import Any

from recovery.ledger import Document

BOOKED_EVENT = "appointment.booked"
STATUS_OF = {
    BOOKED_EVENT: "booked",
    "appointment.completed": "completed",
    "appointment.canceled": "canceled",
    "appointment.no_show": "no_show",
}
STANDING = ("status", "price", "currency", "told_at", "told_by")


def booking_id_of(business: str, appointment_id: str) -> str:
    return f"{business}:{appointment_id}"


def told_of(event_type: str, data: Mapping[str, Any]) -> Document:
    """How the appointment stands, by the data of `appointment.*`."""
    values = (STATUS_OF[event_type], data["price"], data["currency"], data["at"], data["told_by"])
    return dict(zip(STANDING, values, strict=True))


def with_standing(known: Document, told: Mapping[str, Any]) -> Document:
    """An appointment after that was told of it. Commutative and idempotent."""
    is_later = (told["told_at"], told["told_by"]) > (known["told_at"], known["told_by"])
    return {**known, **{name: told[name] for name in STANDING}} if is_later else known


def with_told(known: Document | None, business: str, event_type: str, data: Mapping[str, Any]) -> Document:
    """The booking after that was told. Commutative and idempotent."""
    told = told_of(event_type, data)
    booking = known or _new_booking(business, data, told)
    booking = with_standing(booking, told)
    if event_type != BOOKED_EVENT:
        return booking
    before = (booking["booked_at"], booking["booked_by"])
    if booking["booked_at"] is not None and before <= (data["at"], data["told_by"]):
        return booking
    return booking | {"customer_id": data["customer_id"], "booked_at": data["at"], "booked_by": data["told_by"]}


def _new_booking(business: str, data: Mapping[str, Any], told: Document) -> Document:
    return {
        "_id": booking_id_of(business, data["appointment_id"]),
        "business": business,
        "appointment_id": data["appointment_id"],
        "customer_id": data["customer_id"],
        "booked_at": None,
        "booked_by": None,
        "phones": [],
        **told,
    }


def fact_of(booking: Mapping[str, Any]) -> Document:
    """What a ledger keeps of it."""
    names = ("appointment_id", *STANDING)
    return {name: booking[name] for name in names} | {"at": booking["booked_at"]}
