"""A number as a business has to do with it: its consent, the texts of its last day, its erasure. Pure.

A contact: {_id: sealed business and number, business, phone, entries, opted_out, changed_at, texted: [{at,
automatic}], touches, erased_at}. `phone` is in clear only while people have to see who opted out. `touches` counts
what concerned the contact without changing it, so that it meets what does change it at the same moment.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from notifier.consent import Document

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def new_contact(contact_id: str, business: str) -> Document:
    return {
        "_id": contact_id,
        "business": business,
        "phone": None,
        "entries": {},
        "opted_out": False,
        "changed_at": None,
        "texted": [],
        "touches": 0,
        "erased_at": None,
    }


def touched(contact: Document) -> Document:
    return {**contact, "touches": contact["touches"] + 1}


def texted(contact: Document, now: datetime, *, automatic: bool) -> Document:
    recent = [one for one in contact["texted"] if one["at"] > now - DAY]
    return {**contact, "texted": [*recent, {"at": now, "automatic": automatic}]}


def texts_of_day(contact: Mapping[str, Any], now: datetime) -> int:
    return sum(one["at"] > now - DAY for one in contact["texted"])


def automatic_texts_of_hour(contact: Mapping[str, Any], now: datetime) -> int:
    return sum(one["automatic"] and one["at"] > now - HOUR for one in contact["texted"])


def identified(contact: Document, phone: str, at: datetime) -> Document:
    """The contact with its number, unless what was said is from before its erasure."""
    return contact if is_erased_since(contact, at) else {**contact, "phone": phone}


def erased(contact: Document, at: datetime) -> Document:
    """Opt-outs and counts outlive the person, without the number."""
    since = max(contact["erased_at"] or at, at)
    keeps_number = contact["changed_at"] is not None and contact["changed_at"] > since
    return {**contact, "phone": contact["phone"] if keeps_number else None, "erased_at": since}


def is_erased_since(contact: Mapping[str, Any], at: datetime) -> bool:
    """Whether something of that time is part of an erased history."""
    return contact["erased_at"] is not None and at <= contact["erased_at"]
