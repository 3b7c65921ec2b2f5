"""A run: what one rule did about one fact, and why. Pure.

{_id, business, rule_id, rule_name, trigger, event_id, customer_id, phone, values, data, conditions: [{…, seen, met}],
actions, step, state, reason, log: [{at, action, outcome, …}], causation: [ids of the runs that led here],
told: [ids of the events that it told], fired_at, due_at, finished_at, expires_at, version}. `step` is the action that
comes next.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pipeline.automation.rules import judged

Document = dict[str, Any]

WAITING, DONE, SKIPPED, STOPPED, CANCELED = "waiting", "done", "skipped", "stopped", "canceled"
# Runs that led to each other, and runs of one rule for one customer a day: more is a loop, by whatever way it goes.
DEEPEST = 5
MOST_A_DAY = 50
KEPT = timedelta(days=90)
KEPT_SKIPPED = timedelta(days=35)
# Ids are made from customers' ids, those from numbers: what is left of somebody erased is not kept for long.
KEPT_ERASED = timedelta(days=30)
LOOP = "loop"


def run_id(rule_id: str, fact_id: str) -> str:
    """The same rule and fact always make the same run."""
    return hashlib.sha256(json.dumps([rule_id, fact_id]).encode()).hexdigest()[:32]


def new_run(
    rule: Mapping[str, Any],
    fact: Mapping[str, Any],
    values: Mapping[str, Any],
    causation: Sequence[str],
    now: datetime,
) -> Document:
    """The run of a rule that a fact concerns; over at once when a condition is not met, or when it is a loop."""
    conditions = judged(rule["conditions"], values)
    run = {
        "_id": run_id(rule["_id"], fact["_id"]),
        "business": rule["business"],
        "rule_id": rule["_id"],
        "rule_name": rule["name"],
        "trigger": fact["trigger"],
        "event_id": fact["event_id"],
        "at": fact["at"],
        "customer_id": fact["customer_id"],
        "phone": None if fact["customer_id"] else fact["phone"],
        "values": dict(values),
        "data": fact["data"],
        "conditions": conditions,
        "actions": rule["actions"],
        "step": 0,
        "state": WAITING,
        "reason": None,
        "log": [],
        "causation": list(causation),
        "told": [],
        "fired_at": now,
        "due_at": now,
        "finished_at": None,
        "expires_at": None,
    }
    if not all(condition["met"] for condition in conditions):
        return finished(run, SKIPPED, "conditions", now)
    return finished(run, STOPPED, LOOP, now) if len(causation) >= DEEPEST else run


def finished(run: Document, state: str, reason: str | None, now: datetime) -> Document:
    kept = KEPT_SKIPPED if state == SKIPPED else KEPT
    ended = {"state": state, "reason": reason, "due_at": None, "finished_at": now, "expires_at": now + kept}
    return {**run, **ended, "phone": None}


def logged(run: Document, now: datetime, outcome: str, told: Sequence[str] = (), **details: Any) -> Document:
    """The run after its next action, with what came of it and the ids of the events that it told."""
    entry = {"at": now, "action": run["actions"][run["step"]]["type"], "outcome": outcome, **details}
    return {**run, "step": run["step"] + 1, "log": [*run["log"], entry], "told": [*run["told"], *told]}


def erased(run: Document, now: datetime) -> Document:
    """Without the person. What waited is not done any more; what is left goes as soon as the inbox's trace of it."""
    over = finished(run, CANCELED, "customer_deleted", now) if run["state"] == WAITING else run
    conditions = [{**condition, "seen": None} for condition in run["conditions"]]
    blank = {**over, **dict.fromkeys(("customer_id", "phone", "event_id")), "values": {}, "data": {}}
    return {**blank, "conditions": conditions, "expires_at": min(over["expires_at"], now + KEPT_ERASED)}
