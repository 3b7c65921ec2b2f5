"""The recovery service on a database in memory, and the events that it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from recovery.events import subscriptions
from recovery.store import CALLERS, CALLS, ITEMS
from recovery.timers import Timers
from ringback.contracts.envelope import Event, decode, new_event
from ringback.phone import identify
from ringback.seals import seal_with
from ringback.store.database import OUTBOX, Database
from ringback.worker.consumer import Handler
from tests.unit.fakes import (
    CALLER,
    NUMBER,
    SECRET,
    T0,
    Document,
    MemoryDatabase,
    sample_settings,
)

SEAL = seal_with(SECRET)
BUSINESSES = sample_settings().businesses
ANNA = "anna"


@dataclass
class Queue:
    """One business's queue; `now` is its clock."""

    now: datetime = T0
    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def take(self, *events: Event) -> "Queue":
        """Each a batch of its own."""
        for event in events:
            self.batch([event])
        return self

    def batch(self, events: Sequence[Event]) -> None:
        """As the consumer handles them: all or nothing, each once."""
        work = self.database.work(self.now)
        handlers = subscriptions(BUSINESSES, lambda: self.now, SEAL)
        by_handler: dict[Handler, list[Event]] = {}
        for event in work.unseen(events):
            by_handler.setdefault(handlers[event.type], []).append(event)
            work.mark_handled(event)
        for handler, group in by_handler.items():
            handler(work, group)
        work.commit()

    def wait(self, **time: float) -> "Queue":
        """Time passes, and what is due by then is done."""
        self.now += timedelta(**time)
        timers = Timers(cast(Database, self.database), BUSINESSES, lambda: self.now, SEAL)
        ledgers = self.database.documents(CALLERS).values()
        due = [one["_id"] for one in ledgers if one["wake_at"] and one["wake_at"] <= self.now]
        if due:
            timers.wake(due)
        return self

    @property
    def items(self) -> list[Document]:
        return sorted(self.database.documents(ITEMS).values(), key=lambda item: item["first_missed_at"])

    @property
    def item(self) -> Document:
        [item] = self.items
        return item

    def told(self, event_type: str) -> list[Event]:
        events = [decode(row["body"]) for row in self.database.documents(OUTBOX).values()]
        return sorted((one for one in events if one.type == event_type), key=lambda one: one.time)

    def state(self) -> dict[str, Any]:
        """What does not depend on when it was told."""
        ledgers = [_without(one, "told", "version", "forget_at") for one in self.database.documents(CALLERS).values()]
        calls = [_without(one, "version", "forget_at") for one in self.database.documents(CALLS).values()]
        items = [_without(one, "version") for one in self.items if not one.get("erased")]
        return {"items": items, "ledgers": sorted(ledgers, key=_id), "calls": sorted(calls, key=_id)}


def _without(document: Document, *names: str) -> Document:
    return {name: value for name, value in document.items() if name not in names}


def _id(document: Document) -> str:
    return str(document["_id"])


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def _event(event_type: str, subject: str, minutes: float, data: Mapping[str, Any], *cause: str) -> Event:
    return new_event(
        event_type, business="demo", subject=subject, time=at(minutes), data=data, cause=(subject, *cause)
    )


def _call(event_type: str, sid: str, minutes: float, caller: str, extra: Mapping[str, Any]) -> Event:
    known = identify(caller, "US")
    kind = "mobile" if known.kind == "landline_or_mobile" else known.kind
    data: dict[str, Any] = {
        "call_sid": sid,
        "caller": known.e164 or caller,
        "called": NUMBER,
        "caller_kind": kind,
        "caller_name": None,
        "at": at(minutes),
    }
    return _event(event_type, sid, minutes, {**data, **extra}, str(extra.get("reason", "")))


def missed(
    sid: str, minutes: float = 0, caller: str = CALLER, reason: str = "no-answer", kind: str | None = None
) -> Event:
    extra = {"reason": reason, "voicemail": True} | ({"caller_kind": kind} if kind else {})
    return _call("call.missed", sid, minutes, caller, extra)


