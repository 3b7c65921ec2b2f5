"""Use cases: endpoints are made, changed, tested; deliveries are sent again. All raise NotFound for what is not there
or another business's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pipeline.outbound import store
from pipeline.outbound.deliveries import PENDING, replayed, with_notice
from pipeline.outbound.payloads import TEST
from pipeline.outbound.sending import Message, send
from ringback.clock import Clock
from ringback.errors import Conflict, NotFound
from ringback.store.database import Database
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork, repeated
from ringback.web.versions import Check

MOST_ENDPOINTS = 50
# How long the secret before signs beside the new one, for the receiver to be told.
ROTATION = timedelta(hours=24)


@dataclass(frozen=True)
class Endpoints:
    """`new_id` makes the ids of what a person asked for."""

    database: Database
    clock: Clock
    new_id: Callable[[], str]

    def create(self, business: str, values: Mapping[str, Any], actor: str) -> Document:
        """Raises Conflict too_many."""
        if store.count_endpoints(self.database, business, MOST_ENDPOINTS) >= MOST_ENDPOINTS:
            raise Conflict(f"There are {MOST_ENDPOINTS} endpoints already.", code="too_many")
        endpoint_id = f"ep_{self.new_id()}"

        def in_work(work: UnitOfWork) -> None:
            work.save(store.ENDPOINTS, self._new(endpoint_id, business, values, actor))

        repeated(self.database, self.clock, in_work)
        return self._existing(business, endpoint_id)

    def update(
        self, business: str, endpoint_id: str, values: Mapping[str, Any], check: Check, actor: str
    ) -> Document:
        """Change what is in `values`. An endpoint that is made active again begins with a clean slate."""

        def change(endpoint: Document) -> Document:
            check(endpoint["version"])
            return self._changed(endpoint, values, actor)

        return self._change(business, endpoint_id, change)

    def rotate_secret(self, business: str, endpoint_id: str, actor: str) -> Document:
        """A new secret; the one before signs, too, for ROTATION."""

        def change(endpoint: Document) -> Document:
            now = self.clock()
            rotated = {"generation": endpoint["generation"] + 1, "previous_until": now + ROTATION, "updated_at": now}
            return with_notice({**endpoint, **rotated}, "secret rotated", now, actor)

        return self._change(business, endpoint_id, change)

    def delete(self, business: str, endpoint_id: str) -> None:
        """What was not delivered yet is not delivered any more; the log of deliveries stays for its time."""

        def in_work(work: UnitOfWork) -> None:
            _loaded(work, business, endpoint_id)
            store.delete_endpoint(work, endpoint_id)
            store.cancel_pending(work, endpoint_id, "endpoint_deleted", self.clock())

        repeated(self.database, self.clock, in_work)

    def test(self, business: str, endpoint_id: str, actor: str) -> str:
        """Send a message of the type `test`, also to an endpoint that is not active: the delivery's id."""
        cause = self.new_id()

        def in_work(work: UnitOfWork) -> str:
            endpoint, now = _loaded(work, business, endpoint_id), self.clock()
            return send(work, endpoint, Message(TEST, now, {"asked_by": actor}, (TEST, cause)), now)

        return repeated(self.database, self.clock, in_work)

    def replay(self, business: str, delivery_id: str) -> Document:
        """Send a delivery that came to its end again. Raises Conflict: pending, erased or endpoint_disabled."""

        def in_work(work: UnitOfWork) -> None:
            delivery = store.load_delivery(work, business, delivery_id)
            if delivery is None:
                raise NotFound("There is no such delivery.")
            self._refuse_replay(work, delivery)
            work.save(store.DELIVERIES, replayed(delivery, self.clock()))

        repeated(self.database, self.clock, in_work)
        found = store.find_delivery(self.database, business, delivery_id)
        if found is None:
            raise NotFound("There is no such delivery.")
        return found

    def _refuse_replay(self, work: UnitOfWork, delivery: Document) -> None:
        if delivery["state"] == PENDING:
            raise Conflict("It is being delivered.", code="pending")
        if delivery["body"] is None:
            raise Conflict("The customer was deleted, and what was to be said with them.", code="erased")
        endpoint = store.load_endpoint(work, delivery["business"], delivery["endpoint_id"])
        if endpoint is None or not endpoint["active"]:
            raise Conflict("The endpoint is not active.", code="endpoint_disabled")

    def _new(self, endpoint_id: str, business: str, values: Mapping[str, Any], actor: str) -> Document:
        now = self.clock()
        endpoint = {
            "_id": endpoint_id,
            "business": business,
            "description": "",
            "events": [],
            "active": True,
            **values,
            "generation": 1,
            "previous_until": None,
            "failing_since": None,
            "disabled_at": None,
            "disabled_reason": None,
            "notices": [],
            "created_at": now,
            "updated_at": now,
        }
        return with_notice(endpoint, "created", now, actor)

    def _changed(self, endpoint: Document, values: Mapping[str, Any], actor: str) -> Document:
        now = self.clock()
        changed = {**endpoint, **values, "updated_at": now}
        if changed["active"] and not endpoint["active"]:
            clean = dict.fromkeys(("failing_since", "disabled_at", "disabled_reason"))
            return with_notice({**changed, **clean}, "activated", now, actor)
        if endpoint["active"] and not changed["active"]:
            stopped = {**changed, "disabled_at": now, "disabled_reason": "by_hand"}
            return with_notice(stopped, "disabled: by_hand", now, actor)
        return changed

    def _change(self, business: str, endpoint_id: str, change: Callable[[Document], Document]) -> Document:
        def in_work(work: UnitOfWork) -> None:
            work.save(store.ENDPOINTS, change(_loaded(work, business, endpoint_id)))

        repeated(self.database, self.clock, in_work)
        return self._existing(business, endpoint_id)

    def _existing(self, business: str, endpoint_id: str) -> Document:
        found = store.find_endpoint(self.database, business, endpoint_id)
        if found is None:
            raise NotFound("There is no such endpoint.")
        return found


def _loaded(work: UnitOfWork, business: str, endpoint_id: str) -> Document:
    endpoint = store.load_endpoint(work, business, endpoint_id)
    if endpoint is None:
        raise NotFound("There is no such endpoint.")
    return endpoint
