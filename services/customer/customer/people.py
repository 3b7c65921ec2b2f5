"""The customers that a batch concerns: loaded in few queries, found by number or entry, saved as one.

Works on a unit of work: what one event of a batch changed the next one sees.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from customer import store
from customer.appointments import most_at_once
from customer.domain import Document, hidden, may_be_vip_together, viewed
from customer.segments import Rules
from ringback.businesses import Business
from ringback.store.database import INBOX_DAYS
from ringback.store.unit_of_work import UnitOfWork

# What an entry waits for may be among the dead letters, to be replayed by hand. After as long as the inbox remembers
# nothing can be told as if it had come at once, anyway.
WAITING = timedelta(days=INBOX_DAYS)


@dataclass
class Needs:
    """What to load: numbers by business, records and entries by id, entries that wait for a call or a number."""

    phones: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    records: set[str] = field(default_factory=set)
    entries: set[str] = field(default_factory=set)
    awaited: set[str] = field(default_factory=set)

    def add(self, other: "Needs") -> None:
        for business, phones in other.phones.items():
            self.phones[business] |= phones
        self.records |= other.records
        self.entries |= other.entries
        self.awaited |= other.awaited


@dataclass
class People:
    """`erased`: of the records and entries that this unit of work asks for, those of people who were erased."""

    work: UnitOfWork
    businesses: Mapping[str, Business]
    now: datetime
    erased: Set[str] = frozenset()
    _by_phone: dict[tuple[str, str], str] = field(default_factory=dict)
    _appointments: dict[str, set[str]] = field(default_factory=dict)
    _waiting: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def load(self, needs: Needs) -> None:
        entries = store.load_entries(self.work, needs.entries, needs.awaited)
        for entry in entries:
            if entry.get("awaits"):
                self._waiting[entry["awaits"]].add(entry["_id"])
        owners = {entry["customer_id"] for entry in entries if entry["customer_id"]}
        found = store.load_records(self.work, needs.phones, needs.records | owners)
        relatives = {name for record in found for name in (*record["members"], record["merged_into"]) if name}
        roots = [*found, *store.load_records(self.work, {}, relatives - {record["_id"] for record in found})]
        further = {name for record in roots for name in record["members"]}
        store.load_records(self.work, {}, further - {record["_id"] for record in roots})
        for record in roots:
            self._index(record)

    def record(self, record_id: str | None) -> Document | None:
        return self.work.get(store.CUSTOMERS, record_id) if record_id else None

    def entry(self, entry_id: str) -> Document | None:
        return self.work.get(store.TIMELINE, entry_id)

    def with_phone(self, business: str, phone: str | None) -> Document | None:
        """The record that has the number, be it a root or a member of one."""
        root = self.record(self._by_phone.get((business, phone or "")))
        if root is None:
            return None
        return next((one for one in (root, *self.members(root)) if phone in one["own"]["phones"]), root)

    def root_of(self, record: Document) -> Document:
        return self.record(record["merged_into"]) or record

    def members(self, root: Document) -> list[Document]:
        return [member for member in map(self.record, root["members"]) if member is not None]

    def put_entry(self, entry: Document) -> None:
        self.work.save(store.TIMELINE, entry)
        if entry["kind"] == "appointment":
            self._booked(entry["customer_id"]).add(entry["_id"])

    def appointments_of(self, record_id: str) -> list[Document]:
        """All of them, with what this unit of work changed."""
        return [entry for entry in map(self.entry, sorted(self._booked(record_id))) if entry is not None]

    def _booked(self, record_id: str) -> set[str]:
        if record_id not in self._appointments:
            found = store.load_appointments(self.work, record_id)
            self._appointments[record_id] = {entry["_id"] for entry in found}
        return self._appointments[record_id]

    def waiting_for(self, awaited: str) -> list[Document]:
        """Entries that could not be given to anybody yet."""
        entries = (self.entry(entry_id) for entry_id in sorted(self._waiting.get(awaited, ())))
        return [entry for entry in entries if entry is not None and entry.get("awaits") == awaited]

    def wait(self, entry: Document, awaited: str) -> None:
        """Keep an entry for whoever it turns out to belong to; not for ever, but for WAITING since it came first."""
        until = (self.entry(entry["_id"]) or {}).get("waits_until", self.now + WAITING)
        self._waiting[awaited].add(entry["_id"])
        self.put_entry({**entry, "customer_id": None, "awaits": awaited, "waits_until": until})

    def give(self, entry: Document, record_id: str) -> None:
        """Put an entry on a record's timeline, where it waits no more."""
        settled = {name: value for name, value in entry.items() if name != "waits_until"}
        self.put_entry({**settled, "customer_id": record_id, "awaits": None})

    def put(self, record: Document) -> Document:
        """Save a record, and bring the view of its root up to date: the root as it stands now."""
        if record["merged_into"]:
            self.work.save(store.CUSTOMERS, hidden(record, record["merged_into"]))
            root = self.record(record["merged_into"])
            assert root is not None
        else:
            root = record
        seen = store.comparable(store.searchable(self._viewed(root)))
        self.work.save(store.CUSTOMERS, seen)
        self._index(seen)
        return seen

    def _viewed(self, root: Document) -> Document:
        business, members = self.businesses[root["business"]], self.members(root)
        rules = Rules(business.segments.vip_appointments, business.segments.inactive_months)
        together = self._vip_together([root, *members], rules.vip_appointments)
        return viewed(root, members, business.currency, rules, self.now, vip_together=together)

    def _vip_together(self, group: Sequence[Document], enough: int) -> bool:
        """Whether so many appointments of all of them counted at once; they are loaded when that may be."""
        if not may_be_vip_together(group, enough):
            return False
        booked = (one for record in group for one in self.appointments_of(record["_id"]))
        return most_at_once(booked) >= enough

    def _index(self, record: Document) -> None:
        if record["merged_into"]:
            return
        for phone in record.get("phones") or self._phones_of(record):
            self._by_phone[record["business"], phone] = record["_id"]

    def _phones_of(self, record: Document) -> Iterable[str]:
        phones: list[str] = record["own"]["phones"]
        return phones
