"""The catalogue, and what the services say of themselves, are the same."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

import call_ingest.app
import customer.app
import notifier.app
import pipeline.app
import recovery.app
from call_ingest.events import subscriptions as ingest_subscriptions
from customer.events import subscriptions as customer_subscriptions
from notifier.events import subscriptions as notifier_subscriptions
from pipeline.events import subscriptions as pipeline_subscriptions
from recovery.events import subscriptions as recovery_subscriptions
from ringback.bus.topology import Topology
from ringback.clock import system_clock
from ringback.contracts.catalogue import BOOKING_SYSTEMS, EVENT_TYPES, consuming_services, subscriptions_of
from ringback.phone import KIND_OF_TYPE, NAMELESS_KINDS
from ringback.settings import load_settings

BUSINESSES = load_settings({}).businesses
SUBSCRIPTIONS: dict[str, Callable[[], Iterable[str]]] = {
    "call-ingest": lambda: ingest_subscriptions(system_clock, str),
    "customer": lambda: customer_subscriptions(BUSINESSES, system_clock, str),
    "notifier": lambda: notifier_subscriptions(BUSINESSES, system_clock, str),
    "pipeline": lambda: pipeline_subscriptions(BUSINESSES, system_clock, str),
    "recovery": lambda: recovery_subscriptions(BUSINESSES, system_clock, str),
}
OWNERS = {
    "call": {"call-ingest"},
    "sms": {"call-ingest", "customer", "notifier", "pipeline", "recovery"},
    "customer": {"customer"},
    "appointment": {"customer"},
    "booking": {BOOKING_SYSTEMS},
    "lead": {"pipeline"},
    "contact": {"notifier"},
    "missed_call": {"recovery"},
    "note": {"pipeline"},
}
SERVICES = {call_ingest.app.NAME, customer.app.NAME, notifier.app.NAME, pipeline.app.NAME, recovery.app.NAME}
FOLDERS = Path(__file__).parents[2] / "services"

APPOINTMENT = {"customer_id", "appointment_id", "starts_at", "service", "price", "currency"}
SMS_OUTCOME = {"request_id", "message_sid", "to", "error_code", "reason"}
# DESIGN section 5: the data of the events that others rely on, as it stands on the wire.
WIRE = {
    "call.started": {"call_sid", "from", "from_kind", "to", "direction", "caller_name", "at"},
    "call.completed": {"call_sid", "from", "to", "duration_seconds", "answered_at", "at"},
    "call.missed": {"call_sid", "from", "from_kind", "to", "reason", "voicemail", "at"},
    "call.recorded": {"call_sid", "recording_sid", "duration_seconds"},
    "call.transcribed": {"call_sid", "text", "confidence", "source"},
    "sms.received": {"message_sid", "from", "from_kind", "to", "body", "media", "consent", "keyword", "at"},
    "sms.status_changed": {"message_sid", "request_id", "status", "error_code", "to", "at"},
    "customer.created": {"customer_id", "name", "phone", "email", "source"},
    "customer.updated": {"customer_id", "changed"},
    "customer.deleted": {"customer_id", "phones"},
    "customer.merged": {"customer_id", "other_id", "phones"},
    "customer.unmerged": {"customer_id", "other_id", "phones"},
    "customer.segment_changed": {"customer_id", "from", "to", "reason"},
    "appointment.booked": APPOINTMENT,
    "appointment.completed": APPOINTMENT,
    "appointment.canceled": APPOINTMENT,
    "appointment.no_show": APPOINTMENT,
    "booking.recorded": {"booking_id", "phone", "customer_id", "starts_at", "service", "price", "status"},
    "lead.stage_changed": {"customer_id", "from", "to", "cause", "actor", "seconds_in_previous_stage", "at"},
    "sms.requested": {"request_id", "to", "body", "purpose", "reason", "customer_id", "expires_at"},
    "sms.sent": SMS_OUTCOME,
    "sms.delivered": SMS_OUTCOME,
    "sms.failed": SMS_OUTCOME,
    "sms.suppressed": SMS_OUTCOME,
    "missed_call.opened": {"missed_call_id", "phone", "attempts"},
    "missed_call.closed": {"missed_call_id", "phone", "attempts", "resolution"},
    "note.requested": {"note_id", "customer_id", "text", "author"},
    "contact.opted_out": {"phone", "scope", "keyword"},
    "contact.opted_in": {"phone", "scope", "keyword"},
}


@pytest.mark.parametrize("service", consuming_services())
def test_a_service_handles_exactly_what_it_is_sent(service: str) -> None:
    assert set(SUBSCRIPTIONS[service]()) == set(subscriptions_of(service))


def test_every_service_with_subscriptions_has_a_queue_and_the_other_way_round() -> None:
    assert set(SUBSCRIPTIONS) == set(consuming_services()) == set(Topology().services)


def test_every_producer_and_consumer_is_a_service() -> None:
    named = {event.producer for event in EVENT_TYPES.values()} | set(consuming_services())
    assert named <= SERVICES | {BOOKING_SYSTEMS}
    assert {folder.name for folder in FOLDERS.iterdir() if folder.is_dir()} == SERVICES


def test_an_event_is_told_by_the_service_of_its_name() -> None:
    for name, event in EVENT_TYPES.items():
        assert {event.producer, *event.also_by} <= OWNERS[name.partition(".")[0]]


def test_every_version_is_major_dot_minor() -> None:
    for event in EVENT_TYPES.values():
        major, _, minor = event.version.partition(".")
        assert major.isdecimal()
        assert minor.isdecimal()


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_an_event_has_the_fields_of_the_contract(name: str) -> None:
    fields = {field.data_key or key for key, field in EVENT_TYPES[name].schema.fields.items()}
    assert fields >= WIRE[name]


def test_every_event_of_the_catalogue_is_checked() -> None:
    assert set(WIRE) == set(EVENT_TYPES)


def test_a_kind_of_caller_either_has_a_number_or_not() -> None:
    assert not NAMELESS_KINDS & {*KIND_OF_TYPE.values(), "valid", "possible"}
