"""Runs go on when they are due: actions one after the other, up to a wait or the end, in one unit of work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.automation import store
from pipeline.automation.actions import ACTIONS, Scene
from pipeline.automation.leads import values_of
from pipeline.automation.rules import still_holds
from pipeline.automation.runs import CANCELED, DONE, STOPPED, WAITING, finished, logged
from pipeline.outbound.store import DELIVERIES, load_endpoints
from pipeline.people import Needs, People
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.store.database import Database
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class Executing:
    database: Database
    businesses: Mapping[str, Business]
    clock: Clock

    def go_on(self, run_ids: Sequence[str]) -> None:
        """Take these runs as far as they go now, in one transaction. Raises ConcurrentUpdate."""
        work, now = UnitOfWork(self.database, self.clock), self.clock()
        runs = [run for run in store.load_runs(work, run_ids) if _is_due(run, now)]
        people = People(work, self.businesses, now, salt=runs[0]["_id"] if runs else "")
        people.load(Needs(leads={run["customer_id"] for run in runs if run["customer_id"]}))
        rules = store.load_rules_of(work, {run["rule_id"] for run in runs})
        endpoints = {one["_id"]: one for one in load_endpoints(work, {run["business"] for run in runs})}
        for run in runs:
            rule, business = rules.get(run["rule_id"]), self.businesses.get(run["business"])
            if rule is None or not rule["active"] or business is None:
                work.save(store.RUNS, finished(run, STOPPED, "rule_deactivated", now))
                continue
            theirs = {key: one for key, one in endpoints.items() if one["business"] == run["business"]}
            work.save(store.RUNS, _advanced(Scene(work, people, business, now, theirs), run))
        work.commit()
        self.database.signal(DELIVERIES).set()


def _is_due(run: Document, now: datetime) -> bool:
    return run["state"] == WAITING and bool(run["due_at"] <= now)


def _advanced(scene: Scene, run: Document) -> Document:
    if run["customer_id"] and scene.people.root_of(run["customer_id"]) is None:
        return finished(run, CANCELED, "unknown_customer", scene.now)
    if _has_to_hold(run) and not _holds(scene, run):
        return finished(run, STOPPED, "no_longer", scene.now)
    while run["step"] < len(run["actions"]):
        action = run["actions"][run["step"]]
        result = ACTIONS[action["type"]](scene, run, action)
        run = logged(run, scene.now, result.outcome, result.told, **result.details)
        if result.until is not None:
            return {**run, "due_at": result.until}
    return finished(run, DONE, None, scene.now)


def _has_to_hold(run: Document) -> bool:
    """Whether the wait that is over was one that asks again."""
    waited = run["actions"][run["step"] - 1] if run["step"] else {}
    return bool(waited.get("still"))


def _holds(scene: Scene, run: Document) -> bool:
    lead = scene.people.root_of(run["customer_id"]) if run["customer_id"] else None
    return still_holds(run, {**run["values"], **values_of(lead, scene.business, scene.now)})
