"""Use case: notes that other services want on a customer's timeline."""

from customer.domain import Document
from customer.people import Needs, People
from customer.telling import Cause, finish
from ringback.businesses import Business
from ringback.contracts.envelope import Event
from ringback.errors import Permanent


def need_note(event: Event, needs: Needs, _business: Business) -> None:
    needs.records.add(event.data["customer_id"])
    needs.entries.add(_entry_id(event))


def take_note(people: People, event: Event) -> None:
    """Once for a `note_id`. Raises Permanent for a customer that is not known here."""
    data, record = event.data, people.record(event.data["customer_id"])
    if data["customer_id"] in people.erased or people.entry(_entry_id(event)) is not None:
        return
    if record is None or record["business"] != event.business:
        raise Permanent("The event's customer is not known here.", code="unknown_customer")
    people.put_entry(_entry(event, record))
    own = {**record["own"], "updated_at": max(record["own"]["updated_at"], data["at"])}
    finish(people, {**record, "own": own}, Cause.of(event))


def _entry(event: Event, record: Document) -> Document:
    return {
        "_id": _entry_id(event),
        "business": event.business,
        "customer_id": record["_id"],
        "kind": "note",
        "at": event.data["at"],
        "text": event.data["text"],
        "author": event.data["author"],
    }


def _entry_id(event: Event) -> str:
    return f"{event.business}:note-requested:{event.data['note_id']}"
