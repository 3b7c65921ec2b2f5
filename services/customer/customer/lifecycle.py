"""Use cases: two customers become one and two again, one is erased, and what is stored of one is given out.

A record that became part of another stands for that one. All raise NotFound for what is not there or another
business's, and ConcurrentUpdate when others were first again and again. `merge`, `unmerge` and the last step of
`delete` are one transaction each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, TypeVar

from customer import store
from customer.consents import consents_of
from customer.domain import Document, hidden
from customer.erasing import entries_to_refuse, kept_totals, names_to_refuse, without_other
from customer.identity import of_phone
from customer.merging import joined, left_by, parted
from customer.people import Needs, People
from customer.telling import Cause, finish, finish_again, tell_deleted, tell_regrouped
from ringback.businesses import Business
from ringback.clock import Clock, rfc3339
from ringback.errors import Conflict, NotFound
from ringback.seals import Seal
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork, repeated

T = TypeVar("T")
# What one transaction erases within the time that MongoDB gives it. Longer histories go piece by piece, and who
# spends over 5,000 entries is counted as a customer of a month once a piece.
MOST_ENTRIES = 5_000
# What is kept to find and compare by says nothing that the rest does not; own facts stand with each record.
DERIVED = frozenset({"search", "found_by", "same_email", "same_name", "own"})


@dataclass(frozen=True)
class Lifecycle:
    """`new_id` makes ids of what a person asked for; `seal` turns ids and numbers into keyed hashes."""

    database: Database
    businesses: Mapping[str, Business]
    clock: Clock
    new_id: Callable[[], str]
    seal: Seal

    def merge(self, business: str, customer_id: str, other_id: str, actor: str) -> Document:
        """Make `other_id`, with all that was merged into it, part of `customer_id`; that one, as it is stored.

        Facts stay where they are, so that `unmerge` is exact. Raises Conflict same_customer or already_merged.
        """
        return self._regroup(business, customer_id, other_id, actor, self._merge)

    def unmerge(self, business: str, customer_id: str, other_id: str, actor: str) -> Document:
        """Take `other_id`, with all that had been merged into it, out again; the customer that is kept.

        Both are what they would be without the merge: each with what came in meanwhile under its own numbers. Raises
        Conflict not_merged.
        """
        return self._regroup(business, customer_id, other_id, actor, self._unmerge)

    def delete(self, business: str, customer_id: str) -> None:
        """Erase a customer with all that was merged into it.

        What is left: keyed hashes of ids, so that no late event brings them back, of numbers and addresses, so that
        no old file does, and of numbers that opted out; sums without a person (`erased_totals`); and until the relay
        published them the events that wait in the outbox, `customer.deleted` last. A call after that makes a new
        customer with a new id.
        """
        while not self._done(lambda people: self._erase(people, business, customer_id)):
            continue

    def export_person(self, business: str, customer_id: str) -> dict[str, Any]:
        """All that this service stores of one customer, ready for JSON: times are RFC 3339, money in minor units."""
        root = store.find_root(self.database, business, customer_id)
        if root is None:
            _refuse_unknown()
        ids = [root["_id"], *root["members"]]
        entries = sorted(store.all_entries(self.database, ids), key=lambda entry: (entry["at"], entry["_id"]))
        stored = {
            "profile": {name: value for name, value in root.items() if name not in DERIVED},
            "records": store.find_records(self.database, ids),
            "timeline": entries,
            "appointments": [entry for entry in entries if entry["kind"] == "appointment"],
            "links": store.links_of(self.database, ids),
            "consents": consents_of(self.database, self.seal, business, root["phones"]),
        }
        plain: dict[str, Any] = _plain(stored)
        return plain

    # Merging.

    def _regroup(
        self,
        business: str,
        customer_id: str,
        other_id: str,
        actor: str,
        act: Callable[[People, Document, Document, str], Document],
    ) -> Document:
        def in_work(people: People) -> str:
            people.load(Needs(records={customer_id, other_id}))
            kept = people.root_of(self._record(people, business, customer_id))
            other = self._record(people, business, other_id)
            if kept["_id"] == other["_id"]:
                raise Conflict("This is one customer.", code="same_customer")
            root_id: str = act(people, kept, other, actor)["_id"]
            return root_id

        root = store.find_customer(self.database, business, self._done(in_work))
        return root or _refuse_unknown()

    def _merge(self, people: People, kept: Document, other: Document, actor: str) -> Document:
        if other["merged_into"]:
            raise Conflict("It is part of another customer already.", code="already_merged")
        cause = self._cause(people)
        # First of all the numbers are freed: they are one customer's at any moment.
        people.work.save(store.CUSTOMERS, hidden(other, kept["_id"]))
        for member in people.members(other):
            people.work.save(store.CUSTOMERS, hidden(member, kept["_id"]))
        _touch_members(people, kept, cause)
        root = finish(people, _changed(joined(kept, other), people.now), cause)
        tell_regrouped(people, "merged", root, other, actor, cause)
        return root

    def _unmerge(self, people: People, kept: Document, other: Document, actor: str) -> Document:
        if other["merged_into"] != kept["_id"]:
            raise Conflict("It is not part of this customer.", code="not_merged")
        cause = self._cause(people)
        without, other_root = parted(kept, hidden(other, kept["_id"]))
        for member in people.members(other):
            people.work.save(store.CUSTOMERS, hidden(member, other["_id"]))
        _leave(people, without, {other["_id"], *other["members"]})
        _touch_members(people, without, cause)
        root = finish(people, _changed(without, people.now), cause)
        again = finish_again(people, _changed(other_root, people.now), cause)
        tell_regrouped(people, "unmerged", root, again, actor, cause)
        return root

    # Erasing.

    def _erase(self, people: People, business: str, customer_id: str) -> bool:
        """Whether that was all: of a history that is too long for one transaction a piece is erased."""
        records, entries = self._to_erase(people, business, customer_id)
        if len(entries) > MOST_ENTRIES:
            self._erase_entries(people, business, entries[:MOST_ENTRIES])
            return False
        ids = [record["_id"] for record in records]
        self._erase_entries(people, business, entries)
        store.erase_records(people.work, records)
        store.refuse(people.work, self.seal, [*ids, *names_to_refuse(business, records)], people.now)
        self._forget_merges(people, ids)
        cause = self._cause(people)
        for record in records:
            tell_deleted(people.work, record, cause)
        return True

    def _erase_entries(self, people: People, business: str, entries: Sequence[Document]) -> None:
        zone = self.businesses[business].timezone
        store.erase_entries(people.work, [entry["_id"] for entry in entries])
        store.refuse(people.work, self.seal, entries_to_refuse(entries), people.now)
        store.add_totals(people.work, kept_totals(business, zone, entries))

    def _forget_merges(self, people: People, ids: Sequence[str]) -> None:
        """A history of somebody else that tells of a merge with one of these names them no more."""
        for entry in store.load_merges_with(people.work, ids):
            if entry["customer_id"] not in ids:
                people.put_entry(without_other(entry))

    def _to_erase(self, people: People, business: str, customer_id: str) -> tuple[list[Document], list[Document]]:
        """The records of a customer, and their entries with those that wait for one of their numbers."""
        people.load(Needs(records={customer_id}))
        root = people.root_of(self._record(people, business, customer_id))
        records = [root, *people.members(root)]
        awaited = [of_phone(business, phone) for phone in root["phones"]]
        return records, store.entries_to_erase(self.database, [record["_id"] for record in records], awaited)

    # Both.

    def _record(self, people: People, business: str, customer_id: str) -> Document:
        record = people.record(customer_id)
        if record is None or record["business"] != business:
            _refuse_unknown()
        return record

    def _cause(self, people: People) -> Cause:
        return Cause(self.new_id(), people.now)

    def _done(self, act: Callable[[People], T]) -> T:
        def in_work(work: UnitOfWork) -> T:
            return act(People(work, self.businesses, self.clock()))

        return repeated(self.database, self.clock, in_work)


def _changed(record: Document, now: datetime) -> Document:
    return {**record, "own": {**record["own"], "updated_at": max(record["own"]["updated_at"], now)}}


def _leave(people: People, root: Document, leaving: set[str]) -> None:
    """Who brought one of these along does not bring it any more."""
    for member in people.members(root):
        people.work.save(store.CUSTOMERS, left_by(leaving, member))


def _touch_members(people: People, root: Document, cause: Cause) -> None:
    """Give the members that stay a new version, so that none changes between being added up here and the commit:
    a fact about a member does not always change its root.
    """
    for member in people.members(root):
        people.work.save(store.CUSTOMERS, {**hidden(member, root["_id"]), "regrouped_by": cause.id})


def _refuse_unknown() -> NoReturn:
    raise NotFound("There is no such customer.")


def _plain(value: Any) -> Any:
    """As JSON can say it; a document's `_id` is its id."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Mapping):
        return {"id" if name == "_id" else name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
