"""Use case: events → records and timelines. One record per (business, number); late facts find their entry."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from customer import store
from customer.booking_events import need_booking, take_booking
from customer.call_events import need_call, need_part_of_call, take_call, take_part_of_call
from customer.note_events import need_note, take_note
from customer.people import Needs, People
from customer.stage_events import need_stage, take_stage
from customer.text_events import need_received, need_text, take_received, take_text
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.contracts.envelope import Event
from ringback.errors import Permanent
from ringback.seals import Seal
from ringback.store.unit_of_work import UnitOfWork


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


CALL, PART, TEXT = (
    Kind(need_call, take_call),
    Kind(need_part_of_call, take_part_of_call),
    Kind(need_text, take_text),
)
KINDS: Mapping[str, Kind] = {
    "call.started": CALL,
    "call.completed": CALL,
    "call.missed": CALL,
    "call.recorded": PART,
    "call.transcribed": PART,
    "sms.received": Kind(need_received, take_received),
    "sms.requested": TEXT,
    "sms.sent": TEXT,
    "sms.delivered": TEXT,
    "sms.failed": TEXT,
    "sms.suppressed": TEXT,
    "booking.recorded": Kind(need_booking, take_booking),
    "lead.stage_changed": Kind(need_stage, take_stage),
    "note.requested": Kind(need_note, take_note),
}
