"""What is kept when a person is erased: money without a person, and which facts must not come back. Pure."""

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Any

from customer.appointments import COMPLETED

Document = dict[str, Any]

# Kinds of entries that events make: told again, they would be there again. Voicemails and transcripts go by their
# call.
TOLD_BY_EVENTS = frozenset({"call", "sms", "appointment"})


def entries_to_refuse(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """The ids of the entries that a late or repeated event could bring back."""
    return [entry["_id"] for entry in entries if entry["kind"] in TOLD_BY_EVENTS]


def names_to_refuse(business: str, records: Iterable[Mapping[str, Any]]) -> list[str]:
    """The numbers and addresses by which an old file could bring these records back."""
    owns = [record["own"] for record in records]
    numbers = [number_of(business, phone) for own in owns for phone in own["phones"]]
    return numbers + [address_of(business, own["email"]) for own in owns if own["email"]]


def number_of(business: str, phone: str) -> str:
    return f"{business}:number:{phone}"


def address_of(business: str, email: str) -> str:
    return f"{business}:address:{email.lower()}"


def kept_totals(business: str, zone: tzinfo, entries: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """What a customer's completed appointments came to, by the business's month and currency, in minor units.

    {`business:YYYY-MM:currency`: {total, visits, customers: 1}}.
    """
    totals: dict[str, dict[str, int]] = {}
    for visit in entries:
        if visit["kind"] != "appointment" or visit["status"] != COMPLETED:
            continue
        key = f"{business}:{visit['starts_at'].astimezone(zone):%Y-%m}:{visit['currency']}"
        before = totals.get(key, {"total": 0, "visits": 0})
        totals[key] = {"total": before["total"] + visit["price"], "visits": before["visits"] + 1, "customers": 1}
    return totals


def without_other(entry: Document) -> Document:
    """The entry of a merge with somebody who was erased since."""
    return {**entry, "other_id": None, "name": None, "phones": []}
