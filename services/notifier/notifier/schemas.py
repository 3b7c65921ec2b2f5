"""The notifier's own HTTP bodies and queries."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from notifier.consent import BUSINESS, SCOPES
from notifier.domain import STATES
from ringback.contracts.fields import Timestamp
from ringback.phone import to_e164
from ringback.web.bodies import Body, Line, Paragraphs
from ringback.web.queries import PageQuery

LONGEST_PHONE = 100
LONGEST_ID = 200
LONGEST_REASON = 500
LONGEST_NAME = 200
# Longer texts are not sent, but whoever writes one wants to see how much too long it is.
LONGEST_PREVIEW = 10_000
OUTCOMES = ("sent", "failed", "retry")
NOT_A_PHONE = "Not a phone number."


# What is shown.


class HistorySchema(Schema):
    at = Timestamp()
    status = fields.String()
    error_code = fields.Integer(allow_none=True)
    reason = fields.String(allow_none=True)


class RefusedSchema(Schema):
    """Another request under the same id."""

    at = Timestamp()
    event_id = fields.String()


class MessageSchema(Schema):
    """A request for a text and what came of it. Number, text and customer are null once they were erased."""

    id = fields.String(attribute="request_id")
    to = fields.String()
    body = fields.String()
    customer_id = fields.String()
    purpose = fields.String()
    reason = fields.String()
    state = fields.String()
    state_reason = fields.String()
    error_code = fields.Integer()
    message_sid = fields.String()
    sender = fields.String()
    encoding = fields.String()
    segments = fields.Integer()
    attempts = fields.Integer()
    dry_run = fields.Boolean()
    requested_at = Timestamp()
    due_at = Timestamp()
    expires_at = Timestamp()


class MessageWithHistorySchema(MessageSchema):
    history = fields.List(fields.Nested(HistorySchema))
    refused = fields.List(fields.Nested(RefusedSchema))


class PauseSchema(Schema):
    """Why and until when nothing is sent; when it is over one text is tried."""

    reason = fields.String()
    code = fields.Integer()
    since = Timestamp()
    until = Timestamp()
    failures = fields.Integer()


class StatusSchema(Schema):
    account_pause = fields.Nested(PauseSchema)
    sender_pause = fields.Nested(PauseSchema)
    texts_today = fields.Integer()
    segments_today = fields.Integer()
    states = fields.Dict()


class StatementSchema(Schema):
    """`about` is scope and source: `business/texted`, `business/twilio`, `business/manual`, `number/manual`."""

    about = fields.String()
    opted_out = fields.Boolean()
    at = Timestamp()
    keyword = fields.String()
    reason = fields.String()


STATEMENT = StatementSchema()


class OptOutSchema(Schema):
    """Whether a number may be texted, and who said so. `phone` is null of somebody who was erased."""

    phone = fields.String()
    opted_out = fields.Boolean()
    changed_at = Timestamp()
    statements = fields.Function(
        lambda contact: [STATEMENT.dump({"about": about, **entry}) for about, entry in contact["entries"].items()]
    )


# What is asked for.


class MessagesQuery(PageQuery):
    state = fields.String(validate=validate.OneOf(STATES))
    to = fields.String(validate=validate.Length(max=LONGEST_PHONE))
    customer_id = fields.String(validate=validate.Length(max=LONGEST_ID))

    def __init__(self, region: str) -> None:
        super().__init__()
        self._region = region

    @post_load
    def in_e164(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """What is no number is looked for as it is: requests for such are kept, too."""
        if "to" in data:
            data["to"] = to_e164(data["to"], self._region) or data["to"]
        return data


class OptOutsQuery(PageQuery):
    phone = fields.String(load_default=None, validate=validate.Length(min=1, max=LONGEST_PHONE))

    def __init__(self, region: str) -> None:
        super().__init__()
        self._region = region

    @post_load
    def in_e164(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if data["phone"] is not None:
            data["phone"] = _e164(data["phone"], self._region)
        return data


def _e164(text: str, region: str) -> str:
    number = to_e164(text, region)
    if number is None:
        raise ValidationError(NOT_A_PHONE, "phone")
    return number


# What is written.


class PreviewBody(Body):
    body = Paragraphs(LONGEST_PREVIEW)
    template = Line(LONGEST_ID)
    name = Line(LONGEST_NAME, load_default="")

    @validates_schema
    def one_of_the_two(self, data: dict[str, Any], **_: Any) -> None:
        if ("body" in data) == ("template" in data):
            raise ValidationError("Either a text (body) or the name of a template.", "body")


class ResolveBody(Body):
    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))


class OptOutBody(Body):
    phone = Line(LONGEST_PHONE, required=True)
    scope = fields.String(load_default=BUSINESS, validate=validate.OneOf(SCOPES))
    opted_out = fields.Boolean(required=True, truthy={True}, falsy={False})
    reason = Line(LONGEST_REASON, load_default=None, allow_none=True)

    def __init__(self, region: str) -> None:
        super().__init__()
        self._region = region

    @post_load
    def in_e164(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**data, "phone": _e164(data["phone"], self._region)}
