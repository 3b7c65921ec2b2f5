"""HTTP bodies of endpoints and deliveries."""

from collections.abc import Set

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates

from pipeline.outbound.payloads import KINDS
from pipeline.outbound.urls import UrlRefused, check_url
from ringback.contracts.fields import Timestamp
from ringback.web.bodies import Body, Line

LONGEST_DESCRIPTION = 200


class ChangedEndpointBody(Body):
    """What is absent stays. `allowed` as `check_url` has it."""

    url = fields.String()
    description = Line(LONGEST_DESCRIPTION, allow_none=True)
    events = fields.List(fields.String(validate=validate.OneOf(KINDS)), validate=validate.Length(max=len(KINDS)))
    active = fields.Boolean(truthy={True}, falsy={False})
    version = fields.Integer(strict=True, load_default=None, validate=validate.Range(min=1))

    def __init__(self, allowed: Set[str]) -> None:
        super().__init__()
        self._allowed = allowed

    @validates("url")
    def url_is_public(self, url: str, data_key: str) -> None:
        try:
            check_url(url, self._allowed)
        except UrlRefused as error:
            raise ValidationError(str(error)) from error


class NewEndpointBody(ChangedEndpointBody):
    """`events` may be empty: an endpoint that only automations send to."""

    url = fields.String(required=True)

    class Meta:
        unknown = RAISE
        exclude = ("version",)


class NoticeSchema(Schema):
    at = Timestamp()
    notice = fields.String()
    by = fields.String()


class EndpointSchema(Schema):
    """An endpoint as the API gives it: its secret is told when it is made or rotated, and never again."""

    id = fields.String(attribute="_id")
    url = fields.String()
    description = fields.String()
    events = fields.List(fields.String())
    active = fields.Boolean()
    previous_secret_until = Timestamp(attribute="previous_until")
    failing_since = Timestamp()
    disabled_at = Timestamp()
    disabled_reason = fields.String()
    notices = fields.List(fields.Nested(NoticeSchema()))
    created_at = Timestamp()
    updated_at = Timestamp()
    version = fields.Integer()


class AttemptSchema(Schema):
    at = Timestamp()
    status = fields.Integer()
    error = fields.String()
    body = fields.String()
    milliseconds = fields.Integer()


class DeliverySchema(Schema):
    """A delivery; `id` is the `webhook-id` that the receiver sees."""

    id = fields.String(attribute="_id")
    endpoint_id = fields.String()
    type = fields.String()
    customer_id = fields.String()
    state = fields.String()
    reason = fields.String()
    attempts = fields.Integer()
    next_attempt_at = Timestamp(attribute="due_at")
    log = fields.List(fields.Nested(AttemptSchema()))
    created_at = Timestamp()
    finished_at = Timestamp()


class WholeDeliverySchema(DeliverySchema):
    payload = fields.String(attribute="body")
