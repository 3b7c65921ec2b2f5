"""call-ingest's own HTTP bodies and queries: the call log."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from call_ingest.documents import webhook_of
from call_ingest.explain import meaning
from ringback.clock import rfc3339
from ringback.contracts.fields import Timestamp
from ringback.web.queries import PageQuery

OPEN = "open"
OUTCOMES = ("completed", "missed", "rejected", OPEN)
# Long opaque credentials of the call's; nobody reads them, and nobody should have them.
HIDDEN_PARAMS = frozenset({"CallToken", "StirPassportToken"})


class RecordingSchema(Schema):
    recording_sid = fields.String(attribute="sid")
    duration_seconds = fields.Integer(attribute="seconds")
    at = Timestamp()


class TranscriptSchema(Schema):
    source = fields.String()
    recording_sid = fields.String()
    text = fields.String()
    confidence = fields.Float()
    at = Timestamp()


class CallSchema(Schema):
    """A call as the call log gives it. `from` is E.164 where `from_kind` identifies somebody, else as it came."""

    id = fields.String(attribute="_id")
    call_sid = fields.Function(itemgetter("_id"))
    business = fields.String()
    erased = fields.Boolean(dump_default=False)
    caller = fields.String(data_key="from")
    caller_kind = fields.String(data_key="from_kind")
    caller_name = fields.String()
    called = fields.String(data_key="to")
    outcome = fields.String()
    reason = fields.String()
    why = fields.String()
    started_at = Timestamp()
    ended_at = Timestamp()
    duration_seconds = fields.Integer()
    voicemail = fields.Boolean()
    recordings = fields.List(fields.Nested(RecordingSchema()))
    transcripts = fields.List(fields.Nested(TranscriptSchema()))


class CallsQuery(PageQuery):
    """`number` is the caller's or the one called, in any writing; `since` is inclusive, `until` exclusive."""

    outcome = fields.String(validate=validate.OneOf(OUTCOMES))
    number = fields.String(validate=validate.Length(min=1, max=300))
    since = Timestamp()
    until = Timestamp()


class RecordingQuery(Schema):
    class Meta:
        unknown = RAISE

    recording_sid = fields.String(load_default=None, validate=validate.Length(max=64))


def dump_webhook(request: Mapping[str, Any]) -> dict[str, Any]:
    """A raw request: what came, what it means, what was answered."""
    params = [[name, "…" if name in HIDDEN_PARAMS else value] for name, value in request["params"]]
    return {
        "kind": request["kind"],
        "received_at": rfc3339(request["received_at"]),
        "meaning": meaning(webhook_of(dict(request))),
        "answer": request["answer"],
        "params": params,
    }
