"""Appointments: what booking systems tell, and what `customer` makes of it. Prices are in minor units (cents)."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from ringback.contracts.fields import EventData, Timestamp

STATUSES = ("booked", "completed", "canceled", "no_show")
MOST_MINOR_UNITS = 10**12
LONGEST_SERVICE = 200


class BookingRecorded(EventData):
    """A booking as it stands in the system that keeps it; told again whenever it changes, in any order.

    Of what is told of one `booking_id` the newest counts, by the envelope's time. `currency` is the business's
    unless it is given.
    """

    booking_id = fields.String(required=True, validate=validate.Length(min=1, max=200))
    phone = fields.String(load_default=None)
    customer_id = fields.String(load_default=None)
    name = fields.String(load_default=None)
    starts_at = Timestamp(required=True)
    service = fields.String(required=True, validate=validate.Length(max=LONGEST_SERVICE))
    price = fields.Integer(load_default=0, validate=validate.Range(min=0, max=MOST_MINOR_UNITS))
    currency = fields.String(load_default=None, validate=validate.Regexp(r"[A-Z]{3}\Z"))
    status = fields.String(load_default="booked", validate=validate.OneOf(STATUSES))

    @validates_schema
    def somebody_is_named(self, data: dict[str, Any], **_: Any) -> None:
        if not data.get("phone") and not data.get("customer_id"):
            raise ValidationError("Either a phone or a customer_id is needed.", "phone")


class AppointmentChanged(EventData):
    """An appointment has this status now: `appointment.booked`, `.completed`, `.canceled`, `.no_show`.

    Of what is told of one `appointment_id` the latest counts: the greater (`at`, `told_by`).
    """

    customer_id = fields.String(required=True)
    appointment_id = fields.String(required=True)
    starts_at = Timestamp(required=True)
    service = fields.String(required=True)
    price = fields.Integer(required=True)
    currency = fields.String(required=True)
    at = Timestamp(required=True)
    told_by = fields.String(load_default="")
