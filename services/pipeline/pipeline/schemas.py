"""The pipeline service's own HTTP bodies and queries."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from pipeline.stages import LOST, STAGES
from ringback.contracts.fields import Timestamp
from ringback.web.bodies import Body, Line

LONGEST_ID = 100
LONGEST_REASON = 500
OLDEST_DAYS = 36_500
CARDS = 20
MOST_CARDS = 100
IS_STAGE = validate.OneOf(tuple(STAGES))


# What is shown.


class CardSchema(Schema):
    """A lead as its card shows it. `version` is of its place on the board; value in minor units."""

    customer_id = fields.String(attribute="_id")
    name = fields.String()
    phone = fields.String()
    stage = fields.String()
    value = fields.Integer()
    currency = fields.String()
    segment = fields.String()
    source = fields.String()
    rank = fields.String()
    entered_at = Timestamp()
    opened_at = Timestamp()
    last_contact_at = Timestamp()
    version = fields.Integer(attribute="turns")


class ColumnSchema(Schema):
    """A column. With `is_floor` there are more leads than were counted; value in minor units."""

    stage = fields.String()
    label = fields.String()
    kind = fields.String()
    count = fields.Integer()
    value = fields.Integer()
    is_floor = fields.Boolean()
    currency = fields.String()
    oldest_at = Timestamp()
    oldest_age_seconds = fields.Integer()
    cards = fields.List(fields.Nested(CardSchema()))
    next = fields.String()


class VisitSchema(Schema):
    """A stay in a stage: who or what led to it, and how long it was."""

    stage = fields.String()
    previous = fields.String(data_key="from")
    entered_at = Timestamp()
    left_at = Timestamp()
    seconds = fields.Integer()
    cause = fields.String()
    actor = fields.String()
    fact = fields.String()
    lost_reason = fields.String()


class LeadSchema(CardSchema):
    """A lead with all stages that it was in, the first one first."""

    label = fields.Function(lambda lead: STAGES[lead["stage"]].label)
    history = fields.List(fields.Nested(VisitSchema()))


def with_seconds(lead: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The lead with how long each of its visits was, or is by now."""
    visits = [
        {**visit, "seconds": max(0, round(((visit["left_at"] or now) - visit["entered_at"]).total_seconds()))}
        for visit in lead["history"]
    ]
    return {**lead, "history": visits}


# What is asked for.


class BoardQuery(Schema):
    """`min_age` and `max_age`: days in the stage."""

    class Meta:
        unknown = RAISE

    q = fields.String(load_default="", validate=validate.Length(max=200))
    stage = fields.String(load_default=None, validate=IS_STAGE)
    source = fields.String(load_default=None, validate=validate.Length(min=1, max=50))
    segment = fields.String(load_default=None, validate=validate.Length(min=1, max=50))
    min_age = fields.Integer(load_default=None, validate=validate.Range(min=0, max=OLDEST_DAYS))
    max_age = fields.Integer(load_default=None, validate=validate.Range(min=0, max=OLDEST_DAYS))
    cursor = fields.String(load_default=None, validate=validate.Length(max=2000))
    limit = fields.Integer(load_default=CARDS, validate=validate.Range(min=1, max=MOST_CARDS))

    @validates_schema
    def cursor_is_of_a_column(self, data: dict[str, Any], **_: Any) -> None:
        if data["cursor"] and data["stage"] is None:
            raise ValidationError("A cursor goes on in one column: name its stage.", "stage")


class Moment(fields.String):
    """RFC 3339, or a day: a `date`, whose zone is for others to know."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            return date.fromisoformat(text) if len(text) <= len("2026-01-01") else _in_utc(text)
        except (ValueError, OverflowError) as error:
            raise ValidationError("Neither a day nor a time by RFC 3339.") from error


def _in_utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment.astimezone(UTC)


class FunnelQuery(Schema):
    class Meta:
        unknown = RAISE

    since = Moment(data_key="from", load_default=None)
    until = Moment(data_key="to", load_default=None)
    source = fields.String(load_default=None, validate=validate.Length(min=1, max=50))


class MoveBody(Body):
    """`after`, `before`: between which cards of the column it is to go. `version`: the one that was read."""

    stage = fields.String(required=True, validate=IS_STAGE)
    lost_reason = Line(LONGEST_REASON, load_default=None, allow_none=True)
    after = Line(LONGEST_ID, load_default=None, allow_none=True)
    before = Line(LONGEST_ID, load_default=None, allow_none=True)
    version = fields.Integer(load_default=None, allow_none=True, strict=True)

    @validates_schema
    def only_the_lost_are_lost_for_a_reason(self, data: dict[str, Any], **_: Any) -> None:
        if data["lost_reason"] and data["stage"] != LOST.key:
            raise ValidationError(f"Only with the stage {LOST.key}.", "lost_reason")
