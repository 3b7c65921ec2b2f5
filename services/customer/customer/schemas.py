"""The customer service's own HTTP bodies and queries."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import (
    EXCLUDE,
    RAISE,
    Schema,
    ValidationError,
    fields,
    post_load,
    validate,
    validates,
    validates_schema,
)

from customer.appointments import STATUSES
from customer.segments import SEGMENTS
from ringback.clock import rfc3339
from ringback.contracts.appointments import LONGEST_SERVICE, MOST_MINOR_UNITS
from ringback.contracts.fields import Timestamp
from ringback.contracts.leads import STAGES
from ringback.phone import to_e164
from ringback.web.bodies import Body, Line, Paragraphs
from ringback.web.forms import MONEY
from ringback.web.queries import PageQuery

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
# What an entry has for its own keeping: whose it is, what it waits for, what orders what was told of it.
HIDDEN_ENTRY_FIELDS = frozenset(
    {"_id", "business", "customer_id", "version", "awaits", "told", "told_at", "told_by", "changes"}
)
LONGEST_NAME = 200
LONGEST_EMAIL = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets
LONGEST_PHONE = 100
LONGEST_ID = 100
LONGEST_NOTE = 10_000
MOST_PHONES = 20
APPOINTMENTS_SINCE = datetime(2000, 1, 1, tzinfo=UTC)
APPOINTMENTS_UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
NOT_A_PHONE = "Not a phone number."
NO_AMOUNT = "Not an amount of money."
IS_EMAIL = validate.Email()


# What is shown.


class SpendSchema(Schema):
    """What completed appointments brought in one currency: `total` is the lifetime value. In minor units."""

    currency = fields.String()
    total = fields.Integer()
    visits = fields.Integer()
    average = fields.Integer()


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
    spend = fields.Function(lambda profile: SpendSchema(many=True).dump(spend_of(profile)))
    total_calls = fields.Integer()
    missed_calls = fields.Integer()
    total_texts = fields.Integer()
    merged_ids = fields.List(fields.String(), attribute="members")
    last_visit_at = Timestamp()
    last_activity_at = Timestamp()
    review_requested_at = Timestamp()
    created_at = Timestamp()
    updated_at = Timestamp()
    version = fields.Integer()


def spend_of(profile: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a customer spent, by currency; the average of a visit is rounded half up."""
    return [
        {"currency": currency, **spent, "average": _rounded(spent["total"], spent["visits"])}
        for currency, spent in profile["spend"].items()
    ]


def _rounded(total: int, visits: int) -> int:
    return (2 * total + visits) // (2 * visits)


class SuggestedSchema(Schema):
    """What tells likely duplicates apart."""

    id = fields.String()
    name = fields.String()
    phone = fields.String()
    email = fields.String()
    total_calls = fields.Integer()
    total_appointments = fields.Integer()
    last_activity_at = Timestamp()


class SuggestionSchema(Schema):
    """Two customers who are likely one, and why."""

    customer_ids = fields.List(fields.String())
    reason = fields.String()
    customers = fields.List(fields.Nested(SuggestedSchema()))


def dump_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A timeline entry: `{id, at, kind, …}` with what its kind has; an appointment goes by its own id."""
    shown = {name: value for name, value in entry.items() if name not in HIDDEN_ENTRY_FIELDS}
    entry_id = entry.get("appointment_id", entry["_id"])
    return {"id": entry_id} | {name: _plain(value) for name, value in shown.items()}


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


# What is asked for.


class CustomersQuery(PageQuery):
    q = fields.String(load_default="", validate=validate.Length(max=200))
    segment = fields.String(validate=validate.OneOf(SEGMENTS))
    source = fields.String(validate=validate.OneOf(SOURCES))
    stage = fields.String(attribute="pipeline_stage", data_key="stage", validate=validate.OneOf(STAGES))


class TimelineQuery(PageQuery):
    kind = fields.String(load_default=None, validate=validate.OneOf(TIMELINE_KINDS))


class ProfileQuery(TimelineQuery):
    """Which of its history a profile is shown with; what else a profile is asked for with is nothing to it."""

    class Meta:
        unknown = EXCLUDE


class CandidatesQuery(Schema):
    class Meta:
        unknown = RAISE

    q = fields.String(load_default="", validate=validate.Length(max=200))


class LookupQuery(Schema):
    class Meta:
        unknown = RAISE

    phone = fields.String(required=True, validate=validate.Length(min=1, max=LONGEST_PHONE))


# What is written.


class Moment(fields.AwareDateTime):
    """RFC 3339 with an offset → UTC in whole milliseconds, what MongoDB keeps; within the years of appointments."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        moment = super()._deserialize(value, attr, data, **kwargs)
        if not APPOINTMENTS_SINCE <= moment < APPOINTMENTS_UNTIL:
            raise ValidationError(f"Not between {APPOINTMENTS_SINCE.year} and {APPOINTMENTS_UNTIL.year}.")
        utc = moment.astimezone(UTC)
        return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