def answered(sid: str, minutes: float = 0, caller: str = CALLER, after: float | None = None) -> Event:
    """A call that ended then; `after`: when somebody answered it."""
    data: dict[str, Any] = {"duration_seconds": 60, "answered_at": None if after is None else at(after)}
    return _call("call.completed", sid, minutes, caller, data)


def started(sid: str, minutes: float = 0, caller: str = CALLER, direction: str = "inbound") -> Event:
    return _call("call.started", sid, minutes, caller, {"direction": direction})


def recorded(sid: str, minutes: float = 0) -> Event:
    data = {"call_sid": sid, "recording_sid": f"RE{sid}", "duration_seconds": 9, "at": at(minutes)}
    return _event("call.recorded", sid, minutes, data)


def transcribed(sid: str, minutes: float = 0, text: str = "Call me", source: str = "voicemail") -> Event:
    data = {"call_sid": sid, "recording_sid": None, "text": text, "confidence": None, "source": source}
    return _event("call.transcribed", sid, minutes, data | {"at": at(minutes)}, text, source)


def received(sid: str, minutes: float = 0, sender: str = CALLER, consent: str | None = None) -> Event:
    data: dict[str, Any] = {
        "message_sid": sid,
        "sender": sender,
        "recipient": NUMBER,
        "sender_kind": "mobile",
        "body": "Hello",
        "media": [],
        "consent": consent,
        "keyword": None,
        "at": at(minutes),
    }
    return _event("sms.received", sid, minutes, data)


def outcome(status: str, request_id: str, minutes: float = 0, reason: str | None = None, to: str = CALLER) -> Event:
    data = {"request_id": request_id, "message_sid": None, "recipient": to, "error_code": None, "reason": reason}
    return _event(f"sms.{status}", request_id, minutes, data)


def appointment(
    status: str, minutes: float = 0, appointment_id: str = "A1", price: int = 5000, customer_id: str = ANNA
) -> Event:
    data = {
        "customer_id": customer_id,
        "appointment_id": appointment_id,
        "starts_at": at(6000),
        "service": "Cleaning",
        "price": price,
        "currency": "USD",
        "at": at(minutes),
        "told_by": f"{status}{minutes}",
    }
    return _event(f"appointment.{status}", customer_id, minutes, data, appointment_id, str(minutes))


def revision(number: int) -> str:
    return f"{number:012d}.000000"


def created(
    minutes: float = 0, phones: Sequence[str] = (CALLER,), customer_id: str = ANNA, name: str | None = "Anna"
) -> Event:
    data = {
        "customer_id": customer_id,
        "revision": revision(1),
        "name": name,
        "phone": phones[0] if phones else None,
        "phones": list(phones),
        "email": None,
        "source": "call",
        "segment": "lead",
    }
    return _event("customer.created", customer_id, minutes, data)


def updated(minutes: float, number: int, customer_id: str = ANNA, **changed: Any) -> Event:
    data = {"customer_id": customer_id, "revision": revision(number), "changed": changed}
    return _event("customer.updated", customer_id, minutes, data, str(number))


def merged(minutes: float, number: int, other_id: str, customer_id: str = ANNA) -> Event:
    data = {
        "customer_id": customer_id,
        "revision": revision(number),
        "other_id": other_id,
        "other_revision": revision(9),
        "phones": [],
    }
    return _event("customer.merged", customer_id, minutes, data, other_id)


def deleted(minutes: float, customer_id: str = ANNA) -> Event:
    return _event("customer.deleted", customer_id, minutes, {"customer_id": customer_id})


def consent(event_type: str, minutes: float = 0, phone: str = CALLER) -> Event:
    data = {"phone": phone, "scope": "business", "keyword": "STOP"}
    return _event(f"contact.{event_type}", phone, minutes, data, str(minutes))
