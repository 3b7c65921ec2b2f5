"""What is left of somebody who is erased: keyed hashes of their id, their appointments and their numbers.

Who was merged with them was told their numbers as its own; those it loses with them. A number that somebody else has,
or had for itself, stays that one's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline import store
from pipeline.domain import Document, without_number
from pipeline.numbers import after, let_go_by, number_id_of
from pipeline.people import People
from pipeline.telling import Cause
from ringback.seals import Seal

NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Batch:
    """`erased`: what of a batch (ids of customers, numbers and appointments) must not come back, and until when."""

    people: People
    seal: Seal
    erased: dict[str, datetime]

    def is_refused(self, name: str, at: datetime) -> bool:
        """Whether what is told of it has no effect."""
        return at <= self.erased.get(name, NEVER)

    def refuse(self, name: str, until: datetime) -> None:
        self.erased[name] = until
        store.refuse(self.people.work, self.seal, name, until)


def erase_customer(batch: Batch, business: str, customer_id: str, at: datetime, cause: Cause) -> None:
    people, lead = batch.people, batch.people.work.get(store.LEADS, customer_id)
    batch.refuse(customer_id, at)
    if lead is None:
        return
    people.take_off(lead)
    store.erase(people.work, store.LEADS, [lead])
    _erase_appointments(batch, customer_id, at)
    erase_numbers(batch, business, {*lead["had"], *lead["lent"]}, customer_id, at, cause)
    if lead["merged_into"]:
        people.refresh({lead["merged_into"]}, cause)


def _erase_appointments(batch: Batch, customer_id: str, at: datetime) -> None:
    for appointment in batch.people.booked_by([customer_id]):
        erase_appointment(batch, appointment, at)


def erase_appointment(batch: Batch, appointment: Document, at: datetime) -> None:
    batch.people.drop_appointment(appointment)
    batch.refuse(appointment["_id"], at)


def erase_numbers(
    batch: Batch, business: str, phones: Iterable[str], customer_id: str, at: datetime, cause: Cause
) -> None:
    """Forget what was said until then at the numbers of somebody who is erased; their leads have to be loaded."""
    for phone in sorted(phones):
        if not batch.is_refused(number_id_of(business, phone), at):
            _erase_number(batch, let_go_by(batch.people.number(business, phone), customer_id), at, cause)


def _erase_number(batch: Batch, number: Document, at: datetime, cause: Cause) -> None:
    people, phone = batch.people, number["phone"]
    holders = [lead for lead in map(people.lead, number["holders"]) if lead is not None]
    if any(phone not in lead["lent"] for lead in holders):
        people.put_number(number)
        return
    batch.refuse(number["_id"], at)
    later = after({**number, "holders": []}, at)
    if any(later["times"].values()):
        people.put_number(later)
    else:
        people.drop_number(number)
    for lead in holders:
        people.put(without_number(lead, phone), cause)


def take_back(batch: Batch, borrower_id: str, phones: Iterable[str], cause: Cause) -> None:
    """Numbers that are refused are no longer lent to anybody."""
    lead = batch.people.lead(borrower_id)
    if lead is None:
        return
    for phone in phones:
        if number_id_of(lead["business"], phone) in batch.erased:
            lead = without_number(lead, phone)
    batch.people.put(lead, cause)
