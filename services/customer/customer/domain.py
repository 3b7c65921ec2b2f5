"""What is known of a customer. Pure, and free of order: a function of the set of facts.

A *record* is what is known under one identity (business, E.164). Of people who turn out to be one the records stay
apart: one is the root, whose view adds the members up, so that they can be taken apart again exactly as they were.
Each record keeps its own facts in `own`; what the API shows of a root is its view. Nothing is changed in place.

The rules of a kind of entry stand beside: calls.py, appointments.py, texts.py, segments.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from customer.segments import Rules, segment_of

Document = dict[str, Any]

FIRST_STAGE = "new_lead"
NO_APPOINTMENTS: Mapping[str, Any] = {
    "total_appointments": 0,
    "most_appointments": 0,
    "appointment_changes": 0,
    "last_booked_at": None,
    "last_visit_at": None,
    "last_appointment_at": None,
    "spend": {},
}
COUNTED = ("total_calls", "missed_calls", "total_texts", "total_appointments", "appointment_changes")
LATEST = ("last_booked_at", "last_visit_at", "review_requested_at", "updated_at")
# What others are told when it changes.
TOLD = ("name", "phone", "email", "phones", "segment", "pipeline_stage")


def new_record(record_id: str, business: str, own: Document) -> Document:
    return {"_id": record_id, "business": business, "merged_into": None, "members": [], "own": own}


def new_own(phone: str | None, phone_kind: str, source: str, at: datetime) -> Document:
    """Somebody who was not known."""
    return {
        "name": None,
        "named_at": None,
        "email": None,
        "phones": [phone] if phone else [],
        "phone_kind": phone_kind,
        "source": source,
        "source_at": at,
        "total_calls": 0,
        "missed_calls": 0,
        "total_texts": 0,
        **NO_APPOINTMENTS,
        "last_contact_at": at,
        "review_requested_at": None,
        "stage": FIRST_STAGE,
        "staged_at": None,
        "created_at": at,
        "updated_at": at,
    }


def noted(own: Document, before: Document | None, after: Document | None, at: datetime, *, contact: bool) -> Document:
    """A record's own facts after an entry changed; `contact` says that they called, wrote or booked `at`.

    Only what they do themselves makes somebody a customer: a text of ours may have gone to the number before.
    """
    counted = {name: own[name] + counts_of(after)[name] - counts_of(before)[name] for name in ENTRY_COUNTS}
    return {
        **own,
        **counted,
        "last_contact_at": max(own["last_contact_at"], at) if contact else own["last_contact_at"],
        "created_at": min(own["created_at"], at) if contact else own["created_at"],
        "updated_at": max(own["updated_at"], at),
    }


ENTRY_COUNTS = ("total_calls", "missed_calls", "total_texts")


def counts_of(entry: Mapping[str, Any] | None) -> dict[str, int]:
    """What an entry adds to the counters."""
    kind = entry["kind"] if entry else ""
    return {
        "total_calls": int(kind == "call"),
        "missed_calls": int(kind == "call" and entry is not None and entry["outcome"] == "missed"),
        "total_texts": int(kind == "sms"),
    }


def first_seen_by(own: Document, source: str, at: datetime) -> Document:
    """How they came: what came first tells, whatever arrived first."""
    if (own["source_at"], own["source"]) <= (at, source):
        return own
    return {**own, "source": source, "source_at": at}


def named_by_caller_id(own: Document, name: str | None, at: datetime) -> Document:
    """A caller's name fills a blank, and of several the earliest stays; a person's edit has no `named_at`."""
    if not name:
        return own
    by_caller_id = own["named_at"] is not None
    if own["name"] and not by_caller_id:
        return own
    if by_caller_id and (own["named_at"], own["name"]) <= (at, name):
        return own
    return {**own, "name": name, "named_at": at}


def viewed(
    root: Document,
    members: Sequence[Document],
    currency: str,
    rules: Rules,
    now: datetime,
    *,
    vip_together: bool = False,
) -> Document:
    """The root with its view brought up to date; `members` in the order of `root["members"]`.

    `vip_together` says that the appointments of all of them made a VIP once, as `may_be_vip_together` asks.
    """
    owns = [root["own"], *(member["own"] for member in members)]
    view = _added_up(owns, currency)
    was_vip = vip_together or any(own["most_appointments"] >= rules.vip_appointments for own in owns)
    segment = segment_of(view | {"was_vip": was_vip}, rules, now)
    return {
        **root,
        **view,
        "segment": segment.name,
        "segment_reason": segment.reason,
        "segment_due_at": segment.due_at,
    }


def may_be_vip_together(records: Iterable[Document], enough: int) -> bool:
    """Whether it takes the appointments of all these records to know if so many counted at once: each had fewer."""
    most: list[int] = [record["own"]["most_appointments"] for record in records]
    return max(most) < enough <= sum(most)


def hidden(member: Document, root_id: str) -> Document:
    """A record that became part of another: found by nothing but its id."""
    shown = ("_id", "business", "own", "members", "version")
    return {name: member[name] for name in shown if name in member} | {"merged_into": root_id, "phone": None}


def _added_up(owns: Sequence[Document], currency: str) -> Document:
    first = owns[0]
    phones = list(dict.fromkeys(phone for own in owns for phone in own["phones"]))
    staged = max(owns, key=lambda own: (own["staged_at"] is not None, own["staged_at"] or own["created_at"]))
    spend = _all_spend(owns)
    return {
        "name": _first(owns, "name"),
        "email": _first(owns, "email"),
        "phone": phones[0] if phones else None,
        "phones": phones,
        "phone_kind": next((own["phone_kind"] for own in owns if own["phones"]), first["phone_kind"]),
        "source": min(owns, key=lambda own: (own["source_at"], own["source"]))["source"],
        "pipeline_stage": staged["stage"],
        **{name: sum(own[name] for own in owns) for name in COUNTED},
        **{name: _latest(own[name] for own in owns) for name in LATEST},
        "last_activity_at": _latest(max(_activities(own)) for own in owns),
        "created_at": min(own["created_at"] for own in owns),
        "currency": currency,
        "total_spent": spend.get(currency, {"total": 0})["total"],
        "spend": spend,
    }


def _activities(own: Document) -> list[datetime]:
    return [moment for moment in (own["last_contact_at"], own["last_appointment_at"]) if moment is not None]


def _first(owns: Sequence[Document], name: str) -> Any:
    return next((own[name] for own in owns if own[name]), None)


def _latest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)


def _all_spend(owns: Sequence[Document]) -> Document:
    currencies = sorted({currency for own in owns for currency in own["spend"]})
    nothing = {"total": 0, "visits": 0}
    return {
        currency: {
            part: sum(own["spend"].get(currency, nothing)[part] for own in owns) for part in ("total", "visits")
        }
        for currency in currencies
    }


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: after[name] for name in names if before.get(name) != after[name]}
