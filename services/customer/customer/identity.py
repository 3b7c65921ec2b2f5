"""Whose a number or an entry is: somebody who is known, or a new record with what waited for them."""

from datetime import datetime

from customer import texts
from customer.domain import Document, new_own, new_record, noted
from customer.people import Needs, People
from ringback.callers import customer_id_of
from ringback.contracts.envelope import Event


def need_person(needs: Needs, business: str, phone: str | None, otherwise: str) -> None:
    needs.records.add(customer_id_of(business, phone, otherwise))
    if phone:
        needs.phones[business].add(phone)
        needs.awaited.add(of_phone(business, phone))


def owner_of(people: People, entry: Document | None) -> Document | None:
    """An entry that is on somebody's timeline stays there, whoever later facts name."""
    return people.record(entry["customer_id"]) if entry else None


def person(
    people: People, event: Event, phone: str | None, kind: str, source: str, otherwise: str, at: datetime
) -> Document:
    """Whose number it is, or somebody new, to whom goes what waited for the number."""
    record_id = customer_id_of(event.business, phone, otherwise)
    same = people.record(record_id)
    found = people.with_phone(event.business, phone) or (same if phone is None else None)
    if found is not None:
        return found
    # It had this number once, and a person took it away; or it was erased, and ids of those never come back.
    if same is not None or record_id in people.erased:
        record_id = customer_id_of(event.business, None, f"{phone}\n{otherwise}")
    record = new_record(record_id, event.business, new_own(phone, kind, source, at))
    return with_waiting(people, record, phone)


def with_waiting(people: People, record: Document, phone: str | None) -> Document:
    """The record with the texts that went to its number before anybody was known to have it."""
    own = record["own"]
    for waiting in people.waiting_for(of_phone(record["business"], phone or "")):
        people.give(waiting, record["_id"])
        own = noted(own, None, waiting, texts.told_until(waiting), contact=False)
    return {**record, "own": own}


def of_phone(business: str, phone: str) -> str:
    """What an entry awaits that goes to whoever turns out to have the number."""
    return f"{business}:phone:{phone}"
