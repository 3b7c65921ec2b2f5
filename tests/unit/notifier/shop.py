"""What the notifier's tests stand on: its use cases, a clock that is set, and events."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from notifier.domain import Document, message_id
from notifier.handlers import RecordEvents
from notifier.orders import Order, Result
from notifier.outcomes import Answer
from notifier.recording import Recording
from notifier.reserving import Reserving
from notifier.settling import ListMessages, Settling
from notifier.store import CONTACTS, ERASED, LINES, MESSAGES, SIDS
from ringback.businesses import Business
from ringback.consents import consent_id
from ringback.contracts.envelope import Event, decode, new_event
from ringback.seals import seal_with
from ringback.store.database import OUTBOX, Database
from ringback.store.unit_of_work import UnitOfWork
from tests.unit.fakes import SECRET, T0, MemoryDatabase, sample_settings

ANNA = "+12125550123"
BOB = "+14155550101"
SENDER = "+15558675310"
SID = "SM" + "1" * 32
SEAL = seal_with(SECRET)


def requested(
    request_id: str = "r1", to: str = ANNA, at: datetime = T0, business: str = "demo", **data: Any
) -> Event:
    base: dict[str, Any] = {
        "request_id": request_id,
        "recipient": to,
        "body": "Hello",
        "purpose": "transactional",
        "reason": "text_back",
        "customer_id": None,
        "expires_at": None,
    }
    cause = (request_id, str(sorted(data.items())))
    return new_event("sms.requested", business=business, subject=to, time=at, data=base | data, cause=cause)


def status_changed(
    status: str,
    at: datetime = T0,
    sid: str = SID,
    request_id: str | None = "r1",
    error_code: int | None = None,
    to: str = ANNA,
) -> Event:
    data: dict[str, Any] = {
        "message_sid": sid,
        "request_id": request_id,
        "status": status,
        "error_code": error_code,
        "recipient": to,
        "at": at,
    }
    cause = (sid, status, str(error_code))
    return new_event("sms.status_changed", business="demo", subject=sid, time=at, data=data, cause=cause)


def received(consent: str | None, keyword: str | None, at: datetime = T0, sender: str = ANNA) -> Event:
    sid = f"SM{at.timestamp()}{keyword}"
    data: dict[str, Any] = {
        "message_sid": sid,
        "sender": sender,
        "recipient": SENDER,
        "sender_kind": "landline_or_mobile",
        "body": keyword or "Hi",
        "media": [],
        "consent": consent,
        "keyword": keyword,
        "at": at,
    }
    return new_event("sms.received", business="demo", subject=sid, time=at, data=data, cause=(sid,))


def deleted(customer_id: str = "c1", at: datetime = T0, phones: Sequence[str] | None = (ANNA,)) -> Event:
    event = new_event(
        "customer.deleted",
        business="demo",
        subject=customer_id,
        time=at,
        data={"customer_id": customer_id},
        cause=(customer_id,),
    )
    return event if phones is None else replace(event, data={**event.data, "phones": list(phones)})


def in_memory() -> Database:
    return MemoryDatabase().as_database()


@dataclass
class Shop:
    """One business, `demo`, unless `businesses` says otherwise. `texting` changes how it texts."""

    database: Database = field(default_factory=in_memory)
    texting: dict[str, Any] = field(default_factory=dict)
    now: datetime = T0
    dry_run: bool = False
    listed: ListMessages | None = None
    businesses: dict[str, Business] = field(default_factory=dict)

    def __post_init__(self) -> None:
        demo = sample_settings().businesses["demo"]
        quick = {"per_second": 1000.0, **self.texting}
        self.businesses = self.businesses or {"demo": replace(demo, texting=replace(demo.texting, **quick))}
        ids = map(str, count(1))
        self.reserving = Reserving(
            self.database, self.businesses, self.clock, SEAL, lambda: next(ids), dry_run=self.dry_run
        )
        self.recording = Recording(self.database, self.clock, SEAL)
        self.settling = Settling(self.database, self.clock, self.listed)
        self.handler = RecordEvents(self.businesses, self.clock, SEAL)

    def clock(self) -> datetime:
        return self.now

    def wait(self, **times: float) -> None:
        self.now += timedelta(**times)

    def happen(self, *events: Event) -> None:
        """All in one batch."""
        work = UnitOfWork(self.database, self.clock)
        self.handler(work, events)
        work.commit()

    def reserve(self, room: int = 100, businesses: Sequence[str] = ("demo",)) -> list[Order]:
        reservation = self.reserving.prepare(businesses, room)
        reservation.work.commit()
        return reservation.orders

    def answer(self, answer: Answer, *orders: Order) -> None:
        self.recording.record([Result(order, answer, self.now) for order in orders])

    def send(self, answer: Answer) -> None:
        self.answer(answer, *self.reserve())

    def settle(self) -> None:
        for due in self.settling.due(100):
            self.settling.settle(due)

    # What is stored.

    def message(self, request_id: str = "r1") -> Document:
        return self.stored(MESSAGES, message_id("demo", request_id))

    def state(self, request_id: str = "r1") -> tuple[str, str | None]:
        message = self.message(request_id)
        return message["state"], message["state_reason"]

    def contact(self, phone: str = ANNA) -> Document:
        return self.stored(CONTACTS, consent_id(SEAL, "demo", phone))

    def line(self, line_id: str = "demo") -> Document:
        return self.stored(LINES, line_id)

    def stored(self, collection: str, document_id: str) -> Document:
        [document] = self.database[collection].find({"_id": document_id})
        return document

    def everything(self) -> dict[str, dict[str, Document]]:
        """What is stored, without what counts how often it was."""
        return {
            name: {
                row["_id"]: {key: value for key, value in row.items() if key != "version"}
                for row in self.database[name].find({})
            }
            for name in (MESSAGES, CONTACTS, LINES, SIDS, ERASED)
        }

    def told(self, prefix: str = "") -> list[Event]:
        """The events that wait for the relay, in the order in which they were told."""
        events = [decode(row["body"]) for row in self.database[OUTBOX].find({})]
        return [event for event in events if event.type.startswith(prefix)]

    def told_types(self, prefix: str = "") -> list[str]:
        return [event.type for event in self.told(prefix)]
