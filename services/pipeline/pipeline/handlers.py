"""Use case: events → leads. Free of order, and of repetition by the inbox."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pipeline import store
from pipeline.appointments import appointment_id_of, merged
from pipeline.domain import Document, with_lent, with_numbers
from pipeline.erasing import Batch, erase_appointment, erase_customer, erase_numbers, take_back
from pipeline.numbers import CALL, TEXT, held_by, number_id_of, with_contact
from pipeline.people import Needs, People
from pipeline.telling import Cause
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.contracts.envelope import Event
from ringback.errors import Permanent
from ringback.known_customers import Telling, tellings, with_told
from ringback.phone import NAMELESS_KINDS
from ringback.seals import Seal
from ringback.store.unit_of_work import UnitOfWork

DELETED = "customer.deleted"


@dataclass(frozen=True, eq=False)
class RecordLeads:
    """Takes in what is told of customers, what moves their leads forward and what they are worth.

    What is told of somebody who was erased has no effect; `seal` is the one that they were erased with.
    """

    businesses: Mapping[str, Business]
    clock: Clock
    seal: Seal

    def __call__(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        needs = self._needs_of(events)
        erased = store.erased_at(work, self.seal, needs.leads | needs.numbers | needs.appointments)
        erased |= {event.data["customer_id"]: event.time for event in events if event.type == DELETED}
        people = People(work, self.businesses, self.clock(), events[0].id, frozenset(erased))
        people.load(needs)
        people.load_holders(erased)
        batch = Batch(people, self.seal, erased)
        # Of somebody who is erased in this batch nothing may be saved any more.
        for event in sorted(events, key=lambda event: event.type != DELETED):
            KINDS[event.type].take(batch, event)

    def _needs_of(self, events: Sequence[Event]) -> Needs:
        needs = Needs()
        for event in events:
            if event.business not in self.businesses:
                raise Permanent("The event's business is not configured here.", code="unknown_business")
            KINDS[event.type].need(event, needs)
        return needs


class Kind(NamedTuple):
    """How a type of event is handled: what to load for it, and what it changes."""

    need: Callable[[Event, Needs], None]
    take: Callable[[Batch, Event], None]


# Customers.


def _need_customer(event: Event, needs: Needs) -> None:
    for telling in tellings(event):
        needs.leads.add(telling.customer_id)
        needs.numbers |= {number_id_of(event.business, phone) for phone in _phones_told(telling)}


def _take_customer(batch: Batch, event: Event) -> None:
    for telling in tellings(event):
        if telling.customer_id in batch.people.erased:
            _forget(batch, event, telling.customer_id, _phones_told(telling))
        else:
            _tell(batch, event, telling)


def _tell(batch: Batch, event: Event, telling: Telling) -> None:
    people, business = batch.people, event.business
    lead = with_told(people.lead_or_new(business, telling.customer_id), business, telling)
    people.put(with_numbers(lead, _held(batch, event, lead, _phones_told(telling))), Cause.of(event))


def _held(batch: Batch, event: Event, lead: Document, phones: Iterable[str]) -> list[str]:
    """Those of the numbers that are the lead's from now on.

    Numbers of somebody who was erased since are not taken from what was told of others before.
    """
    held = [phone for phone in phones if not batch.is_refused(number_id_of(event.business, phone), event.time)]
    for phone in held:
        batch.people.put_number(held_by(batch.people.number(event.business, phone), lead["_id"]))
    return held


def _forget(batch: Batch, event: Event, customer_id: str, phones: Iterable[str]) -> None:
    """What is told too late of somebody who was erased says which numbers were theirs."""
    erase_numbers(batch, event.business, phones, customer_id, batch.erased[customer_id], Cause.of(event))


def _phones_told(telling: Telling) -> Sequence[str]:
    phones: Sequence[str] = telling.values.get("phones", ())
    return phones


def _need_regrouped(event: Event, needs: Needs) -> None:
    needs.leads |= {event.data["customer_id"], event.data["other_id"]}
    needs.numbers |= {number_id_of(event.business, phone) for phone in event.data["phones"]}


def _take_regrouped(batch: Batch, event: Event) -> None:
    """Merged or unmerged: the one that is kept is told the other's numbers as its own while they are one."""
    people, kept_id, other_id = batch.people, event.data["customer_id"], event.data["other_id"]
    phones, cause = event.data["phones"], Cause.of(event)
    if kept_id not in people.erased:
        kept = people.lead_or_new(event.business, kept_id)
        lent = phones if other_id in people.erased else _held(batch, event, kept, phones)
        people.put(with_lent(kept, lent), cause)
    if other_id in people.erased:
        _forget(batch, event, other_id, phones)
        take_back(batch, kept_id, phones, cause)
    _take_customer(batch, event)


