"""The businesses that an installation serves, as `businesses.toml` describes them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema
from phonenumbers import SUPPORTED_REGIONS

from ringback import templates
from ringback.phone import E164

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
# What XML 1.0 (section 2.2) can say: the name is spoken to callers.
SPEAKABLE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]+\Z")
PERIOD = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)", re.ASCII)
MINUTES_A_DAY = 24 * 60
# What may be put into words: a voicemail after it was recorded, a conversation while it lasts.
TRANSCRIBED = ("voicemail", "realtime")
OPEN_TEXT = "Hi, this is {business}. Sorry we missed your call! Reply here and we will get right back to you."
CLOSED_TEXT = (
    "Hi, this is {business}. We are closed right now and will call you when we open. Reply here to leave a message."
)

Hours = Mapping[str, tuple[tuple[int, int], ...]]


@dataclass(frozen=True)
class TextBack:
    enabled: bool
    delay_seconds: int
    once_per_hours: int
    open: str
    closed: str


@dataclass(frozen=True)
class MissedCalls:
    """How soon a missed call is to be answered, in minutes of opening hours, and when an open item is given up."""

    respond_within_minutes: int
    expire_after_days: int


@dataclass(frozen=True)
class Texting:
    """How a business texts. `sender` is one of its numbers. `per_second` counts segments, as Twilio does.

    Caps against loops and SMS pumping: texts to one number a day, texts a day, segments a day (what is paid for),
    and the countries (ISO 3166) that are texted at all.
    """

    sender: str
    messaging_service_sid: str | None
    per_second: float
    most_per_number_a_day: int
    most_a_day: int
    most_segments_a_day: int
    countries: frozenset[str]


@dataclass(frozen=True)
class SegmentRules:
    vip_appointments: int
    inactive_months: int


@dataclass(frozen=True)
class Business:
    """One business; `hours` are minutes since local midnight by weekday, None means always open.

    Calls of `blocked` numbers (E.164) are turned away. With `screen_calls` whoever is rung has to press 1 before
    the caller is put through, so that a mobile's own voicemail does not answer. `transcribe`: of TRANSCRIBED.
    """

    key: str
    name: str
    numbers: tuple[str, ...]
    country: str
    timezone: ZoneInfo
    currency: str
    forward_to: tuple[str, ...]
    ring_seconds: int
    screen_calls: bool
    voicemail: bool
    transcribe: frozenset[str]
    blocked: frozenset[str]
    review_url: str | None
    hours: Hours | None
    text_back: TextBack
    missed_calls: MissedCalls
    texting: Texting
    templates: Mapping[str, str]
    segments: SegmentRules

    def is_open(self, moment: datetime) -> bool:
        if self.hours is None:
            return True
        local = moment.astimezone(self.timezone)
        minute = local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in self.hours.get(WEEKDAYS[local.weekday()], ()))


class Period(fields.String):
    """`09:00-17:00` as minutes since midnight; `24:00` ends a day."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        match = PERIOD.fullmatch(super()._deserialize(value, attr, data, **kwargs))
        if match is None:
            raise ValidationError("Not a period like 09:00-17:00.")
        from_hour, from_minute, to_hour, to_minute = map(int, match.groups())
        start, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
        if not start < end <= MINUTES_A_DAY:
            raise ValidationError("Ends before it starts.")
        return start, end


class Zone(fields.String):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        name = super()._deserialize(value, attr, data, **kwargs)
        if name not in available_timezones():
            raise ValidationError("Not a time zone of the IANA database.")
        return ZoneInfo(name)


class PhoneNumber(fields.String):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if not E164.fullmatch(text):
            raise ValidationError("Not a number in E.164, like +15551230001.")
        return text


class Template(fields.String):
    """A text of at most 1,600 characters, the most that Twilio sends, with known placeholders."""

    def __init__(self, *known: str, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(1, 1600), **kwargs)
        self._known = known

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            templates.check(text, self._known)
        except templates.TemplateError as error:
            raise ValidationError(str(error)) from error
        return text


class TextBackSchema(Schema):
    enabled = fields.Boolean(load_default=True)
    delay_seconds = fields.Integer(load_default=60, validate=validate.Range(min=0, max=3600))
    once_per_hours = fields.Integer(load_default=24, validate=validate.Range(min=1, max=24 * 30))
    open = Template(*templates.PLAIN, load_default=OPEN_TEXT)
    closed = Template(*templates.PLAIN, load_default=CLOSED_TEXT)

    @post_load
    def build(self, data: dict[str, Any], **_: Any) -> TextBack:
        return TextBack(**data)


class MissedCallsSchema(Schema):
    respond_within_minutes = fields.Integer(load_default=5, validate=validate.Range(min=1, max=24 * 60))
    expire_after_days = fields.Integer(load_default=30, validate=validate.Range(min=1, max=365))

    @post_load
    def build(self, data: dict[str, Any], **_: Any) -> MissedCalls:
        return MissedCalls(**data)


