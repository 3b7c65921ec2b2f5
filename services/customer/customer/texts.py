"""What is told of a text, in or out and in any order, as one entry of the timeline. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ringback.outcomes import STATUSES_BY_RANK

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TextFact:
    """What one event says of a text of ours, known by its request."""

    request_id: str
    status: str
    at: datetime
    body: str | None = None
    purpose: str | None = None
    reason: str | None = None
    message_sid: str | None = None
    error_code: int | None = None


def received_id_of(business: str, message_sid: str) -> str:
    return f"{business}:sms:{message_sid}"


def sent_id_of(business: str, request_id: str) -> str:
    return f"{business}:sms-out:{request_id}"


def received(business: str, owner: str, data: Mapping[str, Any]) -> Document:
    """A text that came in, by the data of `sms.received`."""
    return {
        "_id": received_id_of(business, data["message_sid"]),
        "business": business,
        "customer_id": owner,
        "kind": "sms",
        "direction": "inbound",
        "at": data["at"],
        "message_sid": data["message_sid"],
        "body": data["body"],
        "media": list(data["media"]),
        "consent": data["consent"],
    }


def merged_text(entry: Document | None, fact: TextFact, entry_id: str, business: str, owner: str | None) -> Document:
    """The entry of a text of ours after a fact. Commutative and idempotent over the facts of a request."""
    entry = entry or _new_entry(entry_id, business, owner, fact)
    told = {**entry["told"], fact.status: {"at": fact.at, "error_code": fact.error_code, "reason": fact.reason}}
    furthest = max(told, key=STATUSES_BY_RANK.index)
    return {
        **entry,
        "at": min(one["at"] for one in told.values()),
        "told": told,
        "status": furthest,
        "status_at": told[furthest]["at"],
        "error_code": told[furthest]["error_code"],
        "reason": told[furthest]["reason"],
        "body": entry["body"] or fact.body,
        "purpose": entry["purpose"] or fact.purpose,
        "message_sid": entry["message_sid"] or fact.message_sid,
    }


def told_until(entry: Mapping[str, Any]) -> datetime:
    """When the latest of what is known of a text of ours was told."""
    latest: datetime = max(one["at"] for one in entry["told"].values())
    return latest


def _new_entry(entry_id: str, business: str, owner: str | None, fact: TextFact) -> Document:
    return {
        "_id": entry_id,
        "business": business,
        "customer_id": owner,
        "kind": "sms",
        "direction": "outbound",
        "request_id": fact.request_id,
        "told": {},
        "body": None,
        "purpose": None,
        "message_sid": None,
    }
