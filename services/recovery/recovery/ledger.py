"""What is known of one caller: facts, each under its own key, so that neither order nor repetition matters. Pure.

A ledger: {_id, business, phone, caller, calls, replies, bookings, texts, acts, …}. Each list is sorted by time and
holds one entry for a key; what several events say of one thing is merged by weight, never by arrival.

`calls` that ended: {sid, at, outcome, reason, kind, voicemail, answered_at, began_at, parts, count}; `count` calls
are summed up in one when there are too many. `started`: {sid, at}, calls that go on. `replies`: {sid, at}.
`bookings`: {appointment_id, at, status, price, currency, …}. `texts`, ours: {request_id, at, by, body, status,
told_at, why}; `by` is None for a text back. `acts` of people and timers: {id, at, kind, by, …}.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from ringback.outcomes import OUTCOMES_BY_WEIGHT, STATUSES_BY_RANK

Document = dict[str, Any]

# The lists of facts, and what names an entry in each.
KEYS: Mapping[str, str] = {
    "calls": "sid",
    "started": "sid",
    "replies": "sid",
    "bookings": "appointment_id",
    "texts": "request_id",
    "acts": "id",
}
MISSED, ANSWERED = "missed", "answered"
CLAIM, RELEASE, HANDLED, NOT_TEXTED = "claim", "release", "handled", "not_texted"


def ledger_id_of(business: str, phone: str | None, call_sid: str) -> str:
    """The same number is always the same caller; who has none is somebody else with each call."""
    return f"{business}:{phone}" if phone else f"{business}:call:{call_sid}"


def new_ledger(ledger_id: str, business: str, phone: str | None) -> Document:
    """`caller` is the caller ID as it came; `nameless_id` the customer that a caller without a number is."""
    facts: Document = {name: [] for name in KEYS}
    kept: Document = {"nameless_id": None, "told": [], "items": [], "wake_at": None, "forget_at": None}
    return {"_id": ledger_id, "business": business, "phone": phone, "caller": phone, **facts, **kept}


def find(ledger: Mapping[str, Any], name: str, key: str) -> Document | None:
    return next((one for one in ledger[name] if one[KEYS[name]] == key), None)


def put(ledger: Document, name: str, fact: Document) -> Document:
    """The ledger with this fact instead of what stood under its key."""
    kept = without(ledger, name, fact[KEYS[name]])[name]
    return {**ledger, name: sorted([*kept, fact], key=lambda one: (one["at"], one[KEYS[name]]))}


def without(ledger: Document, name: str, key: str) -> Document:
    return {**ledger, name: [one for one in ledger[name] if one[KEYS[name]] != key]}


def kept_where(ledger: Document, name: str, is_kept: Callable[[Document], bool]) -> Document:
    return {**ledger, name: [one for one in ledger[name] if is_kept(one)]}


# What events say.


def call_of(event_type: str, data: Mapping[str, Any]) -> Document:
    """A call's end, by the data of `call.missed` or `call.completed`."""
    return {
        "sid": data["call_sid"],
        "at": data["at"],
        "outcome": MISSED if event_type == "call.missed" else ANSWERED,
        "reason": data.get("reason", ""),
        "kind": data["caller_kind"],
        "voicemail": data.get("voicemail", False),
        "answered_at": data.get("answered_at"),
        "began_at": None,
        "parts": [],
        "count": 1,
    }


def with_call(ledger: Document, call: Document) -> Document:
    """Of contradicting ends of a call the better evidence counts, of two alike the earlier."""
    began, known = find(ledger, "started", call["sid"]), find(ledger, "calls", call["sid"])
    ledger = without(ledger, "started", call["sid"])
    if known is None:
        return put(ledger, "calls", call | {"began_at": began["at"] if began else None})
    better = max(known, call, key=_evidence)
    kept = {name: known.get(name) for name in ("parts", "count", "began_at")}
    return put(ledger, "calls", {**better, **kept})


def with_started(ledger: Document, call_sid: str, at: datetime) -> Document:
    """A call that goes on, or when one that is over began."""
    ended = find(ledger, "calls", call_sid)
    if ended:
        return put(ledger, "calls", {**ended, "began_at": min(at, ended.get("began_at") or at)})
    return put(ledger, "started", {"sid": call_sid, "at": at})


def _evidence(call: Mapping[str, Any]) -> tuple[int, float]:
    return OUTCOMES_BY_WEIGHT.index((call["outcome"], call["reason"])), -call["at"].timestamp()


def with_parts(ledger: Document, call_sid: str, parts: Iterable[Document]) -> Document:
    """A call of the ledger with recordings and transcripts of it."""
    call = find(ledger, "calls", call_sid)
    if call is None:
        return ledger
    return put(ledger, "calls", {**call, "parts": merged_parts([*call["parts"], *parts])})


def merged_parts(parts: Iterable[Document]) -> list[Document]:
    """Of what is told of one part the longest text counts, of two alike the earlier."""
    by_id: dict[str, Document] = {}
    for part in parts:
        known = by_id.get(part["id"], part)
        by_id[part["id"]] = max(known, part, key=lambda one: (len(one["text"] or ""), -one["at"].timestamp()))
    return [by_id[part_id] for part_id in sorted(by_id)]


def part_of(event_type: str, data: Mapping[str, Any]) -> Document:
    """A recording or a transcript, by the data of `call.recorded` or `call.transcribed`."""
    recording_sid = data["recording_sid"]
    if event_type == "call.recorded":
        return {
            "id": f"recording:{recording_sid}",
            "at": data["at"],
            "source": "recording",
            "recording_sid": recording_sid,
            "text": None,
        }
    return {
        "id": f"{data['source']}:{recording_sid or ''}",
        "at": data["at"],
        "source": data["source"],
        "recording_sid": recording_sid,
        "text": data["text"],
    }


def with_outcome(ledger: Document, request_id: str, status: str, at: datetime, why: str | None) -> Document:
    """What came of a text of ours; of a text that is not in the ledger nothing is known here."""
    text = find(ledger, "texts", request_id)
    if text is None:
        return ledger
    said = {"status": status, "told_at": at, "why": why}
    return put(ledger, "texts", {**text, **said}) if _progress(said) > _progress(text) else ledger


def _progress(text: Mapping[str, Any]) -> tuple[int, float, str]:
    return STATUSES_BY_RANK.index(text["status"]), -text["told_at"].timestamp(), text["why"] or ""


def latest_fact_at(ledger: Mapping[str, Any]) -> datetime | None:
    return max((fact["at"] for name in KEYS for fact in ledger[name]), default=None)
