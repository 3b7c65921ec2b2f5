"""Notes that a service other than `customer` wants on a customer's timeline."""

from marshmallow import fields, validate

from ringback.contracts.fields import EventData, Timestamp

LONGEST_NOTE = 10_000


class NoteRequested(EventData):
    """A note is to stand on the customer's timeline once for a `note_id`. `author` is a rule's or person's name."""

    note_id = fields.String(required=True, validate=validate.Length(min=1))
    customer_id = fields.String(required=True)
    text = fields.String(required=True, validate=validate.Length(min=1, max=LONGEST_NOTE))
    author = fields.String(required=True)
    at = Timestamp(required=True)
