"""The recovery service's own HTTP bodies and queries."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from recovery.domain import BOOKED, CALLED_BACK, REPLIED, STATES
from recovery.ledger import HANDLED
from ringback.clock import rfc3339
from ringback.errors import Invalid
from ringback.web.bodies import Body, Line, Paragraphs
from ringback.web.queries import PageQuery

OPEN, ALL = "open", "all"
UNITS = ("day", "week", "month")
LONGEST_TEXT = 1600  # what Twilio takes as one text
LONGEST_NOTE = 2000
LONGEST_NAME = 200
MOST_MINUTES = 60 * 24 * 366
LONGEST_PERIOD = timedelta(days=366)
USUAL_PERIOD = timedelta(days=30)
# How a person can say that it ended.
BY_HAND = (HANDLED, CALLED_BACK, REPLIED, BOOKED)
SHOWN = (
    "phone",
    "caller",
    "caller_kind",
    "attempts",
    "state",
    "open",
    "reason",
    "first_missed_at",
    "last_missed_at",
    "due_at",
    "responded_at",
    "assignee",
    "resolution",
    "closed_at",
    "closed_by",
    "note",
    "suppressed_reason",
)
SHOWN_OF = {
    "texts": ("request_id", "at", "by", "body", "status"),
    "calls": ("call_sid", "at", "reason", "voicemail", "recording_sid", "transcript"),
    "history": ("at", "state", "by"),
    "appointments": ("appointment_id", "status", "price", "currency"),
}


def dump_item(
    item: Mapping[str, Any], customer_id: str | None, customer_name: str | None, now: datetime
) -> dict[str, Any]:
    """An item as the API gives it. The customer is whose number it is now, as far as they are known."""
    whose = {"customer_id": customer_id, "customer_name": customer_name}
    shown = {"id": item["_id"], **whose, **{name: _plain(item[name]) for name in SHOWN}}
    lists = {name: [_part(one, names) for one in item[name]] for name, names in SHOWN_OF.items()}
    return {**shown, "overdue": is_overdue(item, now), **lists}


def is_overdue(item: Mapping[str, Any], now: datetime) -> bool:
    return bool(item["open"] and item["responded_at"] is None and item["due_at"] < now)


def plain(value: Any) -> Any:
    """As JSON can say it."""
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return _plain(value)


def _part(one: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _plain(one[name]) for name in names}


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


# What is asked for.


class ItemsQuery(PageQuery):
    """`min_age` in minutes since the first call; an empty `assignee` asks for what is nobody's."""

    state = fields.String(load_default=OPEN, validate=validate.OneOf((OPEN, ALL, *STATES)))
    assignee = fields.String(load_default=None, validate=validate.Length(max=LONGEST_NAME))
    min_age = fields.Integer(load_default=None, validate=validate.Range(min=0, max=MOST_MINUTES))
    overdue = fields.Boolean(load_default=None)
    newest_first = fields.Boolean(load_default=False)


class DayOrMoment(fields.Field[date | datetime]):
    """A day of the business, or a moment in RFC 3339."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date | datetime:
        text = str(value)
        try:
            return date.fromisoformat(text) if len(text) == len("2026-03-02") else _aware(text)
        except ValueError as error:
            raise ValidationError("Neither a day like 2026-03-02 nor a time in RFC 3339.") from error


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment


class SummaryQuery(Schema):
    """A day as `to` is meant with all of it. The last 30 days unless told otherwise."""

    class Meta:
        unknown = RAISE

    since = DayOrMoment(data_key="from", load_default=None)
    until = DayOrMoment(data_key="to", load_default=None)
    by = fields.String(load_default="day", validate=validate.OneOf(UNITS))


def period_of(query: Mapping[str, Any], now: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """From when to when. Raises Invalid when that is nothing, too long, or at an end of the calendar."""
    try:
        until = _moment(query["until"] or now.astimezone(zone).date(), zone, timedelta(days=1))
        since = _moment(query["since"] or until.astimezone(zone).date() - USUAL_PERIOD, zone)
    except OverflowError as error:
        field = "from" if query["since"] and not query["until"] else "to"
        raise Invalid("Some fields are not valid.", errors={field: ["Out of range."]}) from error
    if not since < until:
        raise Invalid("Some fields are not valid.", errors={"to": ["Not after `from`."]})
    if until - since > LONGEST_PERIOD:
        raise Invalid("Some fields are not valid.", errors={"to": [f"More than {LONGEST_PERIOD.days} days."]})
    return since, until


def _moment(given: date | datetime, zone: tzinfo, more: timedelta = timedelta(0)) -> datetime:
    if isinstance(given, datetime):
        return given.astimezone(UTC)
    return datetime.combine(given + more, time(), zone).astimezone(UTC)


# What is written.


class TextBody(Body):
    """Either the words, or the name of one of the business's templates."""

    body = Paragraphs(LONGEST_TEXT)
    template = Line(LONGEST_NAME)

    @validates_schema
    def one_of_the_two(self, data: dict[str, Any], **_: Any) -> None:
        if len(data) != 1:
            raise ValidationError("Write the text or choose a template: one of the two.", "body")


class HandledBody(Body):
    note = Paragraphs(LONGEST_NOTE, allow_none=True, load_default=None)
    resolution = fields.String(load_default=HANDLED, validate=validate.OneOf(BY_HAND))


class ClaimBody(Body):
    assignee = Line(LONGEST_NAME)
