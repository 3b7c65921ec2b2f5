"""What is told of a call, in any order, as one entry of the timeline. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ringback.outcomes import OUTCOMES_BY_WEIGHT

Document = dict[str, Any]

OUTCOME_FIELDS = ("outcome", "reason", "ended_at", "duration_seconds", "answered_at", "voicemail")


@dataclass(frozen=True, slots=True)
class CallFact:
    """What one `call.*` event says. `phone` is E.164, None when the caller ID identifies nobody."""

    business: str
    call_sid: str
    phone: str | None
    phone_kind: str
    name: str | None
    at: datetime
    direction: str | None = None
    outcome: str | None = None
    reason: str = ""
    duration_seconds: int | None = None
    answered_at: datetime | None = None
    voicemail: bool = False


def entry_id_of(business: str, call_sid: str) -> str:
    return f"{business}:call:{call_sid}"


def merged_call(entry: Document | None, fact: CallFact, owner: str) -> Document:
    """The entry after a fact. Commutative, associative and idempotent over the facts of a call."""
    entry = entry or _new_entry(owner, fact)
    if fact.outcome is None:
        merged = {**entry, "started_at": fact.at, "direction": fact.direction}
    elif _evidence(_outcome_of(fact)) > _evidence(entry):
        merged = {**entry, **_outcome_of(fact)}
    else:
        merged = entry
    return {**merged, "at": merged["started_at"] or merged["ended_at"]}


def _new_entry(owner: str, fact: CallFact) -> Document:
    return {
        "_id": entry_id_of(fact.business, fact.call_sid),
        "business": fact.business,
        "customer_id": owner,
        "kind": "call",
        "call_sid": fact.call_sid,
        "at": fact.at,
        "started_at": None,
        "direction": None,
        "outcome": None,
        "reason": "",
        "ended_at": None,
        "duration_seconds": None,
        "answered_at": None,
        "voicemail": False,
    }


def _outcome_of(fact: CallFact) -> Document:
    values = (fact.outcome, fact.reason, fact.at, fact.duration_seconds, fact.answered_at, fact.voicemail)
    return dict(zip(OUTCOME_FIELDS, values, strict=True))


def _evidence(outcome: Mapping[str, Any]) -> tuple[int, float]:
    """How much an outcome weighs; of two alike the earlier is taken, whichever came first."""
    if outcome["outcome"] is None:
        return (-1, 0.0)
    return OUTCOMES_BY_WEIGHT.index((outcome["outcome"], outcome["reason"])), -outcome["ended_at"].timestamp()
