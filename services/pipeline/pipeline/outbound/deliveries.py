"""A delivery from its making to its end. Pure."""

from datetime import datetime, timedelta
from typing import Any

from pipeline.outbound.attempts import Outcome, is_given_up, next_attempt

Document = dict[str, Any]

PENDING, DELIVERED, FAILED, CANCELED = "pending", "delivered", "failed", "canceled"
MOST_LOGGED = 20
MOST_NOTICES = 20
GONE, FAILING = "gone", "failing"


def new_delivery(
    message_id: str,
    endpoint: Document,
    kind: str,
    body: str,
    now: datetime,
    kept: timedelta,
    customer_id: str | None = None,
    phone: str | None = None,
) -> Document:
    return {
        "_id": message_id,
        "business": endpoint["business"],
        "endpoint_id": endpoint["_id"],
        "type": kind,
        "customer_id": customer_id,
        "phone": phone,
        "body": body,
        "state": PENDING,
        "reason": None,
        "due_at": now,
        "attempts": 0,
        "log": [],
        "created_at": now,
        "finished_at": None,
        "expires_at": now + kept,
    }


def attempted(delivery: Document, outcome: Outcome, started_at: datetime, now: datetime, spread: float) -> Document:
    """The delivery after an attempt. `spread`: see `next_attempt`."""
    entry = {
        "at": started_at,
        "status": outcome.status,
        "error": outcome.error,
        "body": outcome.body,
        "milliseconds": round((now - started_at).total_seconds() * 1000),
    }
    attempts = delivery["attempts"] + 1
    tried = {**delivery, "attempts": attempts, "log": [*delivery["log"], entry][-MOST_LOGGED:]}
    due_at = next_attempt(attempts, outcome, now, spread)
    if due_at is not None:
        return {**tried, "due_at": due_at}
    if outcome.delivered:
        return finished(tried, DELIVERED, None, now)
    return finished(tried, FAILED, GONE if outcome.gone else "attempts_used_up", now)


def finished(delivery: Document, state: str, reason: str | None, now: datetime) -> Document:
    return {**delivery, "state": state, "reason": reason, "due_at": None, "finished_at": now}


def replayed(delivery: Document, now: datetime) -> Document:
    """To be sent again under the same id, so that a receiver that has it already can tell."""
    return {**delivery, "state": PENDING, "reason": None, "due_at": now, "attempts": 0, "finished_at": None}


def erased(delivery: Document, now: datetime) -> Document:
    """Without the person: neither what was to be said nor what receivers answered."""
    log = [{**entry, "body": ""} for entry in delivery["log"]]
    blank = {**delivery, "customer_id": None, "phone": None, "body": None, "log": log}
    return finished(blank, CANCELED, "erased", now) if delivery["state"] == PENDING else blank


def noticed(endpoint: Document, outcome: Outcome, now: datetime) -> Document:
    """The endpoint after an attempt: since when it fails, and disabled when it asked for that or failed for days."""
    if outcome.delivered:
        return {**endpoint, "failing_since": None}
    failing = {**endpoint, "failing_since": endpoint["failing_since"] or now}
    if not endpoint["active"]:
        return endpoint
    if outcome.gone:
        return disabled(failing, GONE, now)
    return disabled(failing, FAILING, now) if is_given_up(failing["failing_since"], now) else failing


def disabled(endpoint: Document, reason: str, now: datetime) -> Document:
    stopped = {**endpoint, "active": False, "disabled_at": now, "disabled_reason": reason}
    return with_notice(stopped, f"disabled: {reason}", now)


def with_notice(endpoint: Document, notice: str, now: datetime, by: str | None = None) -> Document:
    return {**endpoint, "notices": [*endpoint["notices"], {"at": now, "notice": notice, "by": by}][-MOST_NOTICES:]}
