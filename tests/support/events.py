"""Events to test with."""

from datetime import UTC, datetime
from typing import Any

from ringback.bus.message import Message
from ringback.contracts.envelope import Event, encode, new_event

NOON = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
CALLER = "+14155550123"
CALLED = "+15558675310"


def call_sid(number: int) -> str:
    return f"CA{number:032x}"


def call_event(event_type: str, sid: str, caller: str = CALLER, at: datetime = NOON, **data: Any) -> Event:
    """A `call.*` event with what its type needs."""
    base = {"call_sid": sid, "caller": caller, "called": CALLED, "caller_kind": "mobile", "caller_name": None}
    extra: dict[str, dict[str, Any]] = {
        "call.started": {"direction": "inbound"},
        "call.missed": {"reason": "no-answer", "voicemail": True},
        "call.completed": {"duration_seconds": 30, "answered_at": None},
    }
    return new_event(
        event_type,
        business="demo",
        subject=sid,
        time=at,
        data={**base, "at": at, **extra[event_type], **data},
        cause=(sid, str(data.get("reason", ""))),
    )


def message_of(event: Event) -> Message:
    return Message(event.id, encode(event), event.type)
