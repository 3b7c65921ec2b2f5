"""The leads that a batch concerns: loaded in few queries, found by id or number, saved as one with all that follows.

Works on a unit of work: what one event of a batch changed the next one sees, and so do other use cases in it.
"""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime

from pipeline import appointments, numbers, store
from pipeline.domain import UNTOUCHED, Document, hidden, numbers_of, viewed, visit_rows
from pipeline.search import search_terms
from pipeline.telling import Cause, tell_stage
from ringback.businesses import Business
from ringback.errors import ConcurrentUpdate
from ringback.known_customers import UNTOLD, root_id
from ringback.store.unit_of_work import UnitOfWork

# Of so many the chance is small that two who commit at the same time count in the same document.
SLOTS = 16


@dataclass
class Needs:
    """What to load: leads, numbers and appointments by id."""

    leads: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)
    appointments: set[str] = field(default_factory=set)


@dataclass
class People:
    """`erased`: of the leads that this unit of work asks for, those of people who were erased.

    `salt` chooses the documents that are counted in: who works at the same time had better have another.
    """

    work: UnitOfWork
    businesses: Mapping[str, Business]
    now: datetime
    salt: str
    erased: Set[str] = frozenset()
    _gone: set[str] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)
    _members: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _booked: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def load(self, needs: Needs) -> None:
        held = store.load(self.work, store.NUMBERS, needs.numbers)
        booked = store.load(self.work, store.APPOINTMENTS, needs.appointments)
        holders = {holder for number in held for holder in number["holders"]}
        owners = {appointment["customer_id"] for appointment in booked}
        self._load_groups(needs.leads | holders | owners)
        leads = [lead for lead in map(self._get, self._known) if lead is not None]
        store.load(
            self.work, store.NUMBERS, {_id for lead in leads for _id in _every_number_id(lead)} - needs.numbers
        )
        for appointment in store.load_appointments_of(self.work, self._known):
            self._booked[appointment["customer_id"]].add(appointment["_id"])

    def load_holders(self, customer_ids: Iterable[str]) -> None:
        """Who else was told to have the numbers of these, who are loaded."""
        leads = [lead for lead in map(self._get, customer_ids) if lead is not None]
        held = [
            number for lead in leads for number in map(self._number, _every_number_id(lead)) if number is not None
        ]
        others = {holder for number in held for holder in number["holders"]} - self._known
        if others:
            self.load(Needs(leads=others))

    def lead(self, customer_id: str | None) -> Document | None:
        """A customer's own document, be it on the board or part of another."""
        return None if customer_id is None or customer_id in self.erased else self._get(customer_id)

    def lead_or_new(self, business: str, customer_id: str) -> Document:
        return self.lead(customer_id) or {"_id": customer_id, "business": business, **UNTOLD, "told": {}, **UNTOUCHED}

    def root_of(self, customer_id: str) -> Document | None:
        """The lead that stands for this customer on the board; None when there is none."""
        root = self.lead(root_id(customer_id, self.lead))
        return root if root is not None and root["shown"] else None

    def number(self, business: str, phone: str) -> Document:
        """ConcurrentUpdate when the number is erased in this unit of work: whoever has it next comes after that."""
        number_id = numbers.number_id_of(business, phone)
        if number_id in self._gone:
            raise ConcurrentUpdate("The number is being erased.")
        return self.work.get(store.NUMBERS, number_id) or numbers.new_number(business, phone)

    def drop_appointment(self, appointment: Document) -> None:
        for booked in self._booked.values():
            booked.discard(appointment["_id"])
        self._drop(store.APPOINTMENTS, appointment["_id"])

    def drop_number(self, number: Document) -> None:
        self._gone.add(number["_id"])
        self._drop(store.NUMBERS, number["_id"])

    def _drop(self, collection: str, document_id: str) -> None:
        """Erase a document, if it is stored at all. ConcurrentUpdate when it is only being made."""
        document = self.work.get(collection, document_id)
        if document is None:
            return
        if "version" not in document:
            raise ConcurrentUpdate("It is made in the same unit of work.")
        store.erase(self.work, collection, [document])

    def appointment(self, appointment_id: str) -> Document | None:
        return self.work.get(store.APPOINTMENTS, appointment_id)

    def put_number(self, number: Document) -> None:
        """A number that nobody has yet waits for somebody."""
        waits = None if number["holders"] else number.get("waiting_since") or self.now
        self.work.save(store.NUMBERS, {**number, "waiting_since": waits})

    def put_appointment(self, appointment: Document) -> None:
        self.work.save(store.APPOINTMENTS, appointment)
        for booked in self._booked.values():
            booked.discard(appointment["_id"])
        self._booked[appointment["customer_id"]].add(appointment["_id"])

    def put(self, lead: Document, cause: Cause) -> None:
        """Save a lead that changed, and bring the board up to date about everybody whom that concerns."""
        before = self._get(lead["_id"])
        former = root_id(lead["_id"], self.lead)
        self._save(lead)
        self._bring_up_to_date({former, lead["_id"]}, cause, before)

    def refresh(self, customer_ids: Iterable[str], cause: Cause) -> None:
        """Bring the board up to date after facts about these changed, and tell what is new."""
        self._bring_up_to_date(set(customer_ids), cause, None)

    def take_off(self, lead: Document) -> None:
        """Remove what the board shows of somebody who is erased; their documents are the caller's."""
        self._show(lead, None)

    def _bring_up_to_date(self, customer_ids: Set[str], cause: Cause, before: Document | None) -> None:
        """Roots are written in any case: of two who add up the same facts at once one has to do it again."""
        roots = {root_id(customer_id, self.lead) for customer_id in customer_ids}
        for customer_id in sorted(customer_ids | roots):
            lead = self.lead(customer_id)
            if lead is None:
                continue
            after = self._with_view(lead, cause) if _is_root(lead) else hidden(lead)
            stood = before if before is not None and before["_id"] == customer_id else lead
            self._show(stood, after)
            waits = None if after["created_at"] else after.get("waiting_since") or self.now
            self._save({**after, "touched_by": cause.id, "waiting_since": waits})

    def _with_view(self, root: Document, cause: Cause) -> Document:
        group = [root, *self.members(root)]
        held = {_id for lead in group for _id in _number_ids(lead)}
        known = [number for number in map(self._number, sorted(held)) if number is not None]
        booked = self.booked_by(lead["_id"] for lead in group)
        marks = [*numbers.contacts_at(known), *appointments.marks_of(booked)]
        currency = self.businesses[root["business"]].currency
        view = viewed(root, group[1:], marks, appointments.worth(booked, currency), currency)
        return tell_stage(self.work, {**view, "search": search_terms(root["name"], root["phones"])}, cause)

    def _show(self, before: Document | None, after: Document | None) -> None:
        """Bring what the board counts and the funnel reads from one to the other."""
        store.put_visits(self.work, visit_rows(before), visit_rows(after))
        stood, stands = _counted(before), _counted(after)
        if stood == stands:
            return
        for counted, sign in ((stood, -1), (stands, 1)):
            if counted is not None:
                store.add_totals(self.work, *counted[:2], self._slot, sign, sign * counted[2])

    @property
    def _slot(self) -> int:
        return zlib.crc32(self.salt.encode()) % SLOTS

    def members(self, root: Document) -> list[Document]:
        """All leads that are part of this one, through all merges."""
        found: dict[str, Document] = {}
        ids = [root["_id"]]
        while ids:
            joined = [
                lead
                for customer_id in ids
                for lead in map(self.lead, sorted(self._members[customer_id]))
                if lead is not None and lead["merged_into"] == customer_id and lead["_id"] not in found
            ]
            found |= {lead["_id"]: lead for lead in joined if lead["_id"] != root["_id"]}
            ids = [lead["_id"] for lead in joined if lead["_id"] != root["_id"]]
        return [found[_id] for _id in sorted(found)]

    def _load_groups(self, customer_ids: set[str]) -> None:
        """These leads, whom they are part of, and who is part of those."""
        wanted = customer_ids - self._known
        while wanted:
            found = [*store.load(self.work, store.LEADS, wanted), *store.load_members(self.work, wanted)]
            self._known |= wanted
            for lead in found:
                self._index(lead)
            relatives = {lead["_id"] for lead in found} | {lead["merged_into"] for lead in found}
            wanted = {_id for _id in relatives if _id is not None} - self._known

    def _get(self, customer_id: str) -> Document | None:
        return self.work.get(store.LEADS, customer_id)

    def _number(self, number_id: str) -> Document | None:
        return self.work.get(store.NUMBERS, number_id)

    def booked_by(self, customer_ids: Iterable[str]) -> list[Document]:
        ids = sorted({_id for customer_id in customer_ids for _id in self._booked[customer_id]})
        found = map(self.appointment, ids)
        return [appointment for appointment in found if appointment is not None]

    def _save(self, lead: Document) -> None:
        self.work.save(store.LEADS, lead)
        self._known.add(lead["_id"])
        self._index(lead)

    def _index(self, lead: Document) -> None:
        if lead["merged_into"]:
            self._members[lead["merged_into"]].add(lead["_id"])


def _counted(lead: Document | None) -> tuple[str, str, int] | None:
    """What a lead adds to its column: nothing unless it is shown."""
    return (lead["business"], lead["stage"], lead["value"]) if lead is not None and lead["shown"] else None


def _is_root(lead: Document) -> bool:
    return lead["created_at"] is not None and lead["merged_into"] is None


def _number_ids(lead: Document) -> list[str]:
    return [numbers.number_id_of(lead["business"], phone) for phone in numbers_of(lead)]


def _every_number_id(lead: Document) -> list[str]:
    return [numbers.number_id_of(lead["business"], phone) for phone in {*lead["had"], *lead["lent"]}]
