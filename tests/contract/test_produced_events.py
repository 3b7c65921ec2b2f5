"""What the services really produce passes the contract, and what consumes it understands it."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from call_ingest.domain import LONGEST_CALL
from call_ingest.handlers import Folding
from call_ingest.journal import Accepted
from call_ingest.outcomes import DIAL_OUTCOMES, FINAL_STATUSES
from call_ingest.store import RAW_REQUESTS, raw_request
from customer.calls import OUTCOME_FIELDS
from customer.events import subscriptions
from customer.schemas import CustomerSchema
from customer.store import CUSTOMERS, TIMELINE
from ringback.contracts.calls import MISSED_REASONS
from ringback.contracts.envelope import Event, decode, encode
from ringback.outcomes import OUTCOMES_BY_WEIGHT
from ringback.seals import seal_with
from ringback.store.database import OUTBOX
from tests.unit.fakes import CALLER, NUMBER, SECRET, T0, Document, MemoryDatabase, at, sample_settings

BUSINESSES = sample_settings().businesses

texts = st.text(max_size=10)
callers = st.sampled_from([CALLER, "", "anonymous", "+7378742833", "client:x", "sip:a@b", "(212) 555-0123"]) | texts
kinds = st.sampled_from(["voice", "dial", "status", "recording"])
parameters = st.fixed_dictionaries(
    {},
    optional={
        "From": callers,
        "CallerName": texts,
        "Direction": st.sampled_from(["inbound", "", "outbound-api"]) | texts,
        "DialCallStatus": st.sampled_from([*DIAL_OUTCOMES, ""]) | texts,
        "DialCallDuration": st.sampled_from(["", "30", "x"]),
        "CallStatus": st.sampled_from(sorted(FINAL_STATUSES)) | texts,
        "RecordingSid": st.sampled_from(["RE1", ""]),
        "RecordingDuration": st.sampled_from(["5", "-1", ""]),
    },
)


@st.composite
def requests(draw: st.DrawFn) -> Document:
    pairs = [("CallSid", draw(st.sampled_from(["CA1", "CA2"]))), ("To", NUMBER), *draw(parameters).items()]
    webhook = Accepted(draw(kinds), "/twilio/voice", pairs)
    received_at = at(draw(st.integers(0, 30)))
    return raw_request(
        webhook, received_at, BUSINESSES["demo"], draw(st.sampled_from(["ring", "take_message", "apologize"]))
    )


def folded(documents: list[Document]) -> list[Event]:
    database = MemoryDatabase()
    database.insert(RAW_REQUESTS, *documents)
    work = database.work()
    Folding(BUSINESSES, str).fold(work, ["CA1", "CA2"], T0 + LONGEST_CALL + timedelta(hours=1))
    work.commit()
    return [decode(row["body"]) for row in database.documents(OUTBOX).values()]


@given(st.lists(requests(), min_size=1, max_size=6))
def test_whatever_twilio_sends_becomes_events_that_the_customer_service_takes(
    documents: list[Document],
) -> None:
    database = MemoryDatabase()
    handlers = subscriptions(BUSINESSES, lambda: T0, seal_with(SECRET))
    for event in folded(documents):
        assert decode(encode(event)) == event
        if event.type in handlers:
            work = database.work()
            handlers[event.type](work, [event])
            work.commit()
    for customer in database.documents(CUSTOMERS).values():
        assert set(CustomerSchema().dump(customer)) == set(CustomerSchema().fields)
    calls = {entry["call_sid"] for entry in database.documents(TIMELINE).values()}
    assert calls == {event.subject for event in folded(documents)}


def test_call_ingest_can_tell_every_reason_of_the_contract() -> None:
    """And no other: `closed abandoned timeout` come of time, the others of ringing."""
    of_ringing = {reason for reason in DIAL_OUTCOMES.values() if reason}
    assert of_ringing | {"closed", "abandoned", "timeout"} == set(MISSED_REASONS)


def test_of_contradicting_results_both_services_take_the_same() -> None:
    """call-ingest by the order of DIAL_OUTCOMES, customer by the weight of what it was told."""
    ends = [("missed", reason) if reason else ("answered", "") for reason in DIAL_OUTCOMES.values()]
    weights = [OUTCOMES_BY_WEIGHT.index(end) for end in ends]
    assert weights == sorted(weights, reverse=True)


def test_an_entry_keeps_what_an_end_is_made_of() -> None:
    assert set(OUTCOME_FIELDS) >= {"outcome", "reason", "ended_at", "voicemail"}
