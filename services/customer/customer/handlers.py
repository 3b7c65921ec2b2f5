"""Use case: events → records and timelines. One record per (business, number); late facts find their entry."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from customer import appointments, store, texts
from customer.appointments import AppointmentFact
from customer.calls import CallFact, entry_id_of, merged_call
from customer.domain import Document, first_seen_by, named_by_caller_id, new_own, new_record, noted
from customer.people import Needs, People
from customer.telling import Cause, finish, tell_appointment
from ringback.businesses import Business
from ringback.callers import customer_id_of
from ringback.clock import Clock
from ringback.contracts.envelope import Event
from ringback.errors import Permanent
from ringback.phone import NAMELESS_KINDS, identify
from ringback.seals import Seal
from ringback.store.unit_of_work import UnitOfWork

OUTCOMES = {"call.started": None, "call.completed": "answered", "call.missed": "missed"}


@dataclass(frozen=True, eq=False)
class RecordEvents:
    """Takes in whatever is told of customers. Free of order, and of repetition by the inbox.

    What is told of the calls, texts and bookings of somebody who was erased has no effect. `seal` is the one that
    they were erased with.
    """

    businesses: Mapping[str, Business]
    clock: Clock
    seal: Seal

    def __call__(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        needed = {event.id: self._needs_of(event) for event in events}
        needs = Needs()
        for one in needed.values():
            needs.add(one)
        erased = store.erased_of(work, self.seal, needs.records | needs.entries)
        people = People(work, self.businesses, self.clock(), erased)
        people.load(needs)
        for event in events:
            if not erased & needed[event.id].entries:
                KINDS[event.type].take(people, event)

    def _needs_of(self, event: Event) -> Needs:
        if event.business not in self.businesses:
            raise Permanent("The event's business is not configured here.", code="unknown_business")
        needs = Needs()
        KINDS[event.type].need(event, needs, self.businesses[event.business])
        return needs


class Kind(NamedTuple):
    """How a type of event is handled: what to load for it, and what it changes."""

    need: Callable[[Event, Needs, Business], None]
    take: Callable[[People, Event], None]


# Calls.


def _need_call(event: Event, needs: Needs, _business: Business) -> None:
    fact = call_fact(event)
    _need_person(needs, fact.business, fact.phone, fact.call_sid)
    needs.entries.add(entry_id_of(fact.business, fact.call_sid))
    needs.awaited.add(_of_call(fact.business, fact.call_sid))


def _take_call(people: People, event: Event) -> None:
    fact = call_fact(event)
    before = people.entry(entry_id_of(fact.business, fact.call_sid))
    record = _owner(people, before) or _person(
        people, event, fact.phone, fact.phone_kind, "call", fact.call_sid, fact.at
    )
    entry = merged_call(before, fact, record["_id"])
    own = noted(record["own"], before, entry, fact.at, contact=True)
    own = named_by_caller_id(first_seen_by(own, "call", fact.at), fact.name, fact.at)
    parts = people.waiting_for(_of_call(fact.business, fact.call_sid))
    people.put_entry(_with_parts(entry, parts))
    finish(people, {**record, "own": own}, Cause.of(event))
    for part in parts:
        people.put_entry({**part, "customer_id": record["_id"], "awaits": None})


def _with_parts(call: Document, parts: Iterable[Document]) -> Document:
    """The call with its voicemails and transcripts named, so that a new one and an erasure exclude each other."""
    return {**call, "parts": sorted({*call.get("parts", ()), *(part["_id"] for part in parts)})}


def call_fact(event: Event) -> CallFact:
    data = event.data
    return CallFact(
        business=event.business,
        call_sid=data["call_sid"],
        phone=None if data["caller_kind"] in NAMELESS_KINDS else data["caller"],
        phone_kind=data["caller_kind"],
        name=data["caller_name"],
        at=data["at"],
        direction=data.get("direction"),
        outcome=OUTCOMES[event.type],
        reason=data.get("reason", ""),
        duration_seconds=data.get("duration_seconds"),
        answered_at=data.get("answered_at"),
        voicemail=data.get("voicemail", False),
    )


def _need_part_of_call(event: Event, needs: Needs, _business: Business) -> None:
    needs.entries |= {entry_id_of(event.business, event.data["call_sid"]), _part(event)["_id"]}


def _take_part_of_call(people: People, event: Event) -> None:
    """A voicemail or a transcript: it belongs to whoever the call belongs to, and waits for it if it has to."""
    call = people.entry(entry_id_of(event.business, event.data["call_sid"]))
    known, part = people.entry(_part(event)["_id"]), _part(event)
    if known is not None and len(known.get("text", "")) >= len(part.get("text", "")):
        return
    owner = call["customer_id"] if call else None
    if call is not None:
        people.put_entry(_with_parts(call, [part]))
    people.wait(
        {**part, "customer_id": owner, "awaits": None if owner else _of_call(event.business, part["call_sid"])}
    )


def _part(event: Event) -> Document:
    data, business = event.data, event.business
    if event.type == "call.recorded":
        return {
            "_id": f"{business}:voicemail:{data['recording_sid']}",
            "business": business,
            "kind": "voicemail",
            "at": data["at"],
            "call_sid": data["call_sid"],
            "recording_sid": data["recording_sid"],
            "duration_seconds": data["duration_seconds"],
        }
    return {
        "_id": f"{business}:transcript:{data['call_sid']}:{data['source']}:{data['recording_sid'] or ''}",
        "business": business,
        "kind": "transcript",
        "at": data["at"],
        "call_sid": data["call_sid"],
        "recording_sid": data["recording_sid"],
        "source": data["source"],
        "text": data["text"],
        "confidence": data["confidence"],
    }


# Texts.


def _need_received(event: Event, needs: Needs, _business: Business) -> None:
    _need_person(needs, event.business, _sender(event), event.data["message_sid"])
    needs.entries.add(texts.received_id_of(event.business, event.data["message_sid"]))


def _take_received(people: People, event: Event) -> None:
    data = event.data
    before = people.entry(texts.received_id_of(event.business, data["message_sid"]))
    if before is not None:
        return
    record = _person(people, event, _sender(event), data["sender_kind"], "sms", data["message_sid"], data["at"])
    entry = texts.received(event.business, record["_id"], data)
    own = first_seen_by(noted(record["own"], None, entry, data["at"], contact=True), "sms", data["at"])
    people.put_entry(entry)
    finish(people, {**record, "own": own}, Cause.of(event))


def _sender(event: Event) -> str | None:
    return None if event.data["sender_kind"] in NAMELESS_KINDS else event.data["sender"]


def _need_text(event: Event, needs: Needs, _business: Business) -> None:
    needs.entries.add(texts.sent_id_of(event.business, event.data["request_id"]))
    needs.phones[event.business].add(event.data["recipient"])
    if event.data.get("customer_id"):
        needs.records.add(event.data["customer_id"])


def _take_text(people: People, event: Event) -> None:
    """A text of ours belongs to who has the number; to somebody who is not known it waits to belong."""
    data, entry_id = event.data, texts.sent_id_of(event.business, event.data["request_id"])
    if data.get("customer_id") in people.erased:
        return
    before = people.entry(entry_id)
    record = _owner(people, before) or _recipient(people, event)
    entry = texts.merged_text(before, text_fact(event), entry_id, event.business, record["_id"] if record else None)
    if record is None:
        people.wait({**entry, "awaits": of_phone(event.business, data["recipient"])})
        return
    people.put_entry({**entry, "awaits": None})
    own = noted(record["own"], before if before and before["customer_id"] else None, entry, event.time, contact=False)
    finish(people, {**record, "own": own}, Cause.of(event))


def text_fact(event: Event) -> texts.TextFact:
    data = event.data
    return texts.TextFact(
        request_id=data["request_id"],
        status=event.type.removeprefix("sms."),
        at=event.time,
        body=data.get("body"),
        purpose=data.get("purpose"),
        reason=data.get("reason"),
        message_sid=data.get("message_sid"),
        error_code=data.get("error_code"),
    )


def _recipient(people: People, event: Event) -> Document | None:
    named = people.record(event.data.get("customer_id"))
    if named is not None and named["business"] == event.business:
        return named
    return people.with_phone(event.business, event.data["recipient"])


# Appointments.


def _need_booking(event: Event, needs: Needs, business: Business) -> None:
    appointment_id = appointment_id_of(event)
    needs.entries.add(appointments.entry_id_of(event.business, appointment_id))
    if event.data["customer_id"]:
        needs.records.add(event.data["customer_id"])
    phone = _booked_by(event, business)
    if phone:
        _need_person(needs, event.business, phone, phone)


def _take_booking(people: People, event: Event) -> None:
    data, business = event.data, people.businesses[event.business]
    before = people.entry(appointments.entry_id_of(event.business, appointment_id_of(event)))
    record = _owner(people, before) or _customer_of_booking(people, event, business)
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
    vip_from = people.businesses[record["business"]].segments.vip_appointments
    own["was_vip"] = own["was_vip"] or own["total_appointments"] >= vip_from
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
    return _person(people, event, phone, kind, "import", phone, event.time)


def _booked_by(event: Event, business: Business) -> str | None:
    return identify(event.data["phone"] or "", business.country).e164


# Stages.


def _need_stage(event: Event, needs: Needs, _business: Business) -> None:
    needs.records.add(event.data["customer_id"])


def _take_stage(people: People, event: Event) -> None:
    data, record = event.data, people.record(event.data["customer_id"])
    if data["customer_id"] in people.erased:
        return
    if record is None or record["business"] != event.business:
        raise Permanent("The event's customer is not known here.", code="unknown_customer")
    own = record["own"]
    if own["staged_at"] is None or (own["staged_at"], own["stage"]) < (data["at"], data["current"]):
        own = {**own, "stage": data["current"], "staged_at": data["at"]}
    people.put_entry(
        {
            "_id": f"{event.business}:stage:{event.id}",
            "business": event.business,
            "customer_id": record["_id"],
            "kind": "stage",
            "at": data["at"],
            "from": data["previous"],
            "to": data["current"],
            "cause": data["cause"],
            "actor": data["actor"],
        }
    )
    finish(people, {**record, "own": own}, Cause.of(event))


# Who it is.


def _need_person(needs: Needs, business: str, phone: str | None, otherwise: str) -> None:
    needs.records.add(customer_id_of(business, phone, otherwise))
    if phone:
        needs.phones[business].add(phone)
        needs.awaited.add(of_phone(business, phone))


def _owner(people: People, entry: Document | None) -> Document | None:
    """An entry that is on somebody's timeline stays there, whoever later facts name."""
    return people.record(entry["customer_id"]) if entry else None


def _person(
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
        entry = {**waiting, "customer_id": record["_id"], "awaits": None}
        people.put_entry(entry)
        own = noted(own, None, entry, max(one["at"] for one in entry["told"].values()), contact=False)
    return {**record, "own": own}


def _of_call(business: str, call_sid: str) -> str:
    return f"{business}:call:{call_sid}"


def of_phone(business: str, phone: str) -> str:
    """What an entry awaits that goes to whoever turns out to have the number."""
    return f"{business}:phone:{phone}"


CALL, PART, TEXT = (
    Kind(_need_call, _take_call),
    Kind(_need_part_of_call, _take_part_of_call),
    Kind(_need_text, _take_text),
)
KINDS: Mapping[str, Kind] = {
    "call.started": CALL,
    "call.completed": CALL,
    "call.missed": CALL,
    "call.recorded": PART,
    "call.transcribed": PART,
    "sms.received": Kind(_need_received, _take_received),
    "sms.requested": TEXT,
    "sms.sent": TEXT,
    "sms.delivered": TEXT,
    "sms.failed": TEXT,
    "sms.suppressed": TEXT,
    "booking.recorded": Kind(_need_booking, _take_booking),
    "lead.stage_changed": Kind(_need_stage, _take_stage),
}
