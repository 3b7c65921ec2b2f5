"""Use cases that people and other systems ask for over HTTP. Each is one unit of work: all of it or nothing.

They raise NotFound for what is not there or another business's, Conflict for what stands in the way, and
ConcurrentUpdate when somebody else was first (`repeated` tries again).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from customer.appointments import AppointmentFact, entry_id_of
from customer.domain import Document, customer_id_of, new_own, new_record
from customer.handlers import put_appointment
from customer.people import Needs, People
from customer.telling import Cause, finish
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.errors import ConcurrentUpdate, Conflict, NotFound
from ringback.phone import identify
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork

T = TypeVar("T")
ATTEMPTS = 5
EDITABLE = ("name", "email")


class StaleVersion(Conflict):
    """The customer was changed since it was read."""

    code = "stale_version"


class DuplicateCustomer(Conflict):
    """The number is another customer's."""

    code = "duplicate_phone"

    def __init__(self, customer_id: str) -> None:
        super().__init__("A customer with this number exists already.")
        self.customer_id = customer_id


@dataclass(frozen=True)
class Desk:
    """`new_id` makes ids of what a person adds; `businesses` are those served here."""

    database: Database
    businesses: Mapping[str, Business]
    clock: Clock
    new_id: Callable[[], str]

    def create(self, business: str, values: Mapping[str, Any]) -> Document:
        """A customer entered by hand; idempotent on nothing: a second one with the same number is refused."""
        return self._repeated(lambda people: self._create(people, business, values))

    def update(self, business: str, customer_id: str, values: Mapping[str, Any], version: int | None) -> Document:
        """Change what a person may change; what is not in `values` stays. Raises StaleVersion."""
        return self._repeated(lambda people: self._update(people, business, customer_id, values, version))

    def add_note(self, business: str, customer_id: str, text: str, author: str) -> Document:
        """The entry of the timeline."""
        return self._repeated(lambda people: self._add_note(people, business, customer_id, text, author))

    def book(self, business: str, customer_id: str, values: Mapping[str, Any]) -> Document:
        """The appointment; `values`: starts_at, service, price and perhaps status."""
        return self._repeated(lambda people: self._book(people, business, customer_id, values))

    def change_appointment(
        self, business: str, customer_id: str, appointment_id: str, values: Mapping[str, Any]
    ) -> Document:
        """Reschedule, complete, cancel, …: what is not in `values` stays as it is."""
        return self._repeated(lambda p: self._change_appointment(p, business, customer_id, appointment_id, values))

    def _create(self, people: People, business: str, values: Mapping[str, Any]) -> Document:
        phones = list(values.get("phones", ()))
        record_id = customer_id_of(business, phones[0] if phones else None, self.new_id())
        needs = Needs(records={record_id})
        needs.phones[business] |= set(phones)
        people.load(needs)
        self._refuse_duplicates(people, business, phones, None)
        if people.record(record_id) is not None:  # it was this number's once
            record_id = self.new_id()
        kind = identify(phones[0], self.businesses[business].country).kind if phones else "none"
        own = new_own(None, kind, values.get("source", "manual"), people.now) | {"phones": phones}
        own |= {name: values.get(name) for name in EDITABLE}
        return finish(people, new_record(record_id, business, own), self._cause(people))

    def _update(
        self, people: People, business: str, customer_id: str, values: Mapping[str, Any], version: int | None
    ) -> Document:
        needs = Needs(records={customer_id})
        needs.phones[business] |= set(values.get("phones", ()))
        people.load(needs)
        root = self._root(people, business, customer_id)
        if version is not None and version != root["version"]:
            raise StaleVersion("The customer was changed since it was read.")
        self._refuse_duplicates(people, business, values.get("phones", ()), root["_id"])
        return finish(people, {**root, "own": self._edited(people, root, values)}, self._cause(people))

    def _edited(self, people: People, root: Document, values: Mapping[str, Any]) -> Document:
        """What a person wrote is theirs: no caller ID writes over it."""
        own = {**root["own"], "updated_at": people.now}
        own |= {name: values[name] for name in EDITABLE if name in values}
        if "name" in values:
            own["named_at"] = None
        if "phones" in values:
            of_members = {phone for member in people.members(root) for phone in member["own"]["phones"]}
            own["phones"] = [phone for phone in values["phones"] if phone not in of_members]
        return own

    def _add_note(self, people: People, business: str, customer_id: str, text: str, author: str) -> Document:
        people.load(Needs(records={customer_id}))
        root = self._root(people, business, customer_id)
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
        return entry

    def _book(self, people: People, business: str, customer_id: str, values: Mapping[str, Any]) -> Document:
        people.load(Needs(records={customer_id}))
        root = self._root(people, business, customer_id)
        fact = AppointmentFact(
            appointment_id=self.new_id(),
            starts_at=values["starts_at"],
            service=values["service"],
            price=values["price"],
            currency=self.businesses[business].currency,
            status=values.get("status", "booked"),
            told_at=people.now,
            told_by=self._by_hand(),
        )
        return put_appointment(people, root, fact, self._cause(people))

    def _change_appointment(
        self, people: People, business: str, customer_id: str, appointment_id: str, values: Mapping[str, Any]
    ) -> Document:
        entry_id = entry_id_of(business, appointment_id)
        people.load(Needs(records={customer_id}, entries={entry_id}))
        root, entry = self._root(people, business, customer_id), people.entry(entry_id)
        if entry is None or entry["customer_id"] not in (root["_id"], *root["members"]):
            raise NotFound("There is no such appointment.")
        names = ("starts_at", "service", "price", "currency", "status")
        stands = {name: values.get(name, entry[name]) for name in names}
        told_at = max(people.now, entry["told_at"])
        fact = AppointmentFact(appointment_id=appointment_id, told_at=told_at, told_by=self._by_hand(), **stands)
        record = people.record(entry["customer_id"])
        assert record is not None
        return put_appointment(people, record, fact, self._cause(people))

    def _root(self, people: People, business: str, customer_id: str) -> Document:
        record = people.record(customer_id)
        if record is None or record["business"] != business or record["merged_into"]:
            raise NotFound("There is no such customer.")
        return record

    def _refuse_duplicates(self, people: People, business: str, phones: Iterable[str], but: str | None) -> None:
        for phone in phones:
            known = people.with_phone(business, phone)
            if known is not None and people.root_of(known)["_id"] != but:
                raise DuplicateCustomer(people.root_of(known)["_id"])

    def _by_hand(self) -> str:
        """Of what is said at the same moment a person's word comes after a system's."""
        return f"~{self.new_id()}"

    def _cause(self, people: People) -> Cause:
        return Cause(self.new_id(), people.now)

    def _repeated(self, act: Callable[[People], T]) -> T:
        """Again when another write came first: the rules are applied to what is there now."""
        for _ in range(ATTEMPTS - 1):
            try:
                return self._once(act)
            except ConcurrentUpdate:
                continue
        return self._once(act)

    def _once(self, act: Callable[[People], T]) -> T:
        work = UnitOfWork(self.database, self.clock)
        result = act(People(work, self.businesses, self.clock()))
        work.commit()
        return result
