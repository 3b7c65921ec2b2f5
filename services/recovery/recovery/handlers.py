"""Use case: events → ledgers of callers, and the items of the queue that follow from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from recovery import bookings
from recovery.callers import Callers, Needs, call_id_of, nameless_id_of, of_customer, phone_ledger
from recovery.domain import item_id_of
from recovery.ledger import (
    Document,
    call_of,
    ledger_id_of,
    merged_parts,
    part_of,
    put,
    with_call,
    with_outcome,
    with_parts,
    with_started,
    without,
)
from recovery.numbers import every_number, numbers_at, with_numbers
from recovery.rules import is_ours
from recovery.settling import KEPT
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.contracts.envelope import Event
from ringback.errors import Permanent
from ringback.known_customers import Telling, tellings, with_told
from ringback.phone import NAMELESS_KINDS
from ringback.seals import Seal
from ringback.store.unit_of_work import UnitOfWork

# Texts that say nothing but how to be texted: no reply.
NO_REPLY = frozenset({"opt_out", "help"})


@dataclass(frozen=True, eq=False)
class RecordEvents:
    """Takes in whatever is told of callers. Free of order, and of repetition by the inbox."""

    businesses: Mapping[str, Business]
    clock: Clock
    seal: Seal

    def __call__(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        needs = Needs()
        for event in events:
            if event.business not in self.businesses:
                raise Permanent("The event's business is not configured here.", code="unknown_business")
            KINDS[event.type].need(event, needs)
        callers = Callers(work, self.businesses, self.clock(), self.seal)
        callers.load(needs)
        for event in events:
            KINDS[event.type].take(callers, event)
        callers.finish()


class Kind(NamedTuple):
    """How a type of event is handled: what to load for it, and what it changes."""

    need: Callable[[Event, Needs], None]
    take: Callable[[Callers, Event], None]


# Calls.


def _need_call(event: Event, needs: Needs) -> None:
    sid, phone = event.data["call_sid"], _number(event, "caller")
    needs.calls.add(call_id_of(event.business, sid))
    needs.erased.add(call_id_of(event.business, sid))
    needs.ledgers.add(ledger_id_of(event.business, phone, sid))
    needs.names[event.business].add(item_id_of(event.business, sid))
    nameless = nameless_id_of(event.business, phone, sid)
    if nameless:
        needs.erased.add(of_customer(nameless))


def _take_call(callers: Callers, event: Event) -> None:
    data, phone = event.data, _number(event, "caller")
    if _is_nobody(callers, event.business, phone):
        return
    ledger_id = ledger_id_of(event.business, phone, data["call_sid"])
    call_id = call_id_of(event.business, data["call_sid"])
    nameless = nameless_id_of(event.business, phone, data["call_sid"])
    if callers.erased_until(call_id):
        return
    if callers.is_erased(of_customer(nameless) if nameless else ledger_id, data["at"]):
        callers.forget_call(call_id, data["at"])
        return
    known = callers.calls.get(call_id)
    ledger = callers.ledger(event.business, ledger_id, phone) | {"caller": data["caller"], "nameless_id": nameless}
    if callers.is_settled(item_id_of(event.business, data["call_sid"]), ledger):
        return
    ledger = with_call(ledger, call_of(event.type, data))
    ledger = with_parts(ledger, data["call_sid"], known["parts"] if known else ())
    callers.ledgers.put(ledger)
    ended = next(call for call in ledger["calls"] if call["sid"] == data["call_sid"])
    callers.calls.put(_call(callers, event, ledger_id, ended["at"], []))


def _take_started(callers: Callers, event: Event) -> None:
    """A call that may get through: nobody is texted back meanwhile."""
    data, phone = event.data, _number(event, "caller")
    if phone is None or not data["direction"].startswith("inbound") or _is_nobody(callers, event.business, phone):
        return
    ledger_id = phone_ledger(event.business, phone)
    ledger = callers.ledger(event.business, ledger_id, phone)
    is_known = callers.is_settled(item_id_of(event.business, data["call_sid"]), ledger)
    is_known = is_known or bool(callers.erased_until(call_id_of(event.business, data["call_sid"])))
    if not is_known and not callers.is_erased(ledger_id, data["at"]):
        callers.ledgers.put(with_started(ledger, data["call_sid"], data["at"]))


def _need_part(event: Event, needs: Needs) -> None:
    call_id = call_id_of(event.business, event.data["call_sid"])
    needs.calls.add(call_id)
    needs.erased.add(call_id)


def _take_part(callers: Callers, event: Event) -> None:
    """A voicemail or a transcript: it belongs to whom the call belongs to, and waits for it if it has to."""
    call_id = call_id_of(event.business, event.data["call_sid"])
    if callers.erased_until(call_id):
        return
    known, part = callers.calls.get(call_id), part_of(event.type, event.data)
    if known is None or known["ledger"] is None:
        parts = merged_parts([*(known["parts"] if known else ()), part])
        callers.calls.put(_call(callers, event, None, min(one["at"] for one in parts), parts))
        return
    ledger = callers.ledgers.get(known["ledger"])
    if ledger is not None:
        callers.ledgers.put(with_parts(ledger, event.data["call_sid"], [part]))


def _call(callers: Callers, event: Event, ledger_id: str | None, at: datetime, parts: list[Document]) -> Document:
    return {
        "_id": call_id_of(event.business, event.data["call_sid"]),
        "business": event.business,
        "ledger": ledger_id,
        "at": at,
        "parts": parts,
        "forget_at": callers.now + KEPT,
    }


# Texts.


def _need_reply(event: Event, needs: Needs) -> None:
    phone = _number(event, "sender")
    if phone:
        needs.ledgers.add(phone_ledger(event.business, phone))


def _take_reply(callers: Callers, event: Event) -> None:
    data, phone = event.data, _number(event, "sender")
    if phone is None or data["consent"] in NO_REPLY or _is_nobody(callers, event.business, phone):
        return
    ledger_id = phone_ledger(event.business, phone)
    if not callers.is_erased(ledger_id, data["at"]):
        ledger = callers.ledger(event.business, ledger_id, phone)
        callers.ledgers.put(put(ledger, "replies", {"sid": data["message_sid"], "at": data["at"]}))


def _need_outcome(event: Event, needs: Needs) -> None:
    needs.ledgers.add(phone_ledger(event.business, event.data["recipient"]))


def _take_outcome(callers: Callers, event: Event) -> None:
    """What came of a text: of ours, the ledger has the request since before it was told; of others' it has not."""
    ledger = callers.ledgers.get(phone_ledger(event.business, event.data["recipient"]))
    if ledger is not None:
        status, why = event.type.removeprefix("sms."), event.data["reason"]
        callers.ledgers.put(with_outcome(ledger, event.data["request_id"], status, event.time, why))


