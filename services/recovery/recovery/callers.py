"""The callers that a batch concerns: loaded in few queries, changed in memory, then their items derived and told."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recovery import store
from recovery.domain import episodes, item_of, wake_at
from recovery.forgetting import after, figures_of, is_empty
from recovery.ledger import Document, new_ledger
from recovery.numbers import every_number
from recovery.rules import rules_of
from recovery.settling import forget_at, settled
from recovery.shelf import Shelf
from recovery.telling import tell
from ringback.businesses import Business
from ringback.callers import customer_id_of
from ringback.seals import Seal
from ringback.store.unit_of_work import UnitOfWork

ByBusiness = defaultdict[str, set[str]]


def _by_business() -> ByBusiness:
    return defaultdict(set)


@dataclass
class Needs:
    """What to load, by id; `customers` and `appointments` by business, with what is theirs; `gone`: who is erased."""

    ledgers: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    bookings: set[str] = field(default_factory=set)
    customers: ByBusiness = field(default_factory=_by_business)
    appointments: ByBusiness = field(default_factory=_by_business)
    names: ByBusiness = field(default_factory=_by_business)
    gone: ByBusiness = field(default_factory=_by_business)
    erased: set[str] = field(default_factory=set)


def phone_ledger(business: str, phone: str) -> str:
    return f"{business}:{phone}"


def call_id_of(business: str, call_sid: str) -> str:
    return f"{business}:{call_sid}"


def of_customer(customer_id: str) -> str:
    """What an erased customer's seal is made of; ledgers and calls are sealed as they are."""
    return f"customer:{customer_id}"


