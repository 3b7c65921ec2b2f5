"""The envelope: CloudEvents 1.0 in JSON (structured mode), with `business` and `dataversion` as extensions.

Source of the rules: CloudEvents 1.0.2 section 3 (required attributes), W3C Trace Context for `traceparent`.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from marshmallow import ValidationError

from ringback.clock import rfc3339, whole_milliseconds
from ringback.contracts.catalogue import EVENT_TYPES, EventType
from ringback.errors import MalformedEvent, UnknownVersion

CONTENT_TYPE = "application/cloudevents+json"
REQUIRED_TEXT = ("id", "source", "type", "subject", "time", "business", "dataversion")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
EVENT_NAMESPACE = uuid.UUID("b9b9c2ad-62d5-5b2a-94c6-6a2cbb1a3c11")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `data` is typed (datetimes, ints), as the type's schema loads it."""

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    business: str
    data: Mapping[str, Any]
    dataversion: str
    traceparent: str | None = None


def event_id(business: str, event_type: str, *cause: str) -> str:
    """The id of the event that `cause` leads to: the same cause always makes the same id."""
    return str(uuid.uuid5(EVENT_NAMESPACE, json.dumps([business, event_type, *cause])))


def new_event(
    event_type: str,
    *,
    business: str,
    subject: str,
    time: datetime,
    data: Mapping[str, Any],
    cause: tuple[str, ...],
    traceparent: str | None = None,
    producer: str | None = None,
) -> Event:
    """An event of the catalogue, its id made from `cause`; `producer` is for events that several services tell."""
    known = EVENT_TYPES[event_type]
    return Event(
        id=event_id(business, event_type, *cause),
        type=event_type,
        source=f"/ringback/{producer or known.producer}",
        subject=subject,
        time=time,
        business=business,
        data=data,
        dataversion=known.version,
        traceparent=traceparent,
    )


def encode(event: Event) -> str:
    """The event as it stands on the wire."""
    attributes = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": rfc3339(event.time),
        "business": event.business,
        "dataversion": event.dataversion,
        "datacontenttype": "application/json",
        "data": _known(event.type).schema.dump(event.data),
    }
    if event.traceparent:
        attributes["traceparent"] = event.traceparent
    return json.dumps(attributes, separators=(",", ":"), ensure_ascii=False)


def decode(body: bytes | str) -> Event:
    """The event in a message's body.

    Raises MalformedEvent (permanent) or UnknownVersion (to be parked).
    """
    document = _parse(body)
    for name in REQUIRED_TEXT:
        value = document.get(name)
        if not isinstance(value, str) or not value:
            raise MalformedEvent(f"The envelope's {name} is missing or not a text.")
    if document.get("specversion") != "1.0":
        raise MalformedEvent("Not a CloudEvents 1.0 envelope.")
    event_type = _known(document["type"])
    _check_version(event_type, document["dataversion"])
    return Event(
        id=document["id"],
        type=document["type"],
        source=document["source"],
        subject=document["subject"],
        time=_moment(document["time"]),
        business=document["business"],
        data=_load(event_type, document.get("data")),
        dataversion=document["dataversion"],
        traceparent=_traceparent(document.get("traceparent")),
    )


def traceparent_of(trace: str, span: str) -> str:
    """A W3C traceparent whose ids are functions of what they name, so that a second run continues the same trace."""
    trace_id = hashlib.sha256(trace.encode()).hexdigest()[:32]
    span_id = hashlib.sha256(span.encode()).hexdigest()[:16]
    return f"00-{trace_id}-{span_id}-01"


def _parse(body: bytes | str) -> dict[str, Any]:
    try:
        document = json.loads(body, parse_constant=_refuse_constant, parse_int=_stored_int, parse_float=_stored_float)
        _refuse_lone_surrogates(body, document)
    except (ValueError, RecursionError) as error:
        raise MalformedEvent("The body is not JSON.") from error
    if not isinstance(document, dict):
        raise MalformedEvent("The body is not a JSON object.")
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON (RFC 8259)")


def _stored_int(digits: str) -> int:
    number = int(digits)
    if not -(2**63) <= number < 2**63:
        raise ValueError("beyond the 64 bits that BSON keeps")
    return number


def _stored_float(text: str) -> float:
    """A field of whole numbers takes 3.0 for 3: what is too great for one is refused alike."""
    number = float(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError("beyond the 64 bits that BSON keeps")
    return number


def _refuse_lone_surrogates(body: bytes | str, document: object) -> None:
    """JSON can escape half a character (RFC 8259 section 8.2), which no store and no page can hold."""
    escaped = b"\\ud" in body.lower() if isinstance(body, bytes) else "\\ud" in body.lower()
    if escaped:
        json.dumps(document, ensure_ascii=False).encode()


def _known(name: str) -> EventType:
    event_type = EVENT_TYPES.get(name)
    if event_type is None:
        raise MalformedEvent("The type is not in the catalogue.")
    return event_type


def _check_version(event_type: EventType, version: str) -> None:
    major = version.partition(".")[0]
    if not major.isdecimal():
        raise MalformedEvent("The dataversion is not major.minor.")
    if major != event_type.version.partition(".")[0]:
        raise UnknownVersion(f"Major version {major[:9]} of {event_type.name} is unknown here.")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedEvent("The time is not RFC 3339.") from error
    if moment.tzinfo is None:
        raise MalformedEvent("The time has no zone.")
    try:
        return whole_milliseconds(moment.astimezone(UTC))
    except OverflowError as error:
        raise MalformedEvent("The time is out of range.") from error


def _traceparent(value: object) -> str | None:
    """What is not a traceparent is ignored (W3C Trace Context 3.2.2)."""
    return value if isinstance(value, str) and TRACEPARENT.fullmatch(value) else None


def _load(event_type: EventType, data: object) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise MalformedEvent("The data is not a JSON object.")
    try:
        loaded: Mapping[str, Any] = event_type.schema.load(data)
    except ValidationError as error:
        raise MalformedEvent(f"The data breaks its schema: {sorted(error.messages_dict)}.") from error
    return loaded
