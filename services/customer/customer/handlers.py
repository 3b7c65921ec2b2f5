"""Use cases of the customer service, called by events and by HTTP alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from customer import store
from customer.domain import CallFact, Document, Seen, changed_fields, entry_id_of, see_call
from ringback.businesses import Business
from ringback.contracts.envelope import Event, new_event
from ringback.errors import Permanent
from ringback.phone import NAMELESS_KINDS
from ringback.store.unit_of_work import UnitOfWork

# What others are told when it changes.
TOLD_FIELDS = ("name", "phone", "email")


@dataclass(frozen=True, eq=False)
class RecordCalls:
    """`call.*` → profiles and timelines. One customer per (business, number)."""

    businesses: Mapping[str, Business]

    def __call__(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        facts = [(event, self._fact(event)) for event in events]
        callers = store.load_callers(work, [fact for _, fact in facts])
        for event, fact in facts:
            self._record(work, callers, event, fact)

    def _fact(self, event: Event) -> CallFact:
        if event.business not in self.businesses:
            raise Permanent("The event's business is not configured here.", code="unknown_business")
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

    def _record(self, work: UnitOfWork, callers: store.Callers, event: Event, fact: CallFact) -> None:
        before = store.caller(work, callers, fact)
        entry = work.get(store.TIMELINE, entry_id_of(fact.business, fact.call_sid))
        seen = see_call(before, entry, fact, self.businesses[fact.business].currency)
        work.save(store.CUSTOMERS, store.searchable(seen.profile))
        work.save(store.TIMELINE, seen.entry)
        _tell(work, event, before, seen)


OUTCOMES = {"call.started": None, "call.completed": "answered", "call.missed": "missed"}


def _tell(work: UnitOfWork, cause: Event, before: Document | None, seen: Seen) -> None:
    profile = seen.profile
    if before is None:
        data = {"customer_id": profile["_id"], "source": profile["source"]}
        data |= {name: profile[name] for name in TOLD_FIELDS}
        work.emit(_customer_event("customer.created", cause, profile, data, (profile["_id"],)))
        return
    changed = changed_fields(before, profile, TOLD_FIELDS)
    if changed:
        data = {"customer_id": profile["_id"], "changed": changed}
        work.emit(_customer_event("customer.updated", cause, profile, data, (profile["_id"], cause.id)))


def _customer_event(
    event_type: str, cause: Event, profile: Document, data: Mapping[str, object], ids: tuple[str, ...]
) -> Event:
    return new_event(
        event_type,
        business=profile["business"],
        subject=profile["_id"],
        time=cause.time,
        data=data,
        cause=ids,
        traceparent=cause.traceparent,
    )
