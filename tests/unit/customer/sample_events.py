"""Events to tell the customer service; the moment makes each an event of its own."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ringback.contracts.envelope import Event, new_event
from tests.unit.fakes import NUMBER, Document

OF_CALL: Mapping[str, Document] = {
    "call.started": {"direction": "inbound"},
    "call.missed": {"reason": "no-answer", "voicemail": True},
    "call.completed": {"duration_seconds": 20, "answered_at": None},
}
REQUESTED: Document = {"body": "Hi", "purpose": "transactional", "reason": "manual", "expires_at": None}


class Booking(NamedTuple):
    """In a booking system."""

    id: str
    phone: str | None
    customer: str | None


def call(kind: str, sid: str, phone: str | None, name: str | None, at: datetime) -> Event:
    """Whatever is told of a call; without a phone it is withheld."""
    if kind == "call.transcribed":
        words = {"recording_sid": None, "text": "Hi", "confidence": None, "source": "realtime"}
        return event(kind, sid, at, words | {"call_sid": sid, "at": at})
    data = {
        "call_sid": sid,
        "caller": phone or "",
        "called": NUMBER,
        "caller_kind": "mobile" if phone else "withheld",
        "caller_name": name,
        "at": at,
    }
    return event(kind, sid, at, data | OF_CALL[kind])


def received(sid: str, phone: str, at: datetime) -> Event:
    data: Document = {
        "message_sid": sid,
        "sender": phone,
        "recipient": NUMBER,
        "sender_kind": "mobile",
        "body": "Hello",
        "media": [],
        "consent": None,
        "keyword": None,
        "at": at,
    }
    return event("sms.received", sid, at, data)


def text(status: str, request: str, phone: str, customer: str | None, at: datetime) -> Event:
    """A text of ours."""
    rest: Document = {"message_sid": "SM", "error_code": None, "reason": None}
    if status == "requested":
        rest = {**REQUESTED, "customer_id": customer}
    return event(f"sms.{status}", request, at, {"request_id": request, "recipient": phone, **rest})


def booked(booking: Booking, stands: Document, name: str | None, at: datetime) -> Event:
    """`stands`: starts_at, price, currency and status; the service is named after the booking."""
    data = {
        "booking_id": booking.id,
        "phone": booking.phone,
        "customer_id": booking.customer,
        "name": name,
        "service": booking.id,
        **stands,
    }
    return event("booking.recorded", booking.id, at, data)


def moved(customer: str, stage: str, at: datetime) -> Event:
    data = {
        "customer_id": customer,
        "previous": None,
        "current": stage,
        "cause": "manual",
        "actor": "olga",
        "seconds_in_previous_stage": None,
        "at": at,
    }
    return event("lead.stage_changed", customer, at, data)


def opted_out(phone: str, at: datetime) -> Event:
    return event("contact.opted_out", phone, at, {"phone": phone, "scope": "all", "keyword": "STOP"})


def event(event_type: str, subject: str, at: datetime, data: Mapping[str, Any]) -> Event:
    cause = (subject, at.isoformat())
    return new_event(event_type, business="demo", subject=subject, time=at, data=data, cause=cause)