# Appointments.


def _need_appointment(event: Event, needs: Needs) -> None:
    needs.bookings.add(bookings.booking_id_of(event.business, event.data["appointment_id"]))
    needs.customers[event.business].add(event.data["customer_id"])
    needs.appointments[event.business].add(event.data["appointment_id"])


def _take_appointment(callers: Callers, event: Event) -> None:
    _take_late_price(callers, event)
    if callers.erased_until(of_customer(event.data["customer_id"])):
        return
    known = callers.bookings.get(bookings.booking_id_of(event.business, event.data["appointment_id"]))
    booking = bookings.with_told(known, event.business, event.type, event.data)
    _place(callers, booking)


def _take_late_price(callers: Callers, event: Event) -> None:
    """An item that its ledger forgot since learns how an appointment of it stands now."""
    for item in callers.items_with(event.data["appointment_id"]):
        ledger = callers.ledgers.get(item["ledger"]) if item["ledger"] else None
        if ledger is not None and item["_id"] in ledger["items"]:
            continue
        told = bookings.told_of(event.type, event.data)
        standing = [
            bookings.with_standing(one, told) if one["appointment_id"] == event.data["appointment_id"] else one
            for one in item["appointments"]
        ]
        callers.items.put({**item, "appointments": standing})


def _place(callers: Callers, booking: Document) -> None:
    """A booking goes to the ledgers of the numbers that the customer had when it was made."""
    phones: list[str] = []
    if booking["booked_at"] is not None:
        phones = numbers_at(callers.customers.get(booking["customer_id"]), booking["booked_at"])
    for phone in set(booking["phones"]) - set(phones):
        _take_back(callers, booking, phone)
    for phone in phones:
        _give(callers, booking, phone)
    booking = booking | {"phones": phones, "forget_at": callers.now + KEPT}
    callers.bookings.put(booking)
    callers.index_booking(booking)


