"""What the customer service tells of a change: its events, and the entry of a changed segment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from customer.domain import TOLD, Document, changed_fields
from customer.people import People
from customer.store import CUSTOMERS
from ringback.contracts.envelope import Event, new_event
from ringback.store.unit_of_work import UnitOfWork

APPOINTMENT_EVENTS = {
    "booked": "appointment.booked",
    "completed": "appointment.completed",
    "canceled": "appointment.canceled",
    "no_show": "appointment.no_show",
}
APPOINTMENT_FIELDS = ("starts_at", "service", "price", "currency")
CREATED_FIELDS = ("name", "phone", "phones", "email", "source", "segment")


@dataclass(frozen=True, slots=True)
class Cause:
    """What led to a change: an event, a request or a time. `id` goes into the ids of the events that follow."""

    id: str
    at: datetime
    traceparent: str | None = None

    @classmethod
    def of(cls, event: Event) -> Self:
        return cls(event.id, event.time, event.traceparent)


def finish(people: People, record: Document, cause: Cause) -> Document:
    """Save a record that changed, bring its root's view up to date and tell what others see of it: the root."""
    before = people.record(record["merged_into"] or record["_id"])
    root = people.put(record)
    if before is None or "segment" not in before:
        _tell_created(people.work, root, cause)
    else:
        _tell_changed(people, before, root, cause)
    return root


def finish_again(people: People, record: Document, cause: Cause) -> Document:
    """As `finish`, for a record that is a root again: it is told in full, since nobody was told of it meanwhile."""
    root = people.put(record)
    data = _about(people.work, root) | {"changed": {name: root[name] for name in TOLD}}
    people.work.emit(_event("customer.updated", root, data, cause, (root["_id"], cause.id)))
    return root


def tell_regrouped(people: People, action: str, root: Document, other: Document, actor: str, cause: Cause) -> None:
    """That a root and `other`, as it is or was shown by itself, became one or two; `action`: merged or unmerged."""
    data = _about(people.work, root) | {"other_id": other["_id"], "phones": other["phones"]}
    data["other_revision"] = people.work.revision(CUSTOMERS, other["_id"])
    event = _event(f"customer.{action}", root, data, cause, (root["_id"], other["_id"], cause.id))
    people.work.emit(event)
    people.put_entry(
        {
            "_id": f"{root['business']}:merge:{event.id}",
            "business": root["business"],
            "customer_id": root["_id"],
            "kind": "merge",
            "at": cause.at,
            "action": action,
            "other_id": other["_id"],
            "name": other["name"],
            "phones": other["phones"],
            "actor": actor,
        }
    )


def tell_deleted(work: UnitOfWork, record: Document, cause: Cause) -> None:
    data = {"customer_id": record["_id"], "phones": record["own"]["phones"]}
    work.emit(_event("customer.deleted", record, data, cause, (record["_id"], cause.id)))


def _tell_created(work: UnitOfWork, root: Document, cause: Cause) -> None:
    data = _about(work, root) | {name: root[name] for name in CREATED_FIELDS}
    work.emit(_event("customer.created", root, data, cause, (root["_id"],)))


def _tell_changed(people: People, before: Document, root: Document, cause: Cause) -> None:
    changed = changed_fields(before, root, TOLD)
    if changed:
        data = _about(people.work, root) | {"changed": changed}
        people.work.emit(_event("customer.updated", root, data, cause, (root["_id"], cause.id)))
    if before["segment"] != root["segment"]:
        _tell_segment(people, before["segment"], root, cause)


def _tell_segment(people: People, previous: str, root: Document, cause: Cause) -> None:
    data = {
        **_about(people.work, root),
        "previous": previous,
        "current": root["segment"],
        "reason": root["segment_reason"],
    }
    event = _event("customer.segment_changed", root, data, cause, (root["_id"], cause.id))
    people.work.emit(event)
    people.put_entry(
        {
            "_id": f"{root['business']}:segment:{event.id}",
            "business": root["business"],
            "customer_id": root["_id"],
            "kind": "segment",
            "at": cause.at,
            "from": previous,
            "to": root["segment"],
            "reason": root["segment_reason"],
        }
    )


def tell_appointment(
    work: UnitOfWork, root: Document, before: Mapping[str, Any] | None, entry: Document, cause: Cause
) -> None:
    """An appointment that stands otherwise than before is told; one that was only told of again is not."""
    shown = ("status", *APPOINTMENT_FIELDS)
    if before is not None and not changed_fields(dict(before), entry, shown):
        return
    data = {"customer_id": root["_id"], "appointment_id": entry["appointment_id"]}
    data |= {"at": entry["told_at"], "told_by": entry["told_by"]}
    data |= {name: entry[name] for name in APPOINTMENT_FIELDS}
    ids = (entry["appointment_id"], cause.id)
    work.emit(_event(APPOINTMENT_EVENTS[entry["status"]], root, data, cause, ids))


def _about(work: UnitOfWork, root: Document) -> Document:
    return {"customer_id": root["_id"], "revision": work.revision(CUSTOMERS, root["_id"])}


def _event(event_type: str, root: Document, data: Mapping[str, object], cause: Cause, ids: tuple[str, ...]) -> Event:
    return new_event(
        event_type,
        business=root["business"],
        subject=root["_id"],
        time=cause.at,
        data=data,
        cause=ids,
        traceparent=cause.traceparent,
    )