@dataclass
class Callers:
    """Works on a unit of work: what one event of a batch changed the next one sees. `finish` ends it."""

    work: UnitOfWork
    businesses: Mapping[str, Business]
    now: datetime
    seal: Seal
    _bookings_of: ByBusiness = field(default_factory=_by_business)
    _by_phone: defaultdict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    _gained: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _nameless: set[str] = field(default_factory=set)
    _refused: dict[str, datetime] = field(default_factory=dict)
    _by_name: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledgers = Shelf(self.work, store.CALLERS)
        self.items = Shelf(self.work, store.ITEMS)
        self.calls = Shelf(self.work, store.CALLS)
        self.bookings = Shelf(self.work, store.BOOKINGS)
        self.customers = Shelf(self.work, store.CUSTOMERS)
        self._of_ledger: defaultdict[str, set[str]] = defaultdict(set)

    # Loading.

    def load(self, needs: Needs) -> None:
        calls = store.load_ids(self.work, store.CALLS, needs.calls)
        rows = store.load_ids(self.work, store.CUSTOMERS, _all(needs.customers))
        bookings = store.load_ids(self.work, store.BOOKINGS, needs.bookings)
        bookings += store.load_where(self.work, store.BOOKINGS, "customer_id", needs.customers)
        gained = store.load_where(self.work, store.ITEMS, "appointments.appointment_id", needs.appointments)
        nameless = store.load_where(self.work, store.CALLERS, "nameless_id", needs.gone)
        named = store.load_where(self.work, store.ITEMS, "names", needs.names)
        self._by_name = {name: item["_id"] for item in named for name in item["names"]}
        ledgers = needs.ledgers | {one["ledger"] for one in (*calls, *gained) if one["ledger"]}
        ledgers |= {phone_ledger(row["business"], phone) for row in rows for phone in every_number(row)}
        ledgers |= {phone_ledger(one["business"], phone) for one in bookings for phone in one["phones"]}
        loaded = [*store.load_ids(self.work, store.CALLERS, ledgers), *nameless]
        self._load_around(loaded, ledgers, needs)
        self._nameless |= {ledger["_id"] for ledger in nameless}
        for item in gained:
            for appointment in item["appointments"]:
                self._gained[appointment["appointment_id"]].add(item["_id"])
        for booking in bookings:
            self.index_booking(booking)

    def _load_around(self, loaded: list[Document], ledgers: set[str], needs: Needs) -> None:
        store.load_ids(self.work, store.ITEMS, {item for ledger in loaded for item in ledger["items"]})
        self._load_owners(ledgers)
        sealed = {*ledgers, *needs.erased, *(of_customer(one) for one in _all(needs.customers))}
        tombstones = store.load_ids(self.work, store.ERASED, map(self.seal, sealed))
        if tombstones or needs.gone:
            self._load_all_of({*ledgers, *(ledger["_id"] for ledger in loaded)})

    def _load_owners(self, ledgers: Iterable[str]) -> None:
        """Whose numbers these are: for whom the items are told of."""
        phones = _by_business()
        for ledger_id in ledgers:
            business, _, phone = ledger_id.partition(":")
            phones[business].add(phone)
        rows = store.load_where(self.work, store.CUSTOMERS, "phones", phones)
        store.load_roots(self.work, rows)
        for row in rows:
            self._index_row(row)

    def _load_all_of(self, ledgers: Iterable[str]) -> None:
        """Everything that somebody's erasure takes with it."""
        for collection in (store.CALLS, store.ITEMS):
            for document in store.load_of_ledgers(self.work, collection, ledgers):
                self._of_ledger[document["ledger"]].add(document["_id"])

    # Changing.

    def ledger(self, business: str, ledger_id: str, phone: str | None) -> Document:
        return self.ledgers.get(ledger_id) or new_ledger(ledger_id, business, phone)

    def put_customer(self, row: Document) -> None:
        self.customers.put(row)
        self._index_row(row)

    def _index_row(self, row: Document) -> None:
        for phone in row["phones"]:
            self._by_phone[row["business"], phone].add(row["_id"])

    def index_booking(self, booking: Document) -> None:
        self._bookings_of[booking["customer_id"]].add(booking["_id"])

    def bookings_of(self, customer_id: str) -> list[Document]:
        found = (self.bookings.get(one) for one in sorted(self._bookings_of[customer_id]))
        return [booking for booking in found if booking is not None and booking["customer_id"] == customer_id]

    def items_with(self, appointment_id: str) -> list[Document]:
        """The items that an appointment counted for before this batch."""
        return [item for item in map(self.items.get, sorted(self._gained[appointment_id])) if item is not None]

    def nameless_ledgers(self, customer_id: str) -> list[Document]:
        """Of callers without a number, those of this customer."""
        ids = sorted({*self._nameless, *(ledger["_id"] for ledger in self.ledgers.changed())})
        ledgers = [ledger for ledger in map(self.ledgers.get, ids) if ledger is not None]
        return [ledger for ledger in ledgers if ledger["nameless_id"] == customer_id]

    def erased_until(self, key: str) -> datetime | None:
        row = self.work.get(store.ERASED, self.seal(key))
        known = [row["at"]] if row else []
        return max([*known, *self._refusals(key)], default=None)

    def is_erased(self, key: str, at: datetime) -> bool:
        until = self.erased_until(key)
        return until is not None and at <= until

    def refuse(self, key: str, at: datetime) -> None:
        """What happened up to then must not come back."""
        self._refused[key] = max([at, *self._refusals(key)])
        store.refuse(self.work, self.seal(key), at)

    def _refusals(self, key: str) -> list[datetime]:
        return [self._refused[key]] if key in self._refused else []

    def is_settled(self, call_name: str, ledger: Document) -> bool:
        """Whether a call is of an item that its ledger forgot since."""
        item_id = self._by_name.get(call_name)
        return item_id is not None and item_id not in ledger["items"]

    def forget_call(self, call_id: str, at: datetime) -> None:
        self.refuse(call_id, at)
        self.calls.remove(call_id)

    def erase(self, ledger_id: str, until: datetime) -> None:
        """Whatever is known of a caller up to then; figures stay."""
        self.refuse(ledger_id, until)
        ledger = self.ledgers.get(ledger_id)
        for one in sorted(self._of_ledger[ledger_id] | set(ledger["items"] if ledger else ())):
            self._erase_one(one, until)
        if ledger is None:
            return
        for call in ledger["calls"]:
            if call["at"] <= until:
                self.forget_call(call_id_of(ledger["business"], call["sid"]), until)
        left = after(ledger, until)
        if is_empty(left):
            self.ledgers.remove(ledger_id)
        else:
            self.ledgers.put(left | {"items": [one for one in left["items"] if not self._is_erased_item(one)]})

    def _erase_one(self, document_id: str, until: datetime) -> None:
        call, item = self.calls.get(document_id), self.items.get(document_id)
        if call is not None and call["at"] <= until:
            self.forget_call(document_id, until)
        if item is not None and item["first_missed_at"] <= until:
            self.items.put(figures_of(item))

    def _is_erased_item(self, item_id: str) -> bool:
        return bool((self.items.get(item_id) or {}).get("erased"))

    # Finishing.

    def finish(self) -> None:
        """Derive and tell the items of every caller that was changed, and hand all over to the unit of work."""
        for ledger in self.ledgers.changed():
            self.ledgers.put(self._derived(ledger))
        for shelf in (self.customers, self.bookings, self.calls, self.items, self.ledgers):
            shelf.save()

    def _derived(self, ledger: Document) -> Document:
        rules = rules_of(self.businesses[ledger["business"]])
        found = episodes(ledger, rules.expire_after, self.now)
        items = [item_of(ledger, episode, rules) for episode in found]
        for gone in set(ledger["items"]) - {item["_id"] for item in items}:
            self.items.remove(gone)
        for item in sorted(items, key=lambda one: bool(one["open"])):  # one is open at any moment of the writes
            self.items.put(item)
        told = tell(self.work, ledger, list(zip(found, items, strict=True)), self.owner_of(ledger))
        left, kept = settled(told, found, self.now)
        left |= {"items": [item["_id"] for episode, item in zip(found, items, strict=True) if episode in kept]}
        left |= {"wake_at": wake_at(left, kept, rules.text_back)}
        return left | {"forget_at": forget_at(left, self.now)}

    def owner_of(self, ledger: Mapping[str, Any]) -> str | None:
        """The customer's id, as far as it was told."""
        if ledger["phone"] is None:
            return str(ledger["nameless_id"])
        return store.owner_of(self._with_phone(ledger["business"], ledger["phone"]), self.customers.get)

    def others_have(self, business: str, phone: str, customer_id: str) -> bool:
        """Whether the number is somebody else's now."""
        return any(row["_id"] != customer_id for row in self._with_phone(business, phone))

    def _with_phone(self, business: str, phone: str) -> list[Document]:
        rows = (self.customers.get(one) for one in sorted(self._by_phone[business, phone]))
        return [row for row in rows if row is not None and phone in row["phones"]]


def nameless_id_of(business: str, phone: str | None, call_sid: str) -> str | None:
    """The customer that a caller without a number is."""
    return None if phone else customer_id_of(business, None, call_sid)


def _all(by_business: ByBusiness) -> set[str]:
    return {one for some in by_business.values() for one in some}
