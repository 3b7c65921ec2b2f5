"""Lead, active, inactive or VIP: a pure function of what is known of a customer and the time.

The first that fits counts: `vip`, `inactive`, `active`, `lead`. Each answer says when it may change by time alone, so
that nobody has to look through the customers.
"""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

VIP, INACTIVE, ACTIVE, LEAD = "vip", "inactive", "active", "lead"
SEGMENTS = (VIP, ACTIVE, INACTIVE, LEAD)


@dataclass(frozen=True, slots=True)
class Rules:
    """A business's thresholds."""

    vip_appointments: int
    inactive_months: int


@dataclass(frozen=True, slots=True)
class Segment:
    """`reason` in words; `due_at` is when time may change it, None if never."""

    name: str
    reason: str
    due_at: datetime | None = None


def segment_of(known: Mapping[str, Any], rules: Rules, now: datetime) -> Segment:
    """`known`: total_appointments, was_vip, last_activity_at and last_booked_at (or None)."""
    count, months = known["total_appointments"], rules.inactive_months
    if count >= rules.vip_appointments:
        return Segment(VIP, f"{count} appointments; VIP from {rules.vip_appointments}")
    if known["was_vip"]:
        return Segment(VIP, f"Once had {rules.vip_appointments} appointments or more; a VIP stays one")
    inactive_at = months_after(known["last_activity_at"], months)
    if now >= inactive_at:
        return Segment(INACTIVE, f"No call, message or appointment for {_months(months)}")
    booked = known["last_booked_at"]
    booked_until = months_after(booked, months) if booked else None
    if booked_until and now < booked_until:
        return Segment(ACTIVE, f"Booked an appointment in the last {_months(months)}", min(booked_until, inactive_at))
    return Segment(LEAD, "No appointment yet" if not booked else f"Nothing booked for {_months(months)}", inactive_at)


def months_after(moment: datetime, months: int) -> datetime:
    """The same day that many months later, or the last one of a shorter month."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))


def _months(count: int) -> str:
    return "a month" if count == 1 else f"{count} months"
