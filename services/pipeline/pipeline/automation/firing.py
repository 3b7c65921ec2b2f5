"""Facts are kept as their events come; then rules that they set off begin to run, and endpoints are told.

Both are a unit of work each, so that an event is taken in whatever becomes of it, and each rule runs once for a fact:
the fact is pending in the same transaction in which its runs begin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.appointments import appointment_id_of
from pipeline.automation import store
from pipeline.automation.leads import lead_of, load_leads, shown_customer, values_of
from pipeline.automation.rules import Values, is_concerned
from pipeline.automation.runs import LOOP, MOST_A_DAY, STOPPED, WAITING, finished, new_run
from pipeline.automation.triggers import FIRED, NOBODY, PENDING, fact_of, looked_for, settled
from pipeline.outbound.sending import Message, send, subscribed
from pipeline.outbound.store import load_endpoints
from pipeline.stages import CONVERTED
from pipeline.store import APPOINTMENTS
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.contracts.envelope import Event
from ringback.store.database import Database
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork

DAY = timedelta(days=1)


@dataclass(frozen=True, eq=False)
class RecordFacts:
    """Keeps what may set rules off. Free of order, and of repetition: a fact goes by its event's id."""

    clock: Clock

    def __call__(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        now = self.clock()
        facts = {fact["_id"]: fact for fact in (fact_of(event, now, _first_at(work, event)) for event in events)}
        known = {fact["_id"] for fact in store.load_facts(work, facts)}
        for fact_id, fact in facts.items():
            if fact_id not in known:
                work.save(store.FACTS, fact)


def _first_at(work: UnitOfWork, event: Event) -> datetime | None:
    """When an appointment was completed first, of which the leads' part of the same unit of work knows longer."""
    if event.type != "appointment.completed":
        return None
    appointment_id = appointment_id_of(event.business, event.data["appointment_id"])
    known = work.get(APPOINTMENTS, appointment_id)
    times: list[datetime] = known["marks"].get(CONVERTED.key, []) if known else []
    return times[0] if times else None


@dataclass(frozen=True)
class Firing:
    """Takes pending facts up once it is known whom they are about."""

    database: Database
    businesses: Mapping[str, Business]
    clock: Clock

    def fire(self, fact_ids: Sequence[str]) -> None:
        """Begin what these set off, in one transaction. Raises ConcurrentUpdate."""
        work, now = UnitOfWork(self.database, self.clock), self.clock()
        facts = [fact for fact in store.load_facts(work, fact_ids) if fact["state"] == PENDING]
        load_leads(work, facts)
        served = {fact["business"] for fact in facts}
        reactions = Reactions(
            self.database,
            work,
            now,
            [rule for rule in store.load_rules(work, served) if rule["active"]],
            load_endpoints(work, served),
            store.load_runs_that_told(work, [fact["event_id"] for fact in facts]),
        )
        for fact in facts:
            self._take(reactions, fact)
        work.commit()
        self.database.signal(store.RUNS).set()

    def _take(self, reactions: "Reactions", fact: Document) -> None:
        business, lead = self.businesses.get(fact["business"]), lead_of(reactions.work, fact)
        awaited = lead is None and bool(fact["customer_id"] or fact["phone"])
        later = looked_for(fact, reactions.now) if awaited else None
        if later is not None:
            reactions.work.save(store.FACTS, later)
        elif business is None or (awaited and fact["customer_id"]):
            reactions.work.save(store.FACTS, settled(fact, NOBODY))
        else:
            reactions.follow(fact, lead, {**values_of(lead, business, reactions.now), **fact["values"]})


@dataclass(frozen=True)
class Reactions:
    """What the facts of a batch lead to. `parents`: by event, the run that told it."""

    database: Database
    work: UnitOfWork
    now: datetime
    rules: Sequence[Document]
    endpoints: Sequence[Document]
    parents: Mapping[str, Document]

    def follow(self, fact: Document, lead: Document | None, values: Values) -> None:
        """The runs of the rules that wait for this, and deliveries to the endpoints that want to be told."""
        known = {**fact, "values": dict(values), "customer_id": lead["_id"] if lead else None}
        for rule in self.rules:
            if rule["business"] == fact["business"] and is_concerned(rule, fact["trigger"], values):
                self._begin(rule, known, values)
        for endpoint in subscribed(self.endpoints, fact["business"], fact["trigger"]):
            send(self.work, endpoint, _message(known, lead), self.now)
        self.work.save(store.FACTS, settled(known, FIRED))

    def _begin(self, rule: Document, fact: Document, values: Values) -> None:
        parent = self.parents.get(fact["event_id"])
        causation = [*parent["causation"], parent["_id"]] if parent else []
        run = new_run(rule, fact, values, causation, self.now)
        if run["state"] == WAITING and self._runs_too_often(run):
            run = finished(run, STOPPED, LOOP, self.now)
        self.work.save(store.RUNS, run)

    def _runs_too_often(self, run: Document) -> bool:
        if run["customer_id"] is None:
            return False
        since = self.now - DAY
        return store.count_runs(self.database, run["rule_id"], run["customer_id"], since, MOST_A_DAY) >= MOST_A_DAY


def _message(fact: Document, lead: Document | None) -> Message:
    data = {**fact["data"], "customer": shown_customer(lead, fact["phone"]), "event_id": fact["event_id"]}
    phone = None if lead else fact["phone"]
    return Message(fact["trigger"], fact["at"], data, ("fact", fact["_id"]), fact["customer_id"], phone)
