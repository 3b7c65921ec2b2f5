"""Use cases that people and other systems ask for over HTTP. Each is one unit of work: all of it or nothing.

They raise NotFound for what is not there or another business's, Conflict for what stands in the way, and
ConcurrentUpdate when others were first again and again. What they give is as it is stored. A record that became part
of another stands for that one: whoever kept its id writes to the customer that it is now.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from customer.appointments import AppointmentFact, entry_id_of
from customer.booking_events import put_appointment
from customer.domain import Document, new_own, new_record
from customer.identity import of_phone, with_waiting
from customer.people import Needs, People
from customer.store import CUSTOMERS, erased_of
from customer.telling import Cause, finish
from ringback.businesses import Business
from ringback.callers import customer_id_of
from ringback.clock import Clock
from ringback.errors import Conflict, Invalid, NotFound
from ringback.phone import identify
from ringback.seals import Seal
from ringback.store.database import Database
from ringback.store.idempotency import RequestKey, once
from ringback.store.unit_of_work import UnitOfWork, repeated

EDITABLE = ("name", "email")
APPOINTMENT_FIELDS = ("starts_at", "service", "price", "currency", "status")
# What a person says of an appointment comes after all that was said of it, whatever the clock that dated that.
NEXT = timedelta(milliseconds=1)


class DuplicateCustomer(Conflict):
    """The number is another customer's; `extra` names them."""

    code = "duplicate_phone"

    def __init__(self, customer_id: str) -> None:
        super().__init__("A customer with this number exists already.", extra={"customer_id": customer_id})


Check = Callable[[int], None]
"""Raises when a customer of this version is not to be changed."""


def any_version(_version: int) -> None:
    """The check of who changes whatever is there."""


