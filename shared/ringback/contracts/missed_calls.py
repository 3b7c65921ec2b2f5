"""What `recovery` tells about its queue of missed calls."""

from marshmallow import fields, validate

from ringback.contracts.fields import EventData, Timestamp

# How an item of the queue can end.
RESOLUTIONS = ("called_back", "replied", "booked", "handled", "expired")


class _OfMissedCall(EventData):
    missed_call_id = fields.String(required=True)
    phone = fields.String(required=True)
    customer_id = fields.String(load_default=None)
    attempts = fields.Integer(required=True, validate=validate.Range(min=1))
    at = Timestamp(required=True)


class MissedCallOpened(_OfMissedCall):
    """Somebody called and reached nobody; told once for an item, however often they call while it is open.

    `phone` is E.164, or the caller ID as it came when it identifies nobody; `reason` is the first call's.
    """

    reason = fields.String(required=True)
    due_at = Timestamp(load_default=None)


class MissedCallClosed(_OfMissedCall):
    """The item is done with: they got through, replied, booked, somebody handled it, or it is too old."""

    resolution = fields.String(required=True, validate=validate.OneOf(RESOLUTIONS))
