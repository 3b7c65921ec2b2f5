"""Every event type: its data, who tells it and who listens.

A test keeps `consumers` equal to the SUBSCRIPTIONS of the services. The relay publishes an event that has
consumers as mandatory, so that a missing binding is noticed and the event kept.
"""

from dataclasses import dataclass, field

from marshmallow import Schema

from ringback.contracts import appointments, calls, customers, leads, messages, missed_calls, notes, texts


@dataclass(frozen=True)
class EventType:
    """`version` is `major.minor`: a new optional field raises the minor, anything else the major.

    `also_by`: further services that tell it.
    """

    name: str
    schema: Schema
    producer: str
    consumers: tuple[str, ...] = ()
    version: str = field(default="1.0")
    also_by: tuple[str, ...] = ()


# Others' programs that keep a business's appointments.
BOOKING_SYSTEMS = "booking"

EVENT_TYPES = {
    event_type.name: event_type
    for event_type in (
        EventType("call.started", calls.CallStarted(), "call-ingest", ("customer", "recovery")),
        EventType("call.completed", calls.CallCompleted(), "call-ingest", ("customer", "pipeline", "recovery")),
        EventType("call.missed", calls.CallMissed(), "call-ingest", ("customer", "recovery")),
        EventType("call.recorded", calls.CallRecorded(), "call-ingest", ("customer", "recovery")),
        EventType("call.transcribed", calls.CallTranscribed(), "call-ingest", ("customer", "recovery")),
        EventType("sms.received", messages.SmsReceived(), "call-ingest", ("customer", "recovery", "notifier")),
        EventType("sms.status_changed", messages.SmsStatusChanged(), "call-ingest", ("notifier",)),
        EventType(
            "customer.created", customers.CustomerCreated(), "customer", ("pipeline", "recovery"), version="1.1"
        ),
        EventType(
            "customer.updated", customers.CustomerUpdated(), "customer", ("pipeline", "recovery"), version="1.1"
        ),
        EventType(
            "customer.deleted",
            customers.CustomerDeleted(),
            "customer",
            ("call-ingest", "pipeline", "recovery", "notifier"),
            version="1.1",
        ),
        EventType("customer.merged", customers.CustomerMerged(), "customer", ("pipeline", "recovery"), version="1.1"),
        EventType(
            "customer.unmerged", customers.CustomerUnmerged(), "customer", ("pipeline", "recovery"), version="1.1"
        ),
        EventType(
            "customer.segment_changed", customers.CustomerSegmentChanged(), "customer", ("pipeline",), version="1.1"
        ),
        EventType(
            "appointment.booked",
            appointments.AppointmentChanged(),
            "customer",
            ("pipeline", "recovery"),
            version="1.1",
        ),
        EventType(
            "appointment.completed",
            appointments.AppointmentChanged(),
            "customer",
            ("pipeline", "recovery"),
            version="1.1",
        ),
        EventType(
            "appointment.canceled",
            appointments.AppointmentChanged(),
            "customer",
            ("pipeline", "recovery"),
            version="1.1",
        ),
        EventType(
            "appointment.no_show",
            appointments.AppointmentChanged(),
            "customer",
            ("pipeline", "recovery"),
            version="1.1",
        ),
        EventType("booking.recorded", appointments.BookingRecorded(), BOOKING_SYSTEMS, ("customer",)),
        EventType("note.requested", notes.NoteRequested(), "pipeline", ("customer",)),
        EventType("lead.stage_changed", leads.LeadStageChanged(), "pipeline", ("customer", "pipeline")),
        EventType("missed_call.opened", missed_calls.MissedCallOpened(), "recovery", ("pipeline",)),
        EventType("missed_call.closed", missed_calls.MissedCallClosed(), "recovery", ()),
        EventType(
            "sms.requested",
            texts.SmsRequested(),
            "customer",
            ("customer", "notifier"),
            also_by=("pipeline", "recovery"),
        ),
        EventType("sms.sent", texts.SmsOutcome(), "notifier", ("customer", "recovery")),
        EventType("sms.delivered", texts.SmsOutcome(), "notifier", ("customer", "pipeline", "recovery")),
        EventType("sms.failed", texts.SmsOutcome(), "notifier", ("customer", "recovery")),
        EventType("sms.suppressed", texts.SmsOutcome(), "notifier", ("customer", "recovery")),
        EventType("contact.opted_out", texts.ContactConsent(), "notifier", ("customer", "recovery")),
        EventType("contact.opted_in", texts.ContactConsent(), "notifier", ("customer", "recovery")),
    )
}


def subscriptions_of(service: str) -> tuple[str, ...]:
    """The event types that a service listens to."""
    return tuple(name for name, event_type in EVENT_TYPES.items() if service in event_type.consumers)


def consuming_services() -> tuple[str, ...]:
    """The services that have a queue."""
    return tuple(sorted({service for event_type in EVENT_TYPES.values() for service in event_type.consumers}))