# What moves leads.


def _need_call(event: Event, needs: Needs) -> None:
    if event.data["caller_kind"] not in NAMELESS_KINDS:
        needs.numbers.add(number_id_of(event.business, event.data["caller"]))


def _take_call(batch: Batch, event: Event) -> None:
    if event.data["caller_kind"] not in NAMELESS_KINDS:
        _take_contact(batch, event, CALL, event.data["caller"], event.data["answered_at"] or event.data["at"])


def _need_text(event: Event, needs: Needs) -> None:
    needs.numbers.add(number_id_of(event.business, event.data["recipient"]))


def _take_text(batch: Batch, event: Event) -> None:
    _take_contact(batch, event, TEXT, event.data["recipient"], event.time)


def _take_contact(batch: Batch, event: Event, fact: str, phone: str, at: datetime) -> None:
    """Somebody was spoken to; what is dated in the future happened by now, or no person could move them back."""
    people = batch.people
    if batch.is_refused(number_id_of(event.business, phone), at):
        return
    number = with_contact(people.number(event.business, phone), fact, min(at, people.now))
    people.put_number(number)
    people.refresh(number["holders"], Cause.of(event))


def _need_appointment(event: Event, needs: Needs) -> None:
    needs.leads.add(event.data["customer_id"])
    needs.appointments.add(appointment_id_of(event.business, event.data["appointment_id"]))


def _take_appointment(batch: Batch, event: Event) -> None:
    data, people = event.data, batch.people
    appointment_id = appointment_id_of(event.business, data["appointment_id"])
    if appointment_id in batch.erased:
        return
    telling = {name: data[name] for name in ("customer_id", "at", "told_by", "price", "currency")}
    telling["status"] = event.type.removeprefix("appointment.")
    known = people.appointment(appointment_id)
    appointment = merged(known, event.business, data["appointment_id"], telling, people.now)
    owner_id, concerned = appointment["customer_id"], {known["customer_id"]} if known else set()
    if owner_id in batch.erased:
        erase_appointment(batch, appointment, batch.erased[owner_id])
    else:
        people.put_appointment(appointment)
        people.put(people.lead_or_new(event.business, owner_id), Cause.of(event))
    people.refresh(concerned, Cause.of(event))


# Erasing.


def _need_deleted(event: Event, needs: Needs) -> None:
    needs.leads.add(event.data["customer_id"])


def _take_deleted(batch: Batch, event: Event) -> None:
    erase_customer(batch, event.business, event.data["customer_id"], event.time, Cause.of(event))


CUSTOMER, REGROUPED = Kind(_need_customer, _take_customer), Kind(_need_regrouped, _take_regrouped)
APPOINTMENT = Kind(_need_appointment, _take_appointment)
KINDS: Mapping[str, Kind] = {
    "customer.created": CUSTOMER,
    "customer.updated": CUSTOMER,
    "customer.merged": REGROUPED,
    "customer.unmerged": REGROUPED,
    DELETED: Kind(_need_deleted, _take_deleted),
    "appointment.booked": APPOINTMENT,
    "appointment.completed": APPOINTMENT,
    "appointment.canceled": APPOINTMENT,
    "appointment.no_show": APPOINTMENT,
    "call.completed": Kind(_need_call, _take_call),
    "sms.delivered": Kind(_need_text, _take_text),
}
