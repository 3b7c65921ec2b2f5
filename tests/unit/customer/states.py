"""A state machine of customers: whatever people do and events tell, in any order, service and model agree."""

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from customer.outreach import COOL_DOWN
from customer.store import CUSTOMERS, ERASED_TOTALS, INDEXES, TIMELINE
from ringback.contracts.envelope import Event
from ringback.errors import RingbackError
from ringback.store.database import Database
from ringback.store.idempotency import RequestKey
from tests.unit.customer.mirror import Mirror
from tests.unit.customer.model import Model
from tests.unit.customer.sample_events import Booking, booked, call, moved, opted_out, received, text
from tests.unit.customer.system import DEMO, System
from tests.unit.fakes import Document, MemoryDatabase

T = TypeVar("T")
PHONES = ("+12125550101", "+12125550102", "+12125550103")
STATUSES = ("booked", "booked", "completed", "completed", "canceled", "no_show")
BOOKED: Document = {"status": "booked", "price": 1, "currency": None, "starts_at": timedelta(days=3)}

phones = st.sampled_from(PHONES)
picks = st.integers(0, 20)
names = st.sampled_from([None, "ANNA NOVAK", "BOB"])
prices = st.sampled_from([0, 1, 2500, 10**12])
currencies = st.sampled_from(["USD", "EUR"])
statuses = st.sampled_from(STATUSES)
delays = st.sampled_from([0, 0, 1, 40, 170, 400]).map(lambda days: timedelta(days=days))
visits = st.sampled_from([-40, 0, 3, 50]).map(lambda days: timedelta(days=days))
# How events come in: at once, backwards, each twice in a batch, or whenever `deliver` takes them.
ways = st.sampled_from(["now", "backwards", "twice", "later", "later"])
edits = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["Anna", "Bob"]),
        "email": st.sampled_from([None, "anna@b.example"]),
        "phones": st.lists(phones, unique=True, max_size=3),
    },
)
changes = st.fixed_dictionaries({}, optional={"status": statuses, "price": prices, "starts_at": visits})

standings = st.fixed_dictionaries(
    {"status": statuses, "price": prices, "currency": st.one_of(st.none(), currencies), "starts_at": visits}
)


def in_memory() -> Database:
    return MemoryDatabase(indexes=INDEXES).as_database()


