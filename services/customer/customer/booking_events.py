"""Use case: what booking systems and people tell of appointments → records, timelines and totals."""

from customer import appointments
from customer.appointments import AppointmentFact
from customer.domain import Document, first_seen_by, named_by_caller_id, noted
from customer.identity import need_person, owner_of, person
from customer.people import Needs, People
from customer.telling import Cause, finish, tell_appointment
from ringback.businesses import Business
from ringback.callers import customer_id_of
from ringback.contracts.envelope import Event
from ringback.errors import Permanent
from ringback.phone import identify


def need_booking(event: Event, needs: Needs, business: Business) -> None:
    appointment_id = appointment_id_of(event)
    needs.entries.add(appointments.entry_id_of(event.business, appointment_id))
    if event.data["customer_id"]:
        needs.records.add(event.data["customer_id"])
    phone = _booked_by(event, business)
    if phone:
        need_person(needs, event.business, phone, appointment_id)


def take_booking(people: People, event: Event) -> None:
    data, business = event.data, people.businesses[event.business]
    before = people.entry(appointments.entry_id_of(event.business, appointment_id_of(event)))
    record = owner_of(people, before) or _customer_of_booking(people, event, business)
    fact = AppointmentFact(
        appointment_id=appointment_id_of(event),
        starts_at=data["starts_at"],
        service=data["service"],
        price=data["price"],
        currency=data["currency"] or business.currency,
        status=data["status"],
        told_at=event.time,
        told_by=event.id,
    )
    own = noted(first_seen_by(record["own"], "import", event.time), None, None, event.time, contact=True)
    own = named_by_caller_id(own, data["name"], event.time)
    put_appointment(people, {**record, "own": own}, fact, Cause.of(event))


def put_appointment(people: People, record: Document, fact: AppointmentFact, cause: Cause) -> Document:
    """Take a fact about an appointment of the record; the appointment as it stands now."""
    entry_id = appointments.entry_id_of(record["business"], fact.appointment_id)
    before = people.entry(entry_id)
    entry = appointments.merged(before, fact, entry_id=entry_id, business=record["business"], owner=record["_id"])
    people.put_entry(entry)
    totals = appointments.totals(people.appointments_of(record["_id"]))
    own = {**record["own"], **totals, "updated_at": max(record["own"]["updated_at"], fact.told_at)}
    root = finish(people, {**record, "own": own}, cause)
    tell_appointment(people.work, root, before, entry, cause)
    return entry


def appointment_id_of(event: Event) -> str:
    return customer_id_of(event.business, None, f"booking\n{event.data['booking_id']}")


def _customer_of_booking(people: People, event: Event, business: Business) -> Document:
    named = people.record(event.data["customer_id"])
    if named is not None and named["business"] == event.business:
        return named
    phone = _booked_by(event, business)
    if phone is None:
        raise Permanent("The booking names no customer that is known and no number.", code="unknown_customer")
    kind = identify(phone, business.country).kind
    return person(people, event, phone, kind, "import", appointment_id_of(event), event.time)


def _booked_by(event: Event, business: Business) -> str | None:
    return identify(event.data["phone"] or "", business.country).e164
