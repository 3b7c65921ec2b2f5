"""Use case: what is told of calls, their voicemails and transcripts → records and timelines."""

from collections.abc import Iterable
from datetime import datetime

from customer.calls import CallFact, entry_id_of, merged_call
from customer.domain import Document, first_seen_by, named_by_caller_id, noted
from customer.identity import need_person, owner_of, person
from customer.people import Needs, People
from customer.telling import Cause, finish
from ringback.businesses import Business
from ringback.contracts.envelope import Event
from ringback.phone import NAMELESS_KINDS

OUTCOMES = {"call.started": None, "call.completed": "answered", "call.missed": "missed"}


def need_call(event: Event, needs: Needs, _business: Business) -> None:
    fact = call_fact(event)
    need_person(needs, fact.business, fact.phone, fact.call_sid)
    needs.entries.add(entry_id_of(fact.business, fact.call_sid))
    needs.awaited.add(_of_call(fact.business, fact.call_sid))


def take_call(people: People, event: Event) -> None:
    fact = call_fact(event)
    before = people.entry(entry_id_of(fact.business, fact.call_sid))
    record = owner_of(people, before) or person(
        people, event, fact.phone, fact.phone_kind, "call", fact.call_sid, fact.at
    )
    entry = merged_call(before, fact, record["_id"])
    own = noted(record["own"], before, entry, fact.at, contact=True)
    own = named_by_caller_id(first_seen_by(own, "call", fact.at), fact.name, fact.at)
    parts = people.waiting_for(_of_call(fact.business, fact.call_sid))
    people.put_entry(_with_parts(entry, parts))
    finish(people, {**record, "own": own}, Cause.of(event))
    for part in parts:
        people.give(part, record["_id"])


def _with_parts(call: Document, parts: Iterable[Document]) -> Document:
    """The call with its voicemails and transcripts named, so that a new one and an erasure exclude each other."""
    return {**call, "parts": sorted({*call.get("parts", ()), *(part["_id"] for part in parts)})}


def call_fact(event: Event) -> CallFact:
    data = event.data
    return CallFact(
        business=event.business,
        call_sid=data["call_sid"],
        phone=None if data["caller_kind"] in NAMELESS_KINDS else data["caller"],
        phone_kind=data["caller_kind"],
        name=data["caller_name"],
        at=data["at"],
        direction=data.get("direction"),
        outcome=OUTCOMES[event.type],
        reason=data.get("reason", ""),
        duration_seconds=data.get("duration_seconds"),
        answered_at=data.get("answered_at"),
        voicemail=data.get("voicemail", False),
    )


def need_part_of_call(event: Event, needs: Needs, _business: Business) -> None:
    needs.entries |= {entry_id_of(event.business, event.data["call_sid"]), _part(event)["_id"]}


def take_part_of_call(people: People, event: Event) -> None:
    """A voicemail or a transcript: it belongs to whoever the call belongs to, and waits for it if it has to."""
    call = people.entry(entry_id_of(event.business, event.data["call_sid"]))
    known, part = people.entry(_part(event)["_id"]), _part(event)
    if known is not None and _weight(known) >= _weight(part):
        return
    if call is None:
        people.wait(part, _of_call(event.business, part["call_sid"]))
        return
    people.put_entry(_with_parts(call, [part]))
    people.give(part, call["customer_id"])


def _weight(part: Document) -> tuple[int, str, datetime]:
    """Of several that are told of one voicemail or transcript the greatest counts, whichever came first."""
    text = part.get("text", "")
    return len(text), text, part["at"]


def _part(event: Event) -> Document:
    data, business = event.data, event.business
    if event.type == "call.recorded":
        return {
            "_id": f"{business}:voicemail:{data['recording_sid']}",
            "business": business,
            "kind": "voicemail",
            "at": data["at"],
            "call_sid": data["call_sid"],
            "recording_sid": data["recording_sid"],
            "duration_seconds": data["duration_seconds"],
        }
    return {
        "_id": f"{business}:transcript:{data['call_sid']}:{data['source']}:{data['recording_sid'] or ''}",
        "business": business,
        "kind": "transcript",
        "at": data["at"],
        "call_sid": data["call_sid"],
        "recording_sid": data["recording_sid"],
        "source": data["source"],
        "text": data["text"],
        "confidence": data["confidence"],
    }


def _of_call(business: str, call_sid: str) -> str:
    return f"{business}:call:{call_sid}"
