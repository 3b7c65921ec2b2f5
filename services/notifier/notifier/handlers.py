"""Use case: events → requests, Twilio's word on them, consent and erasure. Free of order."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from notifier import consent, contacts, domain, store
from notifier.domain import Document, Request, message_id
from notifier.heeding import contact_of, heed
from notifier.sids import new_sid, sid_id, take_sid
from notifier.store import CONTACTS, ERASED, MESSAGES, SIDS
from notifier.telling import put_message, put_statement
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.consents import consent_id
from ringback.contracts.envelope import Event
from ringback.errors import Permanent
from ringback.phone import NAMELESS_KINDS, to_e164
from ringback.seals import Seal
from ringback.store.unit_of_work import UnitOfWork

# What Twilio tells of a message that nobody knows may come before its request, but not by that much.
KEEP_UNKNOWN_SIDS = timedelta(days=7)
CONSENTS = {"opt_out": True, "opt_in": False}


@dataclass(frozen=True, eq=False)
class RecordEvents:
    """One handler for all, so that within a batch an erasure is seen by what comes with it."""

    businesses: Mapping[str, Business]
    clock: Clock
    seal: Seal

    def __call__(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        if any(event.business not in self.businesses for event in events):
            raise Permanent("The event's business is not configured here.", code="unknown_business")
        of_type: defaultdict[str, list[Event]] = defaultdict(list)
        for event in events:
            of_type[event.type].append(event)
        for name, record in RECORD.items():
            if of_type[name]:
                record(self, work, of_type[name])

    # Requests.

    def record_requests(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        requests = [self._request_of(event) for event in events]
        store.load(work, MESSAGES, (request.id for request in requests))
        store.load(work, ERASED, (self._sealed_customer(one.business, one.customer_id) for one in requests))
        store.load(work, CONTACTS, (self._contact_id(one.business, one.to) for one in requests))
        told_before = store.load_waiting_sids(work, (request.id for request in requests))
        for request in requests:
            self._take_request(work, request)
            for row in told_before:
                if row["awaits"] == request.id:
                    self._take_waiting(work, row)

    def _take_request(self, work: UnitOfWork, request: Request) -> None:
        digest = self.seal(f"{request.to}\n{request.purpose}\n{request.body}")
        known = work.get(MESSAGES, request.id)
        if known is not None:
            work.save(MESSAGES, domain.with_another_request(known, request, digest))
            return
        contact = self._contact(work, request.business, request.to)
        # An erasure at the same moment has to be noticed.
        work.save(CONTACTS, contacts.touched(contact))
        message = domain.new_message(request, digest)
        if self._is_erased(work, request, contact):
            message = domain.erased(message, self.clock())
        put_message(work, message, self.clock())

    def _is_erased(self, work: UnitOfWork, request: Request, contact: Document) -> bool:
        customer = work.get(ERASED, self._sealed_customer(request.business, request.customer_id))
        is_theirs = request.customer_id is None and contacts.is_erased_since(contact, request.at)
        return customer is not None or is_theirs

    def _request_of(self, event: Event) -> Request:
        data, region = event.data, self.businesses[event.business].country
        return Request(
            business=event.business,
            request_id=data["request_id"],
            to=to_e164(data["recipient"], region) or data["recipient"],
            body=data["body"],
            purpose=data["purpose"],
            reason=data["reason"],
            customer_id=data["customer_id"],
            expires_at=data["expires_at"],
            at=event.time,
            event_id=event.id,
            traceparent=event.traceparent,
        )

    # What Twilio says.

    def record_statuses(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        store.load(work, SIDS, (self._sid_id(event) for event in events))
        rows = [work.get(SIDS, self._sid_id(event)) for event in events]
        named = [message_id(event.business, event.data["request_id"]) for event in events if event.data["request_id"]]
        store.load(work, MESSAGES, [*named, *(row["message_id"] for row in rows if row and row["message_id"])])
        for event in events:
            owner = self._take_status(work, event)
            if owner is not None:
                data = event.data
                heed(work, self.seal, owner, data["error_code"], data["at"], self.clock(), event.id)

    def _take_status(self, work: UnitOfWork, event: Event) -> Document | None:
        """The message that it is about, if that is known."""
        row = work.get(SIDS, self._sid_id(event)) or self._unknown_sid(event)
        owner = self._owner_of(work, row, event)
        if owner is None:
            statuses = _with_told(row["statuses"], event)
            awaits = row["awaits"] or _request_named_by(event)
            work.save(SIDS, {**row, "statuses": statuses, "awaits": awaits})
            return None
        owner = {**owner, "message_sid": owner["message_sid"] or event.data["message_sid"]}
        data = event.data
        put_message(work, domain.with_status(owner, data["status"], data["error_code"], data["at"]), data["at"])
        self._take_waiting(work, {**row, "awaits": owner["_id"]})
        return owner

    def _owner_of(self, work: UnitOfWork, row: Document, event: Event) -> Document | None:
        """What the callback's address says counts before what a list was taken to say."""
        named = work.get(MESSAGES, _request_named_by(event) or "")
        return named or work.get(MESSAGES, row["message_id"] or "")

    def _take_waiting(self, work: UnitOfWork, row: Document) -> None:
        message = work.get(MESSAGES, row["awaits"])
        assert message is not None
        put_message(work, take_sid(work, message, row), self.clock())

    def _unknown_sid(self, event: Event) -> Document:
        row = new_sid(event.business, event.data["message_sid"])
        return {**row, "expires_at": event.data["at"] + KEEP_UNKNOWN_SIDS}

    def _sid_id(self, event: Event) -> str:
        return sid_id(event.business, event.data["message_sid"])

    # What people say.

    def record_consents(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        said = [event for event in events if _is_consent(event)]
        store.load(work, CONTACTS, (self._contact_id(event.business, event.data["sender"]) for event in said))
        for event in said:
            data = event.data
            contact = self._contact(work, event.business, data["sender"])
            statement = consent.by_text(CONSENTS[data["consent"]], data["keyword"], data["at"])
            put_statement(work, contact, data["sender"], statement, event.id, event.traceparent)

    # Who is erased.

    def record_erasures(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        for business in sorted({event.business for event in events}):
            self._erase(work, business, [event for event in events if event.business == business])

    def _erase(self, work: UnitOfWork, business: str, events: Sequence[Event]) -> None:
        customers = {event.data["customer_id"]: event for event in events}
        theirs = store.load_messages_of_customers(work, business, customers)
        phones = {phone: event for event in events for phone in event.data.get("phones") or ()}
        phones |= {one["to"]: customers[one["customer_id"]] for one in theirs if one["to"] and one["customer_id"]}
        # What other customers were told at a number that they have now, or had, is theirs.
        of_old = [
            one
            for one in store.load_messages_to(work, business, phones)
            if one["customer_id"] is None and one["to"] in phones and one["requested_at"] <= phones[one["to"]].time
        ]
        for message in {one["_id"]: one for one in (*theirs, *of_old)}.values():
            put_message(work, domain.erased(message, self.clock()), self.clock())
        self._leave_tombstones(work, business, customers, phones)

    def _leave_tombstones(
        self, work: UnitOfWork, business: str, customers: Mapping[str, Event], phones: Mapping[str, Event]
    ) -> None:
        store.load(work, ERASED, (self._sealed_customer(business, one) for one in customers))
        store.load(work, CONTACTS, (self._contact_id(business, phone) for phone in phones))
        for customer_id, event in customers.items():
            sealed = self._sealed_customer(business, customer_id)
            work.save(ERASED, work.get(ERASED, sealed) or {"_id": sealed, "at": event.time})
        for phone, event in phones.items():
            work.save(CONTACTS, contacts.erased(self._contact(work, business, phone), event.time))

    # All of them.

    def _contact(self, work: UnitOfWork, business: str, phone: str) -> Document:
        return contact_of(work, self.seal, business, phone)

    def _contact_id(self, business: str, phone: str) -> str:
        return consent_id(self.seal, business, phone)

    def _sealed_customer(self, business: str, customer_id: str | None) -> str:
        return self.seal(f"customer:{business}:{customer_id or ''}")


def _request_named_by(event: Event) -> str | None:
    named = event.data["request_id"]
    return message_id(event.business, named) if named else None


def _with_told(statuses: Document, event: Event) -> Document:
    status, data = event.data["status"], event.data
    known = statuses.get(status, {"at": data["at"], "error_code": None})
    code = known["error_code"] or data["error_code"]
    return {**statuses, status: {"at": min(known["at"], data["at"]), "error_code": code}}


def _is_consent(event: Event) -> bool:
    return event.data["consent"] in CONSENTS and event.data["sender_kind"] not in NAMELESS_KINDS


RECORD: Mapping[str, Callable[[RecordEvents, UnitOfWork, Sequence[Event]], None]] = {
    "customer.deleted": RecordEvents.record_erasures,
    "sms.requested": RecordEvents.record_requests,
    "sms.status_changed": RecordEvents.record_statuses,
    "sms.received": RecordEvents.record_consents,
}
