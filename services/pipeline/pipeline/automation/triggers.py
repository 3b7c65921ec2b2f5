"""What sets rules off: events, as compact facts that are kept for dry runs.

A fact: {_id, business, trigger, at, received_at, event_id, customer_id, phone, values, data, state, due_at,
expires_at}. `values` for conditions, `data` for payloads; neither says who it was. `phone` only until the customer is
looked up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ringback.clock import rfc3339
from ringback.contracts.envelope import Event
from ringback.phone import E164

Document = dict[str, Any]
Data = Mapping[str, Any]

PENDING, FIRED, TOO_OLD, NOBODY = ("pending", "fired", "too_old", "unknown_customer")
KEPT = timedelta(days=35)
# What is told later than this, say out of the dead letters, sets nothing off; what could is still known here.
OLDEST = timedelta(days=30)
# An event may come before the one that makes its customer known.
PATIENCE = timedelta(minutes=10)
LOOK_AGAIN = (1, 2, 5, 15, 60, 120)


@dataclass(frozen=True)
class Trigger:
    """`identity`: what it happens once for, of that name. `values` and `data` out of the event's data."""

    name: str
    values: Callable[[Data], Document]
    data: Callable[[Data], Document]
    identity: Callable[[Event], str] = lambda event: event.id


def _stage_values(data: Data) -> Document:
    return {
        "previous_stage": data["previous"],
        "stage": data["current"],
        "cause": data["cause"],
        "seconds_in_previous_stage": data["seconds_in_previous_stage"],
    }


def _stage_data(data: Data) -> Document:
    return {
        "previous_stage": data["previous"],
        "current_stage": data["current"],
        "cause": data["cause"],
        "actor": data["actor"],
        "seconds_in_previous_stage": data["seconds_in_previous_stage"],
    }


def _segment_values(data: Data) -> Document:
    return {"previous_segment": data["previous"], "segment": data["current"]}


def _segment_data(data: Data) -> Document:
    return {"previous_segment": data["previous"], "current_segment": data["current"], "reason": data["reason"]}


def _appointment_values(data: Data) -> Document:
    return {"service": data["service"], "price": data["price"]}


def _appointment_data(data: Data) -> Document:
    shown = {name: data[name] for name in ("service", "price", "currency")}
    return {"appointment": {"id": data["appointment_id"], "starts_at": rfc3339(data["starts_at"]), **shown}}


def _appointment_identity(event: Event) -> str:
    """An appointment is completed once, however often its price is put right after that."""
    return f"{event.business}:appointment:{event.data['appointment_id']}"


def _missed_values(data: Data) -> Document:
    return {"attempts": data["attempts"], "missed_reason": data["reason"]}


def _missed_data(data: Data) -> Document:
    due_at = data["due_at"]
    shown = {"id": data["missed_call_id"], "attempts": data["attempts"], "reason": data["reason"]}
    return {"missed_call": {**shown, "due_at": due_at and rfc3339(due_at)}}


def _created_values(data: Data) -> Document:
    return {"source": data["source"]}


def _created_data(data: Data) -> Document:
    return {"source": data["source"]}


TRIGGERS: Mapping[str, Trigger] = {
    "lead.stage_changed": Trigger("lead_stage_changed", _stage_values, _stage_data),
    "customer.segment_changed": Trigger("segment_changed", _segment_values, _segment_data),
    "appointment.completed": Trigger(
        "appointment_completed", _appointment_values, _appointment_data, _appointment_identity
    ),
    "missed_call.opened": Trigger("missed_call_opened", _missed_values, _missed_data),
    "customer.created": Trigger("customer_created", _created_values, _created_data),
}


def fact_of(event: Event, now: datetime, first_at: datetime | None = None) -> Document:
    """What is kept of an event of one of TRIGGERS. `first_at`: when it happened, if this only tells of it again."""
    trigger, phone = TRIGGERS[event.type], event.data.get("phone")
    identifies = event.type == "missed_call.opened" and E164.fullmatch(phone or "")
    fact = {
        "_id": trigger.identity(event),
        "business": event.business,
        "trigger": trigger.name,
        "at": event.time,
        "received_at": now,
        "event_id": event.id,
        "customer_id": event.data.get("customer_id"),
        "phone": phone if identifies else None,
        "values": trigger.values(event.data),
        "data": trigger.data(event.data),
        "state": PENDING,
        "due_at": now,
        "expires_at": now + KEPT,
    }
    return settled(fact, TOO_OLD) if (first_at or event.time) < now - OLDEST else fact


def settled(fact: Document, state: str) -> Document:
    """The fact with what came of it; somebody whom nobody knows may be somebody who was erased."""
    whose = None if state == NOBODY else fact["customer_id"]
    return {**fact, "state": state, "customer_id": whose, "due_at": None, "phone": None}


def looked_for(fact: Document, now: datetime) -> Document | None:
    """The fact whose customer is not known yet, to be looked at again; None when that took too long."""
    waited = now - fact["received_at"]
    if waited >= PATIENCE:
        return None
    seconds = next((pause for pause in LOOK_AGAIN if pause > waited.total_seconds()), LOOK_AGAIN[-1])
    return {**fact, "due_at": now + timedelta(seconds=seconds)}