def _give(callers: Callers, booking: Document, phone: str) -> None:
    ledger_id = phone_ledger(booking["business"], phone)
    if callers.is_erased(ledger_id, booking["booked_at"]):
        return
    ledger = callers.ledger(booking["business"], ledger_id, phone)
    callers.ledgers.put(put(ledger, "bookings", bookings.fact_of(booking)))


def _take_back(callers: Callers, booking: Document, phone: str) -> None:
    ledger = callers.ledgers.get(phone_ledger(booking["business"], phone))
    if ledger is not None:
        callers.ledgers.put(without(ledger, "bookings", booking["appointment_id"]))


# Customers.


def _need_customer(event: Event, needs: Needs) -> None:
    for telling in tellings(event):
        needs.customers[event.business].add(telling.customer_id)
        needs.ledgers |= {phone_ledger(event.business, phone) for phone in telling.values.get("phones", ())}


def _take_customer(callers: Callers, event: Event) -> None:
    for telling in tellings(event):
        until = callers.erased_until(of_customer(telling.customer_id))
        if until is None:
            _take_telling(callers, event, telling)
            continue
        for phone in telling.values.get("phones", ()):
            _erase_number(callers, event.business, phone, telling.customer_id, event)


def _take_telling(callers: Callers, event: Event, telling: Telling) -> None:
    row = with_told(callers.customers.get(telling.customer_id), event.business, telling)
    if "phones" in telling.values:
        row = with_numbers(row, telling.revision, event.time, telling.values["phones"])
    callers.put_customer(row)
    for booking in callers.bookings_of(telling.customer_id):
        _place(callers, booking)


def _need_deleted(event: Event, needs: Needs) -> None:
    needs.customers[event.business].add(event.data["customer_id"])
    needs.gone[event.business].add(event.data["customer_id"])


def _take_deleted(callers: Callers, event: Event) -> None:
    customer_id = event.data["customer_id"]
    callers.refuse(of_customer(customer_id), event.time)
    for booking in callers.bookings_of(customer_id):
        callers.bookings.remove(booking["_id"])
    for ledger in callers.nameless_ledgers(customer_id):
        callers.erase(ledger["_id"], event.time)
    row = callers.customers.get(customer_id)
    if row is None:
        return
    for phone in sorted(every_number(row)):
        _erase_number(callers, event.business, phone, customer_id, event)
    callers.customers.remove(customer_id)


def _erase_number(callers: Callers, business: str, phone: str, customer_id: str, event: Event) -> None:
    """What is known of a number up to the erasure, unless the number is somebody else's now."""
    until = callers.erased_until(of_customer(customer_id)) or event.time
    if not callers.others_have(business, phone, customer_id):
        callers.erase(phone_ledger(business, phone), until)


# All.


def _number(event: Event, name: str) -> str | None:
    number: str = event.data[name]
    return None if event.data[f"{name}_kind"] in NAMELESS_KINDS else number


def _is_nobody(callers: Callers, business_key: str, phone: str | None) -> bool:
    """Neither the business itself nor who it does not want to hear of makes an item."""
    business = callers.businesses[business_key]
    return is_ours(business, phone) or phone in business.blocked


CALL, PART, OUTCOME, APPOINTMENT, CUSTOMER = (
    Kind(_need_call, _take_call),
    Kind(_need_part, _take_part),
    Kind(_need_outcome, _take_outcome),
    Kind(_need_appointment, _take_appointment),
    Kind(_need_customer, _take_customer),
)
KINDS: Mapping[str, Kind] = {
    "call.started": Kind(_need_call, _take_started),
    "call.completed": CALL,
    "call.missed": CALL,
    "call.recorded": PART,
    "call.transcribed": PART,
    "sms.received": Kind(_need_reply, _take_reply),
    "sms.sent": OUTCOME,
    "sms.delivered": OUTCOME,
    "sms.failed": OUTCOME,
    "sms.suppressed": OUTCOME,
    **dict.fromkeys(bookings.STATUS_OF, APPOINTMENT),
    "customer.created": CUSTOMER,
    "customer.updated": CUSTOMER,
    "customer.merged": CUSTOMER,
    "customer.unmerged": CUSTOMER,
    "customer.deleted": Kind(_need_deleted, _take_deleted),
}
