"""Every event type: its data, who tells it and who listens.

A test keeps `consumers` equal to the SUBSCRIPTIONS of the services. The relay publishes an event that has
consumers as mandatory, so that a missing binding is noticed and the event kept.
"""

from dataclasses import dataclass, field

from marshmallow import Schema

from ringback.contracts import appointments, calls, customers, leads, messages, texts


@dataclass(frozen=True)
class EventType:
    """`version` is `major.minor`: a new optional field raises the minor, anything else the major."""

    name: str
    schema: Schema
    producer: str
    consumers: tuple[str, ...] = ()
    version: str = field(default="1.0")


# Others' programs that keep a business's appointments.
BOOKING_SYSTEMS = "booking"

EVENT_TYPES = {
    event_type.name: event_type
    for event_type in (
        EventType("call.started", calls.CallStarted(), "call-ingest", ("customer",)),
        EventType("call.completed", calls.CallCompleted(), "call-ingest", ("customer",)),
        EventType("call.missed", calls.CallMissed(), "call-ingest", ("customer",)),
        EventType("call.recorded", calls.CallRecorded(), "call-ingest", ("customer",)),
        EventType("call.transcribed", calls.CallTranscribed(), "call-ingest", ("customer",)),
        EventType("sms.received", messages.SmsReceived(), "call-ingest", ("customer",)),
        EventType("sms.status_changed", messages.SmsStatusChanged(), "call-ingest"),
        EventType("customer.created", customers.CustomerCreated(), "customer"),
        EventType("customer.updated", customers.CustomerUpdated(), "customer"),
        EventType("customer.deleted", customers.CustomerDeleted(), "customer", ("call-ingest",), "1.1"),
        EventType("customer.merged", customers.CustomerMerged(), "customer"),
        EventType("customer.unmerged", customers.CustomerUnmerged(), "customer"),
        EventType("customer.segment_changed", customers.CustomerSegmentChanged(), "customer"),
        EventType("appointment.booked", appointments.AppointmentChanged(), "customer"),
        EventType("appointment.completed", appointments.AppointmentChanged(), "customer"),
        EventType("appointment.canceled", appointments.AppointmentChanged(), "customer"),
        EventType("appointment.no_show", appointments.AppointmentChanged(), "customer"),
        EventType("booking.recorded", appointments.BookingRecorded(), BOOKING_SYSTEMS, ("customer",)),
        EventType("lead.stage_changed", leads.LeadStageChanged(), "pipeline", ("customer",)),
        EventType("sms.requested", texts.SmsRequested(), "customer", ("customer",)),
        EventType("sms.sent", texts.SmsOutcome(), "notifier", ("customer",)),
        EventType("sms.delivered", texts.SmsOutcome(), "notifier", ("customer",)),
        EventType("sms.failed", texts.SmsOutcome(), "notifier", ("customer",)),
        EventType("sms.suppressed", texts.SmsOutcome(), "notifier", ("customer",)),
        EventType("contact.opted_out", texts.ContactConsent(), "notifier", ("customer",)),
        EventType("contact.opted_in", texts.ContactConsent(), "notifier", ("customer",)),
    )
}


def subscriptions_of(service: str) -> tuple[str, ...]:
    """The event types that a service listens to."""
    return tuple(name for name, event_type in EVENT_TYPES.items() if service in event_type.consumers)


def consuming_services() -> tuple[str, ...]:
    """The services that have a queue."""
    return tuple(sorted({service for event_type in EVENT_TYPES.values() for service in event_type.consumers}))
