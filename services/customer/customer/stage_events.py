"""Use case: moves of a lead → the customer's stage and timeline."""

from customer.people import Needs, People
from customer.telling import Cause, finish
from ringback.businesses import Business
from ringback.contracts.envelope import Event
from ringback.errors import Permanent


def need_stage(event: Event, needs: Needs, _business: Business) -> None:
    needs.records.add(event.data["customer_id"])
    needs.entries.add(_stage_id(event))


def take_stage(people: People, event: Event) -> None:
    data, record = event.data, people.record(event.data["customer_id"])
    if data["customer_id"] in people.erased:
        return
    if record is None or record["business"] != event.business:
        raise Permanent("The event's customer is not known here.", code="unknown_customer")
    if people.entry(_stage_id(event)) is not None:
        return
    own = record["own"]
    if own["staged_at"] is None or (own["staged_at"], own["stage"]) < (data["at"], data["current"]):
        own = {**own, "stage": data["current"], "staged_at": data["at"]}
    people.put_entry(
        {
            "_id": _stage_id(event),
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


def _stage_id(event: Event) -> str:
    return f"{event.business}:stage:{event.id}"
