"""The documents of automations.

`automations`: a rule, {_id, business, name, active, trigger, conditions, actions, created_at, updated_at, updated_by,
version}. `rulebooks`: {_id: business, saves, version}; whoever saves a rule saves it, too, so that two who save at
once cannot make a circle between them. `trigger_log`: see triggers.py. `automation_runs`: see runs.py. What is
pending or waiting is due at `due_at`.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, DeleteOne, IndexModel, UpdateMany

from pipeline.automation.runs import KEPT, SKIPPED, STOPPED, WAITING
from pipeline.automation.triggers import FIRED, PENDING
from pipeline.outbound.store import Phones, about
from ringback.store.database import Database, Indexes
from ringback.store.mongo import Document, translated_errors
from ringback.store.paging import Page, keyset_page
from ringback.store.unit_of_work import UnitOfWork

RULES = "automations"
RULEBOOKS = "rulebooks"
FACTS = "trigger_log"
RUNS = "automation_runs"

DUE = IndexModel([("due_at", ASCENDING)], partialFilterExpression={"due_at": {"$type": "date"}})
EXPIRING = IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0)
BY_CUSTOMER = IndexModel([("customer_id", ASCENDING)], partialFilterExpression={"customer_id": {"$type": "string"}})
BY_PHONE = IndexModel([("phone", ASCENDING)], partialFilterExpression={"phone": {"$type": "string"}})
NEWEST_FIRED = [("fired_at", DESCENDING), ("_id", DESCENDING)]
INDEXES: Indexes = {
    RULES: [IndexModel([("business", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)])],
    FACTS: [
        IndexModel([("business", ASCENDING), ("trigger", ASCENDING), ("at", DESCENDING)]),
        BY_PHONE,
        BY_CUSTOMER,
        DUE,
        EXPIRING,
    ],
    RUNS: [
        IndexModel([("business", ASCENDING), *NEWEST_FIRED]),
        IndexModel([("rule_id", ASCENDING), *NEWEST_FIRED]),
        IndexModel([("rule_id", ASCENDING), ("customer_id", ASCENDING), ("fired_at", DESCENDING)]),
        IndexModel([("rule_id", ASCENDING), ("state", ASCENDING)], partialFilterExpression={"state": WAITING}),
        IndexModel([("told", ASCENDING)]),
        BY_PHONE,
        BY_CUSTOMER,
        DUE,
        EXPIRING,
    ],
}


# Rules.


def load_rules(work: UnitOfWork, businesses: Iterable[str]) -> list[Document]:
    return work.load(RULES, {"business": {"$in": sorted(set(businesses))}})


def load_rule(work: UnitOfWork, business: str, rule_id: str) -> Document | None:
    return next(iter(work.load(RULES, {"_id": {"$eq": rule_id}, "business": business})), None)


def load_rules_of(work: UnitOfWork, ids: Iterable[str]) -> dict[str, Document]:
    return {rule["_id"]: rule for rule in work.load(RULES, {"_id": {"$in": sorted(set(ids))}})}


def touch_rulebook(work: UnitOfWork, business: str) -> None:
    """To be done before rules are loaded: who saves a rule of this business at the same moment loads again."""
    known: Document = next(iter(work.load(RULEBOOKS, {"_id": business})), {"_id": business, "saves": 0})
    work.save(RULEBOOKS, {**known, "saves": known["saves"] + 1})


def delete_rule(work: UnitOfWork, rule_id: str) -> None:
    work.write(RULES, DeleteOne({"_id": rule_id}))


def find_rule(database: Database, business: str, rule_id: str) -> Document | None:
    with translated_errors():
        return database[RULES].find_one({"_id": {"$eq": rule_id}, "business": business})


def list_rules(database: Database, business: str, cursor: str | None, limit: int) -> Page:
    with translated_errors():
        return keyset_page(database[RULES], {"business": business}, "created_at", cursor, limit)


def rule_names(database: Database, business: str, ids: Iterable[str]) -> dict[str, str]:
    """What these rules are called, as far as they are still there."""
    with translated_errors():
        found = database[RULES].find({"_id": {"$in": sorted(set(ids))}, "business": business}, {"name": 1})
        return {rule["_id"]: rule["name"] for rule in found}


# Facts.


def load_facts(work: UnitOfWork, ids: Iterable[str]) -> list[Document]:
    return work.load(FACTS, {"_id": {"$in": sorted(ids)}})


def recent_facts(database: Database, business: str, trigger: str, since: datetime, limit: int) -> list[Document]:
    """What set rules off since then, or is about to, the newest first."""
    query = {"business": business, "trigger": trigger, "at": {"$gte": since}, "state": {"$in": [PENDING, FIRED]}}
    with translated_errors():
        return list(database[FACTS].find(query).sort("at", DESCENDING).limit(limit))


# Runs.


def load_runs(work: UnitOfWork, ids: Iterable[str]) -> list[Document]:
    return work.load(RUNS, {"_id": {"$in": sorted(ids)}})


def load_runs_that_told(work: UnitOfWork, event_ids: Iterable[str]) -> dict[str, Document]:
    """By event, the run whose action told it."""
    wanted = set(event_ids)
    found = work.load(RUNS, {"told": {"$in": sorted(wanted)}})
    return {event_id: run for run in found for event_id in wanted & set(run["told"])}


def count_runs(database: Database, rule_id: str, customer_id: str, since: datetime, most: int) -> int:
    """How often a rule did something about a customer since then, counted up to `most`."""
    query = {"rule_id": rule_id, "customer_id": customer_id, "fired_at": {"$gte": since}, "state": {"$ne": SKIPPED}}
    with translated_errors():
        return database[RUNS].count_documents(query, limit=most)


def stop_waiting(work: UnitOfWork, rule_id: str, reason: str, now: datetime) -> None:
    """Whoever takes one of these a step further at the same moment loses, and looks again."""
    entry = {"at": now, "action": None, "outcome": STOPPED, "reason": reason}
    ended = {"state": STOPPED, "reason": reason, "due_at": None, "finished_at": now, "expires_at": now + KEPT}
    change = {"$set": ended | {"phone": None}, "$push": {"log": entry}, "$inc": {"version": 1}}
    work.write(RUNS, UpdateMany({"rule_id": rule_id, "state": WAITING}, change))


def find_run(database: Database, business: str, run_id: str) -> Document | None:
    with translated_errors():
        return database[RUNS].find_one({"_id": {"$eq": run_id}, "business": business})


def list_runs(database: Database, business: str, rule_id: str | None, cursor: str | None, limit: int) -> Page:
    """A business's runs, or one rule's."""
    whose = {"business": business} | ({"rule_id": {"$eq": rule_id}} if rule_id else {})
    with translated_errors():
        return keyset_page(database[RUNS], whose, "fired_at", cursor, limit)


def last_runs(database: Database, rule_ids: Iterable[str]) -> dict[str, Document]:
    """Of each of these rules the run that began last, as far as there is one."""
    latest: list[dict[str, Any]] = [
        {"$match": {"rule_id": {"$in": sorted(rule_ids)}}},
        # In the order of the index, so that MongoDB reads one entry a rule.
        {"$sort": {"rule_id": ASCENDING, "fired_at": DESCENDING, "_id": DESCENDING}},
        {"$group": {"_id": "$rule_id", "fired_at": {"$first": "$fired_at"}, "state": {"$first": "$state"}}},
    ]
    with translated_errors():
        return {row["_id"]: row for row in database[RUNS].aggregate(latest)}


# Both.


def due(database: Database, collection: str, now: datetime, limit: int) -> list[str]:
    """The ids of what is due by now, longest first."""
    with translated_errors():
        found = database[collection].find({"due_at": {"$type": "date", "$lte": now}}, {"_id": 1})
        return [row["_id"] for row in found.sort("due_at", ASCENDING).limit(limit)]


def put_off(database: Database, collection: str, document_id: str, until: datetime, reason: str) -> None:
    change = {"$set": {"due_at": until, "reason": reason}, "$inc": {"version": 1}}
    with translated_errors():
        database[collection].update_one({"_id": document_id, "due_at": {"$type": "date"}}, change)


def load_runs_about(work: UnitOfWork, customer_ids: Iterable[str], phones: Phones) -> list[Document]:
    return work.load(RUNS, about(customer_ids, phones))


def load_facts_about(work: UnitOfWork, customer_ids: Iterable[str], phones: Phones) -> list[Document]:
    return work.load(FACTS, about(customer_ids, phones))