class TextingSchema(Schema):
    sender = PhoneNumber(load_default=None)
    messaging_service_sid = fields.String(load_default=None, validate=validate.Regexp(r"MG[0-9a-f]{32}\Z"))
    # A United States long code sends one segment a second (twilio.com/docs/api/errors/30001).
    per_second = fields.Float(load_default=1.0, validate=validate.Range(min=0.01, max=1000))
    most_per_number_a_day = fields.Integer(load_default=10, validate=validate.Range(min=1))
    most_a_day = fields.Integer(load_default=1000, validate=validate.Range(min=1))
    most_segments_a_day = fields.Integer(load_default=3000, validate=validate.Range(min=1))
    countries = fields.List(fields.String(validate=validate.OneOf(sorted(SUPPORTED_REGIONS))), load_default=None)


class SegmentRulesSchema(Schema):
    vip_appointments = fields.Integer(load_default=10, validate=validate.Range(min=1))
    inactive_months = fields.Integer(load_default=6, validate=validate.Range(min=1))

    @post_load
    def build(self, data: dict[str, Any], **_: Any) -> SegmentRules:
        return SegmentRules(**data)


class BusinessSchema(Schema):
    name = fields.String(required=True, validate=[validate.Length(min=1, max=200), validate.Regexp(SPEAKABLE)])
    numbers = fields.List(PhoneNumber(), required=True, validate=validate.Length(min=1))
    country = fields.String(load_default="US", validate=validate.OneOf(sorted(SUPPORTED_REGIONS)))
    timezone = Zone(required=True)
    currency = fields.String(load_default="USD", validate=validate.Regexp(r"[A-Z]{3}\Z"))
    # More than ten Twilio does not ring at once (twilio.com/docs/voice/twiml/number#simultaneous-dialing).
    forward_to = fields.List(PhoneNumber(), load_default=(), validate=validate.Length(max=10))
    ring_seconds = fields.Integer(load_default=18, validate=validate.Range(min=5, max=600))
    screen_calls = fields.Boolean(load_default=False)
    voicemail = fields.Boolean(load_default=True)
    transcribe = fields.List(fields.String(validate=validate.OneOf(TRANSCRIBED)), load_default=("voicemail",))
    blocked = fields.List(PhoneNumber(), load_default=())
    review_url = fields.Url(load_default=None, schemes={"http", "https"})
    hours = fields.Dict(fields.String(validate=validate.OneOf(WEEKDAYS)), fields.List(Period()), load_default=None)
    text_back = fields.Nested(TextBackSchema, load_default=lambda: TextBackSchema().load({}))
    missed_calls = fields.Nested(MissedCallsSchema, load_default=lambda: MissedCallsSchema().load({}))
    texting = fields.Nested(TextingSchema, load_default=lambda: TextingSchema().load({}))
    templates = fields.Dict(
        fields.String(validate=validate.Regexp(KEY)),
        Template(*templates.PLAIN),
        load_default=dict,
    )
    segments = fields.Nested(SegmentRulesSchema, load_default=lambda: SegmentRulesSchema().load({}))

    @validates_schema
    def texts_from_a_number_of_its_own(self, data: dict[str, Any], **_: Any) -> None:
        sender = data.get("texting", {}).get("sender")
        if sender and sender not in data.get("numbers", ()):
            raise ValidationError("Not one of the business's numbers.", "texting.sender")

    @validates_schema
    def rings_somebody_else(self, data: dict[str, Any], **_: Any) -> None:
        if set(data.get("forward_to", ())) & set(data.get("numbers", ())):
            raise ValidationError("A business's own number would call itself without end.", "forward_to")


class BusinessesSchema(Schema):
    businesses = fields.Dict(
        fields.String(validate=validate.Regexp(KEY)),
        fields.Nested(BusinessSchema),
        required=True,
        validate=validate.Length(min=1),
    )

    @post_load
    def build(self, data: dict[str, Any], **_: Any) -> dict[str, dict[str, Business]]:
        built = {key: _business(key, values) for key, values in data["businesses"].items()}
        return {"businesses": built}


def _business(key: str, values: Mapping[str, Any]) -> Business:
    hours = values["hours"]
    return Business(
        key=key,
        **{
            **values,
            "numbers": tuple(values["numbers"]),
            "forward_to": tuple(values["forward_to"]),
            "transcribe": frozenset(values["transcribe"]),
            "blocked": frozenset(values["blocked"]),
            "texting": _texting(values),
            "hours": None if hours is None else {day: tuple(periods) for day, periods in hours.items()},
        },
    )


def _texting(values: Mapping[str, Any]) -> Texting:
    told = values["texting"]
    sender = told["sender"] or values["numbers"][0]
    return Texting(**{**told, "sender": sender, "countries": frozenset(told["countries"] or [values["country"]])})


def duplicate_numbers(businesses: Iterable[Business]) -> list[str]:
    counts = Counter(number for business in businesses for number in business.numbers)
    return sorted(number for number, count in counts.items() if count > 1)
