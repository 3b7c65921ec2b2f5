"""Customer and pipeline tell each other, on a real MongoDB: both show the same stages, merged, apart and erased."""

import itertools
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

import customer.store
import pipeline.store
from customer.commands import Desk
from customer.handlers import RecordEvents
from customer.lifecycle import Lifecycle
from pipeline.events import subscriptions
from pipeline.moves import Moves
from ringback.contracts.envelope import Event, decode
from ringback.seals import seal_with
from ringback.settings import load_settings
from ringback.store.database import OUTBOX, Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from tests.support.events import NOON, call_event

BUSINESSES = load_settings({}).businesses
SEAL = seal_with("s" * 40)
ANNA, BOB = "+12125550101", "+12125550102"


class Services:
    """Both services; `settle` gives each what the other told, in any order and some of it twice."""

    def __init__(self, customers: Database, leads: Database, seed: int) -> None:
        self.customers, self.leads, self.now = customers, leads, NOON
        self._random = random.Random(seed)
        self._numbers = itertools.count()
        self._told: set[str] = set()
        self.desk = Desk(customers, BUSINESSES, self.clock, self._new_id, SEAL)
        self.lifecycle = Lifecycle(customers, BUSINESSES, self.clock, self._new_id, SEAL)
        self.moves = Moves(leads, BUSINESSES, self.clock, self._new_id)

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def _new_id(self) -> str:
        return f"id-{next(self._numbers)}"

    def call(self, phone: str, event_type: str = "call.completed") -> None:
        event = call_event(event_type, f"CA{next(self._numbers)}", phone, self.clock())
        for handle in self._random.sample([self._to_customer, self._to_pipeline], 2):
            handle(event)

    def settle(self) -> None:
        while told := self._untold():
            self._random.shuffle(told)
            for event in [*told, *told[:2]]:
                self._to_pipeline(event)
                self._to_customer(event)

    def stages(self) -> tuple[dict[str, str], dict[str, str]]:
        """What both services show: the stage of each customer that is no part of another."""
        shown = self.customers["customers"].find({"merged_into": None})
        leads = self.leads["leads"].find({"shown": True})
        return {one["_id"]: one["pipeline_stage"] for one in shown}, {one["_id"]: one["stage"] for one in leads}

    def agree(self) -> dict[str, str]:
        self.settle()
        theirs, ours = self.stages()
        assert theirs == ours
        return ours

    def customer_of(self, phone: str) -> str:
        found = self.customers["customers"].find_one({"phones": phone})
        assert found is not None
        return str(found["_id"])

    def _untold(self) -> list[Event]:
        rows = [*self.customers[OUTBOX].find(), *self.leads[OUTBOX].find()]
        new = [row for row in rows if row["_id"] not in self._told]
        self._told |= {row["_id"] for row in new}
        return [decode(row["body"]) for row in new]

    def _to_customer(self, event: Event) -> None:
        if event.type in {"call.completed", "call.started", "lead.stage_changed"}:
            self._handle(self.customers, RecordEvents(BUSINESSES, self.clock, SEAL), event)

    def _to_pipeline(self, event: Event) -> None:
        handlers = subscriptions(BUSINESSES, self.clock, SEAL)
        if event.type in handlers:
            self._handle(self.leads, handlers[event.type], event)

    def _handle(self, database: Database, handler: Any, event: Event) -> None:
        work = UnitOfWork(database, self.clock)
        for unseen in work.unseen([event]):
            work.mark_handled(unseen)
            handler(work, [unseen])
        work.commit()


@pytest.fixture(params=range(4))
def services(request: pytest.FixtureRequest, mongo_url: str) -> Iterator[Services]:
    customers, leads = open_database(mongo_url, "customer"), open_database(mongo_url, "pipeline")
    customers.ensure_indexes(customer.store.INDEXES)
    leads.ensure_indexes(pipeline.store.INDEXES)
    yield Services(customers, leads, request.param)
    customers.close()
    leads.close()


def test_calls_bookings_completions_and_people_move_leads_in_both_services(services: Services) -> None:
    services.call(ANNA)
    services.call(BOB, "call.started")
    assert sorted(services.agree().values()) == ["contacted", "new_lead"]
    anna = services.customer_of(ANNA)
    visit = {"starts_at": NOON + timedelta(days=3), "service": "Cleaning", "price": 5000}
    booked = services.desk.book("demo", anna, visit)
    assert services.agree()[anna] == "appointment_set"
    services.desk.change_appointment("demo", anna, booked["appointment_id"], {"status": "completed"})
    assert services.agree()[anna] == "converted"
    services.moves.move("demo", anna, "contacted", actor="olga")
    assert services.agree()[anna] == "contacted"
    services.call(ANNA)
    assert services.agree()[anna] == "contacted"


def test_merged_and_taken_apart_both_services_show_the_same(services: Services) -> None:
    services.call(ANNA)
    services.call(BOB, "call.started")
    before = services.agree()
    anna, bob = services.customer_of(ANNA), services.customer_of(BOB)
    services.lifecycle.merge("demo", bob, anna, "olga")
    assert services.agree() == {bob: "contacted"}
    services.lifecycle.unmerge("demo", bob, anna, "olga")
    assert services.agree() == before
    services.call(BOB)
    assert services.agree() == {anna: "contacted", bob: "contacted"}


def test_erased_in_one_service_is_erased_in_the_other(services: Services) -> None:
    services.call(ANNA)
    services.call(BOB)
    services.agree()
    anna, bob = services.customer_of(ANNA), services.customer_of(BOB)
    services.lifecycle.merge("demo", anna, bob, "olga")
    services.agree()
    services.lifecycle.delete("demo", anna)
    assert services.agree() == {}
    names = ("leads", "numbers", "appointments", "visits")
    assert [row for name in names for row in services.leads[name].find()] == []
    services.call(ANNA)
    [(again, stage)] = services.agree().items()
    assert again not in {anna, bob}
    assert stage == "contacted"
