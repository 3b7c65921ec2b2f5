"""What events make of a customer. Pure, and free of order: the result is a function of the set of events.

Profiles and timeline entries are plain documents (see `store`). Nothing is changed in place.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Document = dict[str, Any]

CUSTOMER_NAMESPACE = uuid.UUID("5d0c8b2f-4d0e-5f0b-9f1a-6b9ad9c6f3b7")
FIRST_STAGE = "new_lead"
FIRST_SEGMENT = "lead"
FIRST_SEGMENT_REASON = "No appointment yet"

# Of what is said about a call's end the better evidence counts: a person answered, then what ringing led to (of
# contradicting results the one that call-ingest takes, too), then that nobody was rung, that the caller hung up,
# that nothing was heard any more.
OUTCOMES_BY_WEIGHT = (
    ("missed", "timeout"),
    ("missed", "abandoned"),
    ("missed", "closed"),
    ("missed", "canceled"),
    ("missed", "failed"),
    ("missed", "busy"),
    ("missed", "no-answer"),
    ("answered", ""),
)
OUTCOME_FIELDS = ("outcome", "reason", "ended_at", "duration_seconds", "answered_at", "voicemail")


@dataclass(frozen=True, slots=True)
class CallFact:
    """What one `call.*` event says. `phone` is E.164, None when the caller ID identifies nobody."""

    business: str
    call_sid: str
    phone: str | None
    phone_kind: str
    name: str | None
    at: datetime
    direction: str | None = None
    outcome: str | None = None
    reason: str = ""
    duration_seconds: int | None = None
    answered_at: datetime | None = None
    voicemail: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A customer's profile and the call's timeline entry after a fact."""

    profile: Document
    entry: Document


def customer_id_of(business: str, phone: str | None, call_sid: str) -> str:
    """The id of the customer that a caller becomes: the same number always the same customer.

    A caller whose ID identifies nobody is a customer of this one call.
    """
    return str(uuid.uuid5(CUSTOMER_NAMESPACE, f"{business}\n{phone or call_sid}"))


def entry_id_of(business: str, call_sid: str) -> str:
    return f"{business}:call:{call_sid}"


def see_call(profile: Document | None, entry: Document | None, fact: CallFact, currency: str) -> Seen:
    """Take a fact in. Commutative, associative and idempotent over the facts of a business."""
    profile = profile or new_profile(fact, currency)
    seen = _merge_entry(entry or _new_entry(profile["_id"], fact), fact)
    return Seen(_merge_profile(profile, entry, seen, fact), seen)


def new_profile(fact: CallFact, currency: str) -> Document:
    """A caller who was not known."""
    return {
        "_id": customer_id_of(fact.business, fact.phone, fact.call_sid),
        "business": fact.business,
        "name": None,
        "named_at": None,
        "phone": fact.phone,
        "phones": [fact.phone] if fact.phone else [],
        "phone_kind": fact.phone_kind,
        "email": None,
        "segment": FIRST_SEGMENT,
        "segment_reason": FIRST_SEGMENT_REASON,
        "pipeline_stage": FIRST_STAGE,
        "source": "call",
        "total_appointments": 0,
        "total_spent": 0,
        "currency": currency,
        "total_calls": 0,
        "missed_calls": 0,
        "last_visit_at": None,
        "last_activity_at": fact.at,
        "review_requested_at": None,
        "created_at": fact.at,
        "updated_at": fact.at,
    }


def _new_entry(customer_id: str, fact: CallFact) -> Document:
    return {
        "_id": entry_id_of(fact.business, fact.call_sid),
        "business": fact.business,
        "customer_id": customer_id,
        "kind": "call",
        "call_sid": fact.call_sid,
        "at": fact.at,
        "started_at": None,
        "direction": None,
        "outcome": None,
        "reason": "",
        "ended_at": None,
        "duration_seconds": None,
        "answered_at": None,
        "voicemail": False,
    }


def _merge_entry(entry: Document, fact: CallFact) -> Document:
    if fact.outcome is None:
        merged = {**entry, "started_at": fact.at, "direction": fact.direction}
    elif _evidence(_outcome_of(fact)) > _evidence(entry):
        merged = {**entry, **_outcome_of(fact)}
    else:
        merged = entry
    return {**merged, "at": merged["started_at"] or merged["ended_at"]}


def _outcome_of(fact: CallFact) -> Document:
    values = (fact.outcome, fact.reason, fact.at, fact.duration_seconds, fact.answered_at, fact.voicemail)
    return dict(zip(OUTCOME_FIELDS, values, strict=True))


def _evidence(outcome: Mapping[str, Any]) -> tuple[int, float]:
    """How much an outcome weighs; of two alike the earlier is taken, whichever came first."""
    if outcome["outcome"] is None:
        return (-1, 0.0)
    return OUTCOMES_BY_WEIGHT.index((outcome["outcome"], outcome["reason"])), -outcome["ended_at"].timestamp()


def _merge_profile(profile: Document, before: Document | None, after: Document, fact: CallFact) -> Document:
    was_missed = before is not None and before["outcome"] == "missed"
    merged = {
        **profile,
        "total_calls": profile["total_calls"] + (before is None),
        "missed_calls": profile["missed_calls"] + (after["outcome"] == "missed") - was_missed,
        "last_activity_at": max(profile["last_activity_at"], fact.at),
        "created_at": min(profile["created_at"], fact.at),
        "updated_at": max(profile["updated_at"], fact.at),
    }
    return _with_name(merged, fact)


def _with_name(profile: Document, fact: CallFact) -> Document:
    """A caller's name fills a blank, and of several the earliest stays; a person's edit has no `named_at`."""
    if not fact.name:
        return profile
    named_by_caller_id = profile["named_at"] is not None
    if profile["name"] and not named_by_caller_id:
        return profile
    if named_by_caller_id and (profile["named_at"], profile["name"]) <= (fact.at, fact.name):
        return profile
    return {**profile, "name": fact.name, "named_at": fact.at}


def changed_fields(before: Document, after: Document, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: after[name] for name in names if before.get(name) != after[name]}