@dataclass(frozen=True)
class Desk:
    """`new_id` makes ids of what a person adds; `businesses` are those served here; `seal` is the one that customers
    were erased with: their ids never come back.

    What is given a `key` has its effect once for that key, see ringback/store/idempotency.py; Invalid when it was
    another request's.
    """

    database: Database
    businesses: Mapping[str, Business]
    clock: Clock
    new_id: Callable[[], str]
    seal: Seal

    # Customers.

    def create(self, business: str, values: Mapping[str, Any], key: RequestKey | None = None) -> Document:
        """A customer entered by hand; `values`: name, email, source, and phone or phones in E.164.

        Raises DuplicateCustomer.
        """
        made = self._done(lambda people: self._create(people, business, values), key)
        return self._customer(business, made)

    def update(
        self, business: str, customer_id: str, values: Mapping[str, Any], check: Check = any_version
    ) -> Document:
        """Change what a person may change (as for `create`, without source); what is not in `values` stays.

        Raises what `check` raises, DuplicateCustomer, and Invalid when the first number cannot be that.
        """
        changed = self._done(lambda people: self._update(people, business, customer_id, values, check))
        return self._customer(business, changed)

    def _create(self, people: People, business: str, values: Mapping[str, Any]) -> str:
        phones = _numbers([], values)
        record_id = customer_id_of(business, phones[0] if phones else None, self.new_id())
        people.load(_needs(business, record_id, phones))
        self._refuse_duplicates(people, business, phones, None)
        if people.record(record_id) is not None or erased_of(people.work, self.seal, [record_id]):
            record_id = self.new_id()  # it was this number's once
        own = new_own(None, "none", values.get("source", "manual"), people.now)
        own |= {name: values.get(name) for name in EDITABLE} | self._numbered(business, phones)
        record = new_record(record_id, business, own)
        root = finish(people, _given_what_waits(people, record, phones), self._cause(people))
        return str(root["_id"])

    def _update(
        self, people: People, business: str, customer_id: str, values: Mapping[str, Any], check: Check
    ) -> str:
        people.load(_needs(business, customer_id, _numbers([], values)))
        root = _existing(people, business, customer_id)
        check(root["version"])
        phones = _numbers(root["phones"], values)
        edited = self._renumbered(people, _edited(root, values), phones)
        if edited != root or phones != root["phones"]:
            finish(people, {**edited, "own": {**edited["own"], "updated_at": people.now}}, self._cause(people))
        return str(root["_id"])

    def _renumbered(self, people: People, root: Document, phones: list[str]) -> Document:
        """The root with these numbers: each of its records keeps of its own what is still wanted, what is new is the
        root's. The root's own come first, so that not every order can be had; what counts is which is the first.
        """
        if phones == root["phones"]:
            return root
        self._refuse_duplicates(people, root["business"], phones, root["_id"])
        of_members: list[str] = []
        for member in people.members(root):
            kept = [phone for phone in member["own"]["phones"] if phone in phones]
            of_members += kept
            people.work.save(CUSTOMERS, {**member, "own": {**member["own"], "phones": kept}})
        own = [phone for phone in phones if phone not in of_members]
        if phones and phones[0] != (own + of_members)[0]:
            raise Invalid("Some fields are not valid.", errors={"phones": [OWN_NUMBER_FIRST]})
        numbered = {**root, "own": root["own"] | self._numbered(root["business"], own)}
        return _given_what_waits(people, numbered, [phone for phone in own if phone not in root["phones"]])

    def _numbered(self, business: str, phones: list[str]) -> Document:
        kind = identify(phones[0], self.businesses[business].country).kind if phones else "none"
        return {"phones": phones, "phone_kind": kind}

    def _refuse_duplicates(self, people: People, business: str, phones: Iterable[str], but: str | None) -> None:
        for phone in phones:
            known = people.with_phone(business, phone)
            if known is not None and people.root_of(known)["_id"] != but:
                raise DuplicateCustomer(people.root_of(known)["_id"])

    # Notes.

    def add_note(
        self, business: str, customer_id: str, text: str, author: str, key: RequestKey | None = None
    ) -> Document:
        """The entry of the timeline."""
        return self._entry(
            self._done(lambda people: self._add_note(people, business, customer_id, text, author), key)
        )

    def _add_note(self, people: People, business: str, customer_id: str, text: str, author: str) -> str:
        people.load(Needs(records={customer_id}))
        root = _existing(people, business, customer_id)
        entry = {
            "_id": f"{business}:note:{self.new_id()}",
            "business": business,
            "customer_id": root["_id"],
            "kind": "note",
            "at": people.now,
            "text": text,
            "author": author,
        }
        people.put_entry(entry)
        finish(people, {**root, "own": {**root["own"], "updated_at": people.now}}, self._cause(people))
        return str(entry["_id"])

    # Appointments.

    def book(
        self, business: str, customer_id: str, values: Mapping[str, Any], key: RequestKey | None = None
    ) -> Document:
        """The appointment; `values`: starts_at, service, price (minor units) and perhaps currency and status."""
        return self._entry(self._done(lambda people: self._book(people, business, customer_id, values), key))

    def change_appointment(
        self, business: str, customer_id: str, appointment_id: str, values: Mapping[str, Any]
    ) -> Document:
        """Reschedule, complete, cancel, …: what is not in `values` stays as it is."""
        return self._entry(
            self._done(lambda people: self._change_appointment(people, business, customer_id, appointment_id, values))
        )

    def _book(self, people: People, business: str, customer_id: str, values: Mapping[str, Any]) -> str:
        people.load(Needs(records={customer_id}))
        root = _existing(people, business, customer_id)
        stands = {"currency": self.businesses[business].currency, "status": "booked", **values}
        fact = AppointmentFact(self.new_id(), **stands, told_at=people.now, told_by=self.new_id())
        return str(put_appointment(people, root, fact, self._cause(people))["_id"])

    def _change_appointment(
        self, people: People, business: str, customer_id: str, appointment_id: str, values: Mapping[str, Any]
    ) -> str:
        entry_id = entry_id_of(business, appointment_id)
        people.load(Needs(records={customer_id}, entries={entry_id}))
        root, entry = _existing(people, business, customer_id), people.entry(entry_id)
        record = people.record(entry["customer_id"]) if entry else None
        if entry is None or record is None or people.root_of(record) != root:
            raise NotFound("There is no such appointment.")
        stood = {name: entry[name] for name in APPOINTMENT_FIELDS}
        stands = {**stood, **values}
        if stands != stood:
            told_at = max(people.now, entry["told_at"] + NEXT)
            fact = AppointmentFact(appointment_id, **stands, told_at=told_at, told_by=self.new_id())
            put_appointment(people, record, fact, self._cause(people))
        return entry_id

    # How each is done.

    def _done(self, act: Callable[[People], str], key: RequestKey | None = None) -> str:
        def in_work(work: UnitOfWork) -> str:
            people = self._people(work)
            return once(work, key, people.now, lambda: act(people))

        return repeated(self.database, self.clock, in_work)

    def _people(self, work: UnitOfWork) -> People:
        return People(work, self.businesses, self.clock())

    def _cause(self, people: People) -> Cause:
        return Cause(self.new_id(), people.now)

    def _customer(self, business: str, customer_id: str) -> Document:
        people = self._people(UnitOfWork(self.database, self.clock))
        people.load(Needs(records={customer_id}))
        return _existing(people, business, customer_id)

    def _entry(self, entry_id: str) -> Document:
        people = self._people(UnitOfWork(self.database, self.clock))
        people.load(Needs(entries={entry_id}))
        entry = people.entry(entry_id)
        if entry is None:
            raise NotFound("It was deleted meanwhile.")
        return entry


OWN_NUMBER_FIRST = "The first number cannot be a merged record's while there are others; merge the other way round."


def _existing(people: People, business: str, customer_id: str) -> Document:
    record = people.record(customer_id)
    if record is None or record["business"] != business:
        raise NotFound("There is no such customer.")
    return people.root_of(record)


def _needs(business: str, customer_id: str, phones: Iterable[str]) -> Needs:
    needs = Needs(records={customer_id}, awaited={of_phone(business, phone) for phone in phones})
    needs.phones[business] |= set(phones)
    return needs


def _numbers(before: list[str], values: Mapping[str, Any]) -> list[str]:
    """All numbers after a change: `phones` are all, `phone` takes the place of the first one (or takes it away)."""
    if "phones" in values:
        return list(values["phones"])
    if "phone" not in values:
        return before
    first = [values["phone"]] if values["phone"] else []
    return first + [phone for phone in before[1:] if phone not in first]


def _edited(root: Document, values: Mapping[str, Any]) -> Document:
    """What a person wrote is theirs: no caller ID writes over it."""
    own = {**root["own"], **{name: values[name] for name in EDITABLE if name in values}}
    if "name" in values:
        own["named_at"] = None
    return {**root, "own": own}


def _given_what_waits(people: People, record: Document, phones: Iterable[str]) -> Document:
    """Texts that went to the number before anybody was known to have it are theirs."""
    for phone in phones:
        record = with_waiting(people, record, phone)
    return record
