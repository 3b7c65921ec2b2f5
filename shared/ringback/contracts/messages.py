"""What `call-ingest` tells about texts. Keys in memory are the attribute names, on the wire the `data_key`s."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from ringback.contracts.fields import EventData, Timestamp
from ringback.phone import E164, NAMELESS_KINDS

CONSENTS = ("opt_out", "opt_in", "help")


class Media(EventData):
    """An attachment; `url` is null when it leads elsewhere than to Twilio."""

    url = fields.String(load_default=None)
    content_type = fields.String(required=True)


class SmsReceived(EventData):
    """A text came in. `sender` is E.164 when it identifies somebody (see `phone.NAMELESS_KINDS`), else as it came.

    `consent` is what the sender said about being texted. `keyword` is the word that said it, or that other
    words amount to; a `YES` may as well answer a question. Both are null when nothing was said.
    """

    message_sid = fields.String(required=True, validate=validate.Length(min=1))
    sender = fields.String(required=True, data_key="from")
    recipient = fields.String(required=True, data_key="to")
    sender_kind = fields.String(required=True, data_key="from_kind")
    body = fields.String(required=True)
    media = fields.List(fields.Nested(Media), required=True)
    consent = fields.String(load_default=None, validate=validate.OneOf(CONSENTS))
    keyword = fields.String(load_default=None)
    at = Timestamp(required=True)

    @validates_schema
    def sender_is_who_the_kind_says(self, data: dict[str, Any], **_: Any) -> None:
        if data["sender_kind"] not in NAMELESS_KINDS and not E164.fullmatch(data["sender"]):
            raise ValidationError("Not in E.164.", "from")


class SmsStatusChanged(EventData):
    """A text that was sent got on. `status` is Twilio's word, an unknown one too; events come in any order.

    `request_id` is what the sender put into the callback's address; `recipient` is empty when Twilio names none.
    """

    message_sid = fields.String(required=True, validate=validate.Length(min=1))
    request_id = fields.String(load_default=None)
    status = fields.String(required=True, validate=validate.Length(min=1))
    error_code = fields.Integer(load_default=None)
    recipient = fields.String(required=True, data_key="to")
    at = Timestamp(required=True)
