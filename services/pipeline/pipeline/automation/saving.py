"""Use cases: rules are made, changed and deleted. All raise NotFound for what is not there or another business's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.automation import store
from pipeline.automation.cycles import cycle_with
from pipeline.outbound.store import load_endpoints
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.errors import Conflict, Invalid, NotFound
from ringback.store.database import Database
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork, repeated
from ringback.web.versions import Check

MOST_RULES = 100


@dataclass(frozen=True)
class Automations:
    """`new_id` makes the ids of what a person asked for."""

    database: Database
    businesses: Mapping[str, Business]
    clock: Clock
    new_id: Callable[[], str]

    def create(self, business: str, values: Mapping[str, Any], actor: str) -> Document:
        """Raises Invalid naming the field, also for a circle of rules; Conflict too_many."""
        rule_id = self.new_id()

        def in_work(work: UnitOfWork) -> None:
            others = _others(work, business, rule_id)
            if len(others) >= MOST_RULES:
                raise Conflict(f"There are {MOST_RULES} automations already.", code="too_many")
            rule = {"_id": rule_id, "business": business, "created_at": self.clock()}
            self._save(work, rule, others, values, actor)

        repeated(self.database, self.clock, in_work)
        return self.existing(business, rule_id)

    def update(self, business: str, rule_id: str, values: Mapping[str, Any], check: Check, actor: str) -> Document:
        """The rule is what `values` say. What waits goes on as it began, unless the rule is active no more."""

        def in_work(work: UnitOfWork) -> None:
            others = _others(work, business, rule_id)
            rule = _loaded(work, business, rule_id)
            check(rule["version"])
            self._save(work, rule, others, values, actor)
            if rule["active"] and not values["active"]:
                store.stop_waiting(work, rule_id, "rule_deactivated", self.clock())

        repeated(self.database, self.clock, in_work)
        return self.existing(business, rule_id)

    def switch(self, business: str, rule_id: str, active: bool, check: Check, actor: str) -> Document:
        """The rule as it is, active or not. To be active it has to be one that could be saved anew; see `update`."""
        if active:
            rule = self.existing(business, rule_id)
            values = {name: rule[name] for name in ("name", "trigger", "conditions", "actions")}
            return self.update(business, rule_id, values | {"active": True}, check, actor)

        def in_work(work: UnitOfWork) -> None:
            rule = _loaded(work, business, rule_id)
            check(rule["version"])
            stopped = {"active": False, "updated_at": self.clock(), "updated_by": actor}
            work.save(store.RULES, {**rule, **stopped})
            store.stop_waiting(work, rule_id, "rule_deactivated", self.clock())

        repeated(self.database, self.clock, in_work)
        return self.existing(business, rule_id)

    def delete(self, business: str, rule_id: str) -> None:
        """What waits is stopped; the log of runs stays for its time."""

        def in_work(work: UnitOfWork) -> None:
            _loaded(work, business, rule_id)
            store.delete_rule(work, rule_id)
            store.stop_waiting(work, rule_id, "rule_deleted", self.clock())

        repeated(self.database, self.clock, in_work)

    def check(self, business: str, values: Mapping[str, Any]) -> None:
        """Raises Invalid unless the business has the templates and endpoints that the rule names."""
        self._check_parts(UnitOfWork(self.database, self.clock), business, values)

    def existing(self, business: str, rule_id: str) -> Document:
        found = store.find_rule(self.database, business, rule_id)
        if found is None:
            raise NotFound("There is no such automation.")
        return found

    def _save(
        self,
        work: UnitOfWork,
        rule: Document,
        others: Sequence[Document],
        values: Mapping[str, Any],
        actor: str,
    ) -> None:
        changed = {**rule, **values, "updated_at": self.clock(), "updated_by": actor}
        self._check_parts(work, rule["business"], values)
        _refuse_circle(changed, others)
        work.save(store.RULES, changed)

    def _check_parts(self, work: UnitOfWork, business: str, values: Mapping[str, Any]) -> None:
        known = {
            "template": set(self.businesses[business].templates),
            "endpoint_id": {endpoint["_id"] for endpoint in load_endpoints(work, [business])},
        }
        problems = [
            f"actions[{place}].{name}: There is no such {name.removesuffix('_id')}."
            for place, action in enumerate(values["actions"])
            for name, names in known.items()
            if name in action and action[name] not in names
        ]
        if problems:
            raise Invalid("Some fields are not valid.", errors={"actions": problems})


def _loaded(work: UnitOfWork, business: str, rule_id: str) -> Document:
    rule = store.load_rule(work, business, rule_id)
    if rule is None:
        raise NotFound("There is no such automation.")
    return rule


def _others(work: UnitOfWork, business: str, rule_id: str) -> list[Document]:
    """The business's other rules, as they will still be when this one is committed."""
    store.touch_rulebook(work, business)
    return [rule for rule in store.load_rules(work, [business]) if rule["_id"] != rule_id]


def _refuse_circle(rule: Document, others: Sequence[Document]) -> None:
    if not rule["active"]:
        return
    circle = cycle_with(rule, [one for one in others if one["active"]])
    if circle is None:
        return
    names = " → ".join(f"“{one['name']}”" for one in (*circle, rule))
    raise Invalid(
        "The automations would set each other off without end.",
        code="circular_rules",
        errors={"actions": [f"Circular: {names}. Narrow the trigger's `from` or `to`, or drop a move."]},
    )
