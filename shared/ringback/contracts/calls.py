"""What `call-ingest` tells about calls. Keys in memory are the attribute names, on the wire the `data_key`s.

`caller_name` and `from_kind` stand on every event that may be the first one a consumer sees of a call, so that
what it makes of the caller does not depend on which event came first.
"""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from ringback.contracts.fields import EventData, Timestamp
from ringback.phone import E164, NAMELESS_KINDS

MISSED_REASONS = ("no-answer", "busy", "failed", "canceled", "abandoned", "closed", "timeout")


class _OfCall(EventData):
    """`caller` is E.164 when the caller ID identifies somebody (see `phone.NAMELESS_KINDS`), else as it came."""

    call_sid = fields.String(required=True, validate=validate.Length(min=1))
    caller = fields.String(required=True, data_key="from")
    called = fields.String(required=True, data_key="to")
    caller_kind = fields.String(required=True, data_key="from_kind")
    caller_name = fields.String(load_default=None)
    at = Timestamp(required=True)

    @validates_schema
    def caller_is_who_the_kind_says(self, data: dict[str, Any], **_: Any) -> None:
        if data["caller_kind"] not in NAMELESS_KINDS and not E164.fullmatch(data["caller"]):
            raise ValidationError("Not in E.164.", "from")


class CallStarted(_OfCall):
    """A call came in; `at` is when its first webhook was accepted."""

    direction = fields.String(required=True)


class CallCompleted(_OfCall):
    """A person answered; `at` is when the call's end became known."""

    duration_seconds = fields.Integer(required=True, validate=validate.Range(min=0))
    answered_at = Timestamp(load_default=None)


class CallMissed(_OfCall):
    """Nobody answered; `voicemail` says whether the caller was offered to leave one."""

    reason = fields.String(required=True, validate=validate.OneOf(MISSED_REASONS))
    voicemail = fields.Boolean(required=True)


class CallRecorded(EventData):
    call_sid = fields.String(required=True)
    recording_sid = fields.String(required=True)
    duration_seconds = fields.Integer(required=True, validate=validate.Range(min=0))
    at = Timestamp(required=True)


class CallTranscribed(EventData):
    call_sid = fields.String(required=True)
    recording_sid = fields.String(load_default=None)
    text = fields.String(required=True)
    confidence = fields.Float(load_default=None)
    source = fields.String(required=True, validate=validate.OneOf(("voicemail", "realtime")))
    at = Timestamp(required=True)
