"""The customer service's own HTTP bodies and queries."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from ringback.clock import rfc3339
from ringback.contracts.fields import Timestamp
from ringback.web.queries import PageQuery

SEGMENTS = ("vip", "active", "inactive", "lead")
STAGES = ("new_lead", "contacted", "appointment_set", "converted", "lost")
SOURCES = ("call", "sms", "manual", "import", "referral")
TIMELINE_KINDS = (
    "call",
    "voicemail",
    "transcript",
    "sms",
    "appointment",
    "note",
    "stage",
    "segment",
    "review_request",
    "merge",
)
HIDDEN_ENTRY_FIELDS = frozenset({"_id", "business", "customer_id", "version"})


class CustomerSchema(Schema):
    """A profile as the API gives it. Money in minor units."""

    id = fields.String(attribute="_id")
    business = fields.String()
    name = fields.String()
    phone = fields.String()
    phones = fields.List(fields.String())
    phone_kind = fields.String()
    email = fields.String()
    segment = fields.String()
    segment_reason = fields.String()
    pipeline_stage = fields.String()
    source = fields.String()
    total_appointments = fields.Integer()
    total_spent = fields.Integer()
    currency = fields.String()
    total_calls = fields.Integer()
    missed_calls = fields.Integer()
    last_visit_at = Timestamp()
    last_activity_at = Timestamp()
    review_requested_at = Timestamp()
    created_at = Timestamp()
    updated_at = Timestamp()
    version = fields.Integer()


class CustomersQuery(PageQuery):
    q = fields.String(load_default="", validate=validate.Length(max=200))
    segment = fields.String(validate=validate.OneOf(SEGMENTS))
    source = fields.String(validate=validate.OneOf(SOURCES))
    stage = fields.String(attribute="pipeline_stage", data_key="stage", validate=validate.OneOf(STAGES))


class TimelineQuery(PageQuery):
    kind = fields.String(load_default=None, validate=validate.OneOf(TIMELINE_KINDS))


class LookupQuery(Schema):
    class Meta:
        unknown = RAISE

    phone = fields.String(required=True, validate=validate.Length(min=1, max=100))


def dump_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A timeline entry: `{id, at, kind, …}` with what its kind has."""
    shown = {name: value for name, value in entry.items() if name not in HIDDEN_ENTRY_FIELDS}
    return {"id": entry["_id"]} | {name: _plain(value) for name, value in shown.items()}


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value