class EmailAddress(Line):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(LONGEST_EMAIL, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        address = super()._deserialize(value, attr, data, **kwargs)
        return address and IS_EMAIL(address)


def _price(**kwargs: Any) -> fields.Integer:
    most = validate.Range(min=0, max=MOST_MINOR_UNITS)
    return fields.Integer(strict=True, validate=most, metadata=MONEY, error_messages={"invalid": NO_AMOUNT}, **kwargs)


class PersonBody(Body):
    """What a person may write of a customer; numbers in any usual writing of the business's `region`.

    `phone` is the first number, `phones` are all: one of the two is given, or neither.
    """

    name = Line(LONGEST_NAME, allow_none=True)
    email = EmailAddress(allow_none=True)
    phone = Line(LONGEST_PHONE, allow_none=True)
    phones = fields.List(Line(LONGEST_PHONE), validate=validate.Length(max=MOST_PHONES))

    def __init__(self, region: str) -> None:
        super().__init__()
        self._region = region

    @validates("phone")
    def phone_is_one(self, phone: str | None, data_key: str) -> None:
        if phone is not None and to_e164(phone, self._region) is None:
            raise ValidationError(NOT_A_PHONE)

    @validates("phones")
    def phones_are_some(self, phones: list[str], data_key: str) -> None:
        numbers = enumerate((to_e164(phone, self._region) for phone in phones), start=1)
        wrong = [f"{NOT_A_PHONE} (number {place})" for place, number in numbers if number is None]
        if wrong:
            raise ValidationError(wrong)

    @validates_schema
    def one_of_the_two(self, data: dict[str, Any], **_: Any) -> None:
        if "phone" in data and "phones" in data:
            raise ValidationError("Either the first one or all of them (phones), not both.", "phone")

    @post_load
    def in_e164(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if data.get("phone"):
            data["phone"] = to_e164(data["phone"], self._region)
        if "phones" in data:
            data["phones"] = list(dict.fromkeys(to_e164(phone, self._region) for phone in data["phones"]))
        return data


class NewCustomerBody(PersonBody):
    source = fields.String(load_default="manual", validate=validate.OneOf(SOURCES))

    @validates_schema
    def somebody_is_named(self, data: dict[str, Any], **_: Any) -> None:
        if not any(data.get(name) for name in ("name", "email", "phone", "phones")):
            raise ValidationError("A name, a number or an e-mail address is needed.", "name")


class ChangedCustomerBody(PersonBody):
    """`version` is that of the profile that was changed: what somebody else changed since is not overwritten."""

    version = fields.Integer(strict=True, load_default=None, validate=validate.Range(min=1))


class NoteBody(Body):
    text = Paragraphs(LONGEST_NOTE, required=True)


class NewAppointmentBody(Body):
    """`currency` is the business's unless it is given."""

    starts_at = Moment(required=True)
    service = Line(LONGEST_SERVICE, required=True)
    price = _price(load_default=0)
    currency = fields.String(validate=validate.Regexp(r"[A-Z]{3}\Z"))
    status = fields.String(load_default="booked", validate=validate.OneOf(STATUSES))


class ChangedAppointmentBody(Body):
    starts_at = Moment()
    service = Line(LONGEST_SERVICE)
    price = _price()
    status = fields.String(validate=validate.OneOf(STATUSES))


class OtherCustomerBody(Body):
    other_id = Line(LONGEST_ID, required=True)
