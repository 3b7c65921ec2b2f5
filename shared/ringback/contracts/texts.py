"""Texts of ours: who wants one sent, and what came of it. `request_id` names the request through all of it."""

from marshmallow import fields, validate

from ringback.contracts.fields import EventData, Timestamp

PURPOSES = ("transactional", "marketing")


class SmsRequested(EventData):
    """A text is to be sent once, unless it is too late (`expires_at`) or may not be (opt-out, quiet hours)."""

    request_id = fields.String(required=True, validate=validate.Length(min=1))
    recipient = fields.String(required=True, data_key="to")
    body = fields.String(required=True)
    purpose = fields.String(required=True, validate=validate.OneOf(PURPOSES))
    reason = fields.String(required=True)
    customer_id = fields.String(load_default=None)
    expires_at = Timestamp(load_default=None)


class SmsOutcome(EventData):
    """What came of a request: `sms.sent`, `.delivered`, `.failed`, `.suppressed`."""

    request_id = fields.String(required=True, validate=validate.Length(min=1))
    message_sid = fields.String(load_default=None)
    recipient = fields.String(required=True, data_key="to")
    error_code = fields.Integer(load_default=None)
    reason = fields.String(load_default=None)


class ContactConsent(EventData):
    """`contact.opted_out` and `contact.opted_in`: whether a number may be texted, in a scope."""

    phone = fields.String(required=True)
    scope = fields.String(required=True)
    keyword = fields.String(load_default=None)
