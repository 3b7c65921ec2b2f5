"""Dry runs: what a rule would have done in the last 30 days, by the facts that were kept."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pipeline import store as leads_store
from pipeline.automation import store
from pipeline.automation.actions import filled, text_of, text_problem
from pipeline.automation.rules import are_met, is_concerned
from ringback.businesses import Business
from ringback.clock import Clock, rfc3339
from ringback.store.database import Database
from ringback.store.mongo import Document

DAYS = 30
# More facts are not looked at: the answer is for somebody who waits for it.
MOST_FACTS = 20_000
MOST_SAMPLES = 20


@dataclass(frozen=True)
class DryRuns:
    database: Database
    businesses: Mapping[str, Business]
    clock: Clock

    def dry_run(self, business: str, rule: Mapping[str, Any]) -> dict[str, Any]:
        """How often the rule would have fired, and for whom; changes nothing.

        Conditions see the values as they were; texts are filled in with what is known now. `since` is when the
        history that was looked at begins, `complete` says whether all of it was looked at.
        """
        since = self.clock() - timedelta(days=DAYS)
        found = store.recent_facts(self.database, business, rule["trigger"]["type"], since, MOST_FACTS)
        concerned = [fact for fact in found if is_concerned(rule, fact["trigger"], fact["values"])]
        fired = [fact for fact in concerned if are_met(rule["conditions"], fact["values"])]
        return {
            "summary": f"Over the last {DAYS} days this rule would have fired {_times(len(fired))}.",
            "days": DAYS,
            "since": rfc3339(found[-1]["at"]) if found else None,
            "complete": len(found) < MOST_FACTS,
            "concerned": len(concerned),
            "fired": len(fired),
            "customers": len({fact["customer_id"] for fact in fired if fact["customer_id"]}),
            "actions": dict(Counter(action["type"] for action in rule["actions"] for _ in fired)),
            "samples": self._samples(self.businesses[business], rule, fired[:MOST_SAMPLES]),
        }

    def _samples(self, business: Business, rule: Mapping[str, Any], facts: Sequence[Document]) -> list[Document]:
        leads = [self._lead(business, fact) for fact in facts]
        return [
            {
                "at": rfc3339(fact["at"]),
                "event_id": fact["event_id"],
                "customer": {"id": lead["_id"], "name": lead["name"]} if lead else None,
                "would": [would(business, lead, action) for action in rule["actions"]],
            }
            for fact, lead in zip(facts, leads, strict=True)
        ]

    def _lead(self, business: Business, fact: Document) -> Document | None:
        customer_id = fact["customer_id"]
        return leads_store.find_root(self.database, business.key, customer_id) if customer_id else None


def would(business: Business, lead: Document | None, action: Mapping[str, Any]) -> dict[str, Any]:
    """What an action would do now."""
    if action["type"] != "send_text":
        return dict(action)
    problem = text_problem(business, lead, action)
    if problem is not None or lead is None:
        return {"type": "send_text", "skipped": problem}
    return {"type": "send_text", "body": filled(business, lead, text_of(business, action) or "")}


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