class CustomerMachine(RuleBasedStateMachine):
    """`known` and `told` of what was made are picked by number, those that were erased included."""

    def __init__(self, open_database: Callable[[], Database] = in_memory) -> None:
        super().__init__()
        self.system = System(open_database())
        self.model = Model(
            DEMO.segments.vip_appointments,
            DEMO.segments.inactive_months,
            DEMO.currency,
            DEMO.timezone,
            self._newcomer,
        )
        self.mirror = Mirror()
        self.pending: list[Event] = []
        self.handled: list[Event] = []
        self.bookings: list[Booking] = []
        self.visits: list[str] = []
        self.stale = False
        self.numbers = itertools.count(1)

    @initialize(
        callers=st.lists(st.tuples(phones, st.integers(0, 2)), unique_by=lambda one: one[0], max_size=len(PHONES)),
        merges=st.lists(st.tuples(picks, st.integers(1, 2)), max_size=2),
    )
    def open_with(self, callers: list[tuple[str, int]], merges: list[tuple[int, int]]) -> None:
        """Some called before, some of them booked, and some are one person."""
        for phone, count in callers:
            self.ring(phone, ["call.missed"], timedelta(days=1), None, "now")
            for _ in range(count):
                self.record_booking(phone, BOOKED, None, timedelta(), "now")
        for kept, other in merges:
            if len(self.model.roots()) > 1:
                self.merge_customers(kept, other)

    # What people do.

    @rule(
        values=edits,
        source=st.sampled_from(["manual", "referral"]),
        again=st.booleans(),
    )
    def create(self, values: Document, source: str, again: bool) -> None:
        self._tick()
        values = {"phones": [], **values}
        taken = any(self.model.with_phone(phone) for phone in values["phones"])
        key = RequestKey(f"create-{next(self.numbers)}", "digest")
        made = self._ask(
            "duplicate_phone" if taken else None,
            lambda: self.system.desk.create("demo", values | {"source": source}, key),
        )
        if made is None:
            return
        self.model.create(made["_id"], values, source, self.system.now)
        if again:
            assert self.system.desk.create("demo", values | {"source": source}, key) == made

    @precondition(lambda self: self.known)
    @rule(pick=picks, values=edits)
    def update(self, pick: int, values: Document) -> None:
        self._update(self._pick(self.known, pick), values)

    def _update(self, customer: str, values: Document) -> None:
        self._tick()
        why_not = self._why_not_update(customer, values.get("phones"))
        done = self._ask(why_not, lambda: self.system.desk.update("demo", customer, values))
        if done is not None:
            self.model.update(self.model.root(customer), values)

    def _why_not_update(self, customer: str, wanted: list[str] | None) -> str | None:
        if customer in self.model.gone:
            return "not_found"
        root = self.model.root(customer)
        if wanted is None or wanted == self.model.phones(root):
            return None
        owners = [owner for owner in map(self.model.with_phone, wanted) if owner]
        if any(self.model.root(owner.id) != root for owner in owners):
            return "duplicate_phone"
        members = [phone for member in self.model.all_of(root)[1:] for phone in member.phones if phone in wanted]
        in_order = [*(phone for phone in wanted if phone not in members), *members]
        return "invalid" if in_order[:1] != wanted[:1] else None

    @precondition(lambda self: self.known)
    @rule(kept=picks, other=picks)
    def merge(self, kept: int, other: int) -> None:
        self._tick()
        self.merge_these(self._pick(self.known, kept), self._pick(self.known, other))

    def merge_these(self, one: str, two: str) -> None:
        why_not = self._why_not_regroup(one, two) or ("already_merged" if two in self.model.part_of else None)
        if self._ask(why_not, lambda: self.system.lifecycle.merge("demo", one, two, "olga")):
            self.model.merge(one, two)

    @precondition(lambda self: len(self.model.roots()) > 1)
    @rule(kept=picks, other=st.integers(1, 3))
    def merge_customers(self, kept: int, other: int) -> None:
        self._tick()
        roots = self.model.roots()
        one, two = self._pick(roots, kept), self._pick(roots, kept + other)
        self.merge_these(one, two)

    @precondition(lambda self: self.known)
    @rule(kept=picks, other=picks)
    def unmerge(self, kept: int, other: int) -> None:
        self._tick()
        self.unmerge_these(self._pick(self.known, kept), self._pick(self.known, other))

    @precondition(lambda self: self.model.part_of)
    @rule(pick=picks)
    def unmerge_a_member(self, pick: int) -> None:
        self._tick()
        other = self._pick(list(self.model.part_of), pick)
        self.unmerge_these(self.model.root(other), other)

    def unmerge_these(self, one: str, two: str) -> None:
        why_not = self._why_not_regroup(one, two)
        if why_not is None and two not in self.model.group(self.model.root(one)):
            why_not = "not_merged"
        if self._ask(why_not, lambda: self.system.lifecycle.unmerge("demo", one, two, "olga")):
            self.model.unmerge(two)

    def _why_not_regroup(self, one: str, two: str) -> str | None:
        if {one, two} & self.model.gone:
            return "not_found"
        return "same_customer" if self.model.root(one) == two else None

    @precondition(lambda self: len(self.model.roots()) > 1 and not self.stale)
    @rule(kept=picks, other=picks)
    def merge_and_unmerge(self, kept: int, other: int) -> None:
        """Each is exactly what it was."""
        self._tick()
        one, two = self._pick(self.model.roots(), kept), self._pick(self.model.roots(), other)
        before = self.system.customers()
        if one != two:
            self.merge_these(one, two)
            self.unmerge_these(one, two)
            assert self.system.customers() == before

    @precondition(lambda self: self.known)
    @rule(pick=picks)
    def delete(self, pick: int) -> None:
        self._tick()
        customer = self._pick(self.known, pick)
        if customer in self.model.gone:
            self._ask("not_found", lambda: self.system.lifecycle.delete("demo", customer))
            return
        self.system.lifecycle.delete("demo", customer)
        self.model.delete(customer)

    @precondition(lambda self: self.known)
    @rule(pick=picks)
    def note(self, pick: int) -> None:
        self._tick()
        customer = self._pick(self.known, pick)
        if self._ask(self._gone(customer), lambda: self.system.desk.add_note("demo", customer, "Hi", "olga")):
            self.model.records[self.model.root(customer)].notes += 1

    @precondition(lambda self: self.known)
    @rule(pick=picks, day=visits, price=prices, currency=currencies, status=statuses, again=st.booleans())
    def book(self, pick: int, day: timedelta, price: int, currency: str, status: str, again: bool) -> None:
        self._tick()
        customer, name = self._pick(self.known, pick), f"visit-{next(self.numbers)}"
        values = {"starts_at": self.system.now + day, "service": name, "price": price} | {
            "currency": currency,
            "status": status,
        }
        key = RequestKey(name, "digest")
        made = self._ask(self._gone(customer), lambda: self.system.desk.book("demo", customer, values, key))
        if made is None:
            return
        self.visits.append(name)
        self.model.tell_appointment(self.model.records[self.model.root(customer)], name, values, self.system.now)
        if again:
            assert self.system.desk.book("demo", customer, values, key) == made

    @precondition(lambda self: self._appointments())
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        self.change_appointment(pick, {"status": "canceled"}, 0, theirs=True)

    @precondition(lambda self: self.model.with_phone(PHONES[0]))
    @rule()
    def take_a_number_away(self) -> None:
        owner = self.model.with_phone(PHONES[0])
        assert owner is not None
        root = self.model.root(owner.id)
        self._update(root, {"phones": [phone for phone in self.model.phones(root) if phone != PHONES[0]]})

    @precondition(lambda self: self._appointments())
    @rule(pick=picks, change=changes, of=picks, theirs=st.sampled_from([True, True, True, False]))
    def change_appointment(self, pick: int, change: Document, of: int, *, theirs: bool) -> None:
        self._tick()
        name = self._pick(self._appointments(), pick)
        owner = self.model.owner_of_appointment(name)
        assert owner is not None
        customer = owner.id if theirs else self._pick(self.known, of)
        gone = self._gone(customer)
        values = dict(change)
        if "starts_at" in values:
            values["starts_at"] += self.system.now
        why_not = gone or (None if self.model.root(customer) == self.model.root(owner.id) else "not_found")
        appointment = self.system.appointment(name)["appointment_id"]
        if self._ask(why_not, lambda: self.system.desk.change_appointment("demo", customer, appointment, values)):
            self.model.change_appointment(name, values, self.system.now)

    @precondition(lambda self: self.known)
    @rule(pick=picks, force=st.booleans())
    def request_review(self, pick: int, force: bool) -> None:
        self._tick()
        customer = self._pick(self.known, pick)
        why_not = self._why_not_text(customer) or (None if force else self._too_soon(customer))
        if self._ask(why_not, lambda: self.system.outreach.request_review("demo", customer, "olga", force=force)):
            self.model.records[self.model.root(customer)].reviews.add(self.system.now)

    @precondition(lambda self: self.known)
    @rule(pick=picks)
    def send_text(self, pick: int) -> None:
        self._tick()
        customer = self._pick(self.known, pick)
        self._ask(self._why_not_text(customer), lambda: self.system.outreach.send_text("demo", customer, "See you"))

    def _why_not_text(self, customer: str) -> str | None:
        if customer in self.model.gone:
            return "not_found"
        numbers = self.model.phones(self.model.root(customer))
        if not numbers:
            return "no_number"
        return "opted_out" if numbers[0] in self.model.opted_out else None

    def _too_soon(self, customer: str) -> str | None:
        last = self.model.view(self.model.root(customer))["review_requested_at"]
        return "cool_down" if last and self.system.now < last + COOL_DOWN else None

    @rule(phone=phones)
    def bring_in(self, phone: str) -> None:
        self._tick()
        owner = self.model.with_phone(phone)
        report = self.system.bring_in({"phone": phone, "name": "Anna"})
        [outcome] = report.counts
        if owner:
            [result] = report.notable
            assert (outcome, result.customer_id) == ("exists", self.model.root(owner.id))
        elif phone in self.model.erased_phones:
            assert outcome == "erased"
        else:
            assert outcome == "created"
            made = self._with_phone(phone)
            assert made not in self.known
            self.model.create(made, {"name": "Anna", "phones": [phone]}, "import", self.system.now)

    @precondition(lambda self: self.known)
    @rule(pick=picks)
    def ask_elsewhere(self, pick: int) -> None:
        """Another business sees nobody of this one."""
        customer = self._pick(self.known, pick)
        elsewhere: tuple[Callable[[], object], ...] = (
            lambda: self.system.desk.update("other", customer, {"name": "Mallory"}),
            lambda: self.system.desk.add_note("other", customer, "Hi", "mallory"),
            lambda: self.system.lifecycle.merge("other", customer, customer, "mallory"),
            lambda: self.system.lifecycle.delete("other", customer),
            lambda: self.system.outreach.send_text("other", customer, "Hi"),
        )
        for ask in elsewhere:
            self._ask("not_found", ask)

    # What is told.

    @rule(
        phone=st.one_of(phones, phones, st.none()),
        outcomes=st.lists(
            st.sampled_from(["call.missed", "call.completed", "call.transcribed"]), unique=True, max_size=3
        ),
        delay=delays,
        name=names,
        way=ways,
    )
    def ring(self, phone: str | None, outcomes: list[str], delay: timedelta, name: str | None, way: str) -> None:
        sid = f"CA{next(self.numbers)}"
        self._tell([call(one, sid, phone, name, self._moment(delay)) for one in ("call.started", *outcomes)], way)

    @rule(phone=phones, delay=delays, way=ways)
    def write(self, phone: str, delay: timedelta, way: str) -> None:
        self._tell([received(f"SM{next(self.numbers)}", phone, self._moment(delay))], way)

    @rule(
        phone=phones,
        outcomes=st.lists(st.sampled_from(["requested", "sent", "delivered", "failed"]), unique=True, min_size=1),
        pick=st.one_of(st.none(), picks),
        delay=delays,
        way=ways,
    )
    def send(self, phone: str, outcomes: list[str], pick: int | None, delay: timedelta, way: str) -> None:
        """A text that was asked for elsewhere."""
        request = f"request-{next(self.numbers)}"
        customer = None if pick is None or not self.known else self._pick(self.known, pick)
        self._tell([text(one, request, phone, customer, self._moment(delay)) for one in outcomes], way)

    @rule(whose=st.one_of(phones, picks), stands=standings, name=names, delay=delays, way=ways)
    def record_booking(
        self, whose: str | int, stands: Document, name: str | None, delay: timedelta, way: str
    ) -> None:
        phone = whose if isinstance(whose, str) else None
        customer = self._pick(self.known, whose) if isinstance(whose, int) and self.known else None
        if phone or customer:
            self.bookings.append(Booking(f"B{next(self.numbers)}", phone, customer))
            self._record(self.bookings[-1], stands, name, delay, way)

    @precondition(lambda self: self.bookings)
    @rule(pick=picks, stands=standings, delay=delays, way=ways)
    def record_booking_again(self, pick: int, stands: Document, delay: timedelta, way: str) -> None:
        self._record(self._pick(self.bookings, pick), stands, None, delay, way)

    @rule(
        phone=phones,
        canceled=st.lists(st.booleans(), min_size=2, max_size=4),
        shuffle=st.randoms(use_true_random=False),
        delay=delays,
        together=st.booleans(),
    )
    def book_and_cancel(
        self, phone: str, canceled: list[bool], shuffle: random.Random, delay: timedelta, together: bool
    ) -> None:
        """Bookings of one person, some of them canceled before or after others are made, told in any order."""
        bookings = [Booking(f"B{next(self.numbers)}", phone, None) for _ in canceled]
        self.bookings += bookings
        cancels = [(one, "canceled") for one, gone in zip(bookings, canceled, strict=True) if gone]
        steps = [*((one, "booked") for one in bookings), *cancels]
        shuffle.shuffle(steps)
        stands = BOOKED | {"starts_at": self.system.now + BOOKED["starts_at"]}
        events = [booked(one, stands | {"status": done}, None, self._moment(delay)) for one, done in steps]
        shuffle.shuffle(events)
        for batch in [events] if together else [[event] for event in events]:
            self._tell(batch, "now")

    def _record(self, booking: Booking, stands: Document, name: str | None, delay: timedelta, way: str) -> None:
        stands = {**stands, "starts_at": self.system.now + stands["starts_at"]}
        self._tell([booked(booking, stands, name, self._moment(delay))], way)

    @precondition(lambda self: self.known)
    @rule(pick=picks, stage=st.sampled_from(["contacted", "lost"]), delay=delays, way=ways)
    def move(self, pick: int, stage: str, delay: timedelta, way: str) -> None:
        self._tell([moved(self._pick(self.known, pick), stage, self._moment(delay))], way)

    @rule(phone=phones, way=ways)
    def opt_out(self, phone: str, way: str) -> None:
        self._tell([opted_out(phone, self._moment(timedelta()))], way)

    @precondition(lambda self: self.pending)
    @rule(shuffle=st.randoms(use_true_random=False), count=st.integers(1, 6))
    def deliver(self, shuffle: random.Random, count: int) -> None:
        """Some of what waits, in any order and in one batch."""
        shuffle.shuffle(self.pending)
        self._take(self.pending[:count])

    @precondition(lambda self: self.handled)
    @rule(shuffle=st.randoms(use_true_random=False), count=st.integers(1, 6))
    def deliver_again(self, shuffle: random.Random, count: int) -> None:
        before = self.system.everything()
        self.system.take(shuffle.sample(self.handled, min(count, len(self.handled))))
        assert self.system.everything() == before

    # What time does.

    @rule(days=st.sampled_from([1, 30, 100, 175, 181, 184]), hours=st.integers(0, 3))
    def jump(self, days: int, hours: int) -> None:
        self.system.now += timedelta(days=days, hours=hours)
        self.stale = True

    @precondition(lambda self: self.stale)
    @rule()
    def age(self) -> None:
        self.system.age()
        self.stale = False

    # What always holds.

    @invariant()
    def agrees(self) -> None:
        self._listen()
        customers = self.system.documents(CUSTOMERS)
        assert customers.keys() == self.model.records.keys()
        for customer_id, customer in customers.items():
            if customer_id in self.model.part_of:
                assert customer["merged_into"] == self.model.root(customer_id)
            else:
                self._agrees_on(customer)
        self._agrees_on_timelines()
        self._agrees_on_appointments()
        self._agrees_on_totals()
        if not self.stale:
            assert self.system.wrong() == {}

    def _agrees_on(self, customer: Document) -> None:
        root = customer["_id"]
        view = self.model.view(root)
        assert customer["merged_into"] is None
        assert {name: customer[name] for name in view} == view
        if not self.stale:
            assert customer["segment"] == self.model.segment(root, self.system.now)
        told = {name: value for name, value in self.mirror.customers[root].items() if name != "last_segment"}
        assert told == {name: customer[name] for name in told}
        assert customer["segment"] == self.mirror.customers[root].get("last_segment", customer["segment"])

    def _agrees_on_timelines(self) -> None:
        counts: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
        for entry in self.system.documents(TIMELINE).values():
            counts[entry["customer_id"]][entry["kind"]] += 1
        waiting = counts.pop(None, Counter())
        assert waiting == +Counter(sms=len(self.model.texts_waiting), transcript=len(self.model.transcripts_waiting))
        assert counts.keys() <= self.model.records.keys()
        for root in self.model.roots():
            group = self.model.group(root)
            segments = Counter(segment=sum(self.mirror.segment_changes.get(one, 0) for one in group))
            assert sum((counts[one] for one in group), Counter()) == self.model.kinds(root) + segments

    def _agrees_on_appointments(self) -> None:
        entries = [one for one in self.system.documents(TIMELINE).values() if one["kind"] == "appointment"]
        assert {(one["service"], one["customer_id"]) for one in entries} == {
            (name, record.id) for record in self.model.records.values() for name in record.appointments
        }
        for entry in entries:
            stands = self.model.records[entry["customer_id"]].appointments[entry["service"]].stands
            assert {name: entry[name] for name in stands} == stands
            assert self.mirror.appointments[entry["appointment_id"]] == stands

    def _agrees_on_totals(self) -> None:
        stored = self.system.documents(ERASED_TOTALS).items()
        kept = {tuple(key.split(":")[1:]): [row["total"], row["visits"], row["customers"]] for key, row in stored}
        assert kept == self.model.totals

    def _listen(self) -> None:
        """What the service told since goes to others, and some of it back to itself."""
        for event in self.system.told(len(self.mirror.ids)):
            self.mirror.hear(event)
            if event.type == "sms.requested":
                self.pending.append(event)
        assert self.mirror.deleted == self.model.gone
        assert self.mirror.customers.keys() == self.model.records.keys()
        assert self.mirror.merged == self.model.part_of.keys()

    def teardown(self) -> None:
        """Once all has arrived, all of it once more, by itself, changes nothing, not even without the inbox."""
        self._take(list(self.pending))
        self.age()
        self.agrees()
        before = self.system.everything()
        for event in self.handled:
            self.system.take_unheeding(event)
        assert self.system.everything() == before

    # How.

    @property
    def known(self) -> list[str]:
        return [*self.model.records, *sorted(self.model.gone)]

    def _appointments(self) -> list[str]:
        return [name for record in self.model.records.values() for name in record.appointments]

    @staticmethod
    def _pick(these: Sequence[T], number: int) -> T:
        return these[number % len(these)]

    def _gone(self, customer: str) -> str | None:
        return "not_found" if customer in self.model.gone else None

    def _ask(self, why_not: str | None, act: Callable[[], T]) -> T | None:
        """What the service does; None when it refuses for the reason that it should."""
        if why_not is None:
            return act()
        with pytest.raises(RingbackError) as refused:
            act()
        assert refused.value.code == why_not
        return None

    def _tick(self) -> None:
        self.system.now += timedelta(seconds=1)

    def _moment(self, delay: timedelta) -> datetime:
        """Some time ago, and no other fact's."""
        return self.system.now - delay + timedelta(milliseconds=next(self.numbers))

    def _tell(self, events: list[Event], way: str) -> None:
        self._tick()
        if way == "later":
            self.pending += events
        else:
            self._take({"now": events, "backwards": events[::-1], "twice": [*events, *events]}[way])

    def _take(self, events: Sequence[Event]) -> None:
        refused = {event.id for event in self.system.take(events)}
        once = list({event.id: event for event in events}.values())
        for event in once:
            assert self.model.refuses(event) == (event.id in refused)
            if event.id not in refused:
                self.model.take(event)
                self.handled.append(event)
        self.pending = [event for event in self.pending if event not in once]

    def _newcomer(self, event: Event) -> str:
        if event.type == "booking.recorded":
            return self._with_phone(event.data["phone"])
        names = ("call_sid", "message_sid")
        return self.system.owner(**{name: event.data[name] for name in names if name in event.data})

    def _with_phone(self, phone: str) -> str:
        [found] = [one for one in self.system.documents(CUSTOMERS).values() if phone in one["own"]["phones"]]
        return str(found["_id"])
