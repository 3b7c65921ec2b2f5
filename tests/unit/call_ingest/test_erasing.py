"""Forgetting somebody: what a call is without a person, and that nothing brings the person back."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_ingest import erasures, store
from call_ingest.domain import ASK_AFTER, LONGEST_CALL, conclude
from call_ingest.erasing import bare, party_of_call, party_of_message, together
from call_ingest.erasures import erase_all, seal_with
from call_ingest.events import subscriptions
from call_ingest.facts import Webhook
from call_ingest.handlers import Folding, identify_in
from call_ingest.journal import Accepted
from call_ingest.outcomes import DIAL_OUTCOMES, FINAL_STATUSES
from call_ingest.store import CALLS, CONTACTS, ERASED, ERASURES, MESSAGES, RAW_REQUESTS
from ringback.contracts.envelope import Event, new_event
from ringback.store.database import OUTBOX
from tests.unit.fakes import CALLER, NUMBER, SECRET, T0, Document, MemoryDatabase, at, sample_settings

BUSINESSES = sample_settings().businesses
DEMO = BUSINESSES["demo"]
IDENTIFY = identify_in(DEMO)
SEAL = seal_with(SECRET)
STAFF, OTHER = "+15551230001", "+12125550199"
CALL, LEG, MESSAGE = "CA1", "CA2", "SM" + "1" * 32
RECORDING, TRANSCRIPTION = "RE" + "a" * 32, "TR" + "a" * 32
GEO = {"CallerName": "ANNA NOVAK", "FromCity": "SPRINGFIELD", "FromZip": "94105", "CallerState": "XQ"}
# All that says who called.
TRACES = (CALLER, CALLER[1:], "ANNA", "SPRINGFIELD", "94105", "XQ", "my tooth", RECORDING, TRANSCRIPTION)
DELETED_AT = at(3600)
MUCH_LATER = T0 + LONGEST_CALL * 2


def received(kind: str, seconds: float, answer: str = "nothing", /, **params: str) -> Document:
    path = {"sms": "/twilio/sms", "sms_status": "/twilio/sms/status?request_id=r1"}.get(kind, f"/twilio/voice/{kind}")
    accepted = Accepted(kind, path, list(params.items()))
    return store.raw_request(accepted, at(seconds), DEMO, answer)


def of_call(kind: str, seconds: float, answer: str = "nothing", /, **params: str) -> Document:
    told = {"CallSid": CALL, "From": CALLER, "To": NUMBER, "Direction": "inbound", **GEO}
    return received(kind, seconds, answer, **told | params)


def voicemail(start: float = 0) -> list[Document]:
    """A call that nobody took, with a message that was put into words."""
    named = {"RecordingSid": RECORDING, "RecordingDuration": "9"}
    spoken = {"RecordingSid": RECORDING, "TranscriptionSid": TRANSCRIPTION, "TranscriptionText": "It is my tooth"}
    leg = {"CallSid": LEG, "ParentCallSid": CALL, "From": CALLER, "To": STAFF, "Direction": "outbound-dial"}
    return [
        of_call("voice", start, "ring", CallStatus="ringing"),
        received("screen", start + 4, "screen", **leg),
        of_call("dial", start + 20, "take_message", DialCallStatus="no-answer"),
        received("recording", start + 40, "thank", CallSid=CALL, **named),
        of_call("status", start + 41, CallStatus="completed", CallDuration="41"),
        received("transcription", start + 60, CallSid=CALL, **spoken),
    ]


def text_in(seconds: float = 0, **params: str) -> Document:
    told = {"MessageSid": MESSAGE, "From": CALLER, "To": NUMBER, "Body": "It is my tooth", "FromCity": "SPRINGFIELD"}
    return received("sms", seconds, **told | params)


def text_out(seconds: float = 0, status: str = "sent") -> Document:
    return received("sms_status", seconds, MessageSid=MESSAGE, MessageStatus=status, From=NUMBER, To=CALLER)


def deleted(
    when: datetime = DELETED_AT, phones: Sequence[str] = (CALLER,), business: str = "demo", cause: str = "1"
) -> Event:
    data = {"customer_id": "c1", "phones": list(phones)}
    return new_event("customer.deleted", business=business, subject="c1", time=when, data=data, cause=(cause,))


def fold(database: MemoryDatabase, *sids: str, now: datetime = MUCH_LATER) -> None:
    work = database.work(now)
    Folding(BUSINESSES, SEAL).fold(work, sids or (CALL,), now)
    work.commit()


def forget(database: MemoryDatabase, *events: Event) -> None:
    work = database.work()
    subscriptions(lambda: DELETED_AT, SEAL)["customer.deleted"](work, events or (deleted(),))
    work.commit()


def work_off(database: MemoryDatabase, *sids: str, now: datetime = MUCH_LATER) -> None:
    work = database.work(now)
    erase_all(work, sids or (CALL,), now)
    work.commit()


def traces(database: MemoryDatabase) -> list[str]:
    """What is left of the person, once the erasure is worked off and what was told has gone its way."""
    left = {name: rows for name, rows in database.collections.items() if name not in (OUTBOX, ERASURES)}
    text = json.dumps(left, default=str)
    return [trace for trace in TRACES if trace in text]


def call_of(database: MemoryDatabase) -> Document:
    return {**database.documents(CALLS)[CALL], "version": None}


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase()


# What a call is without a person.

values = st.sampled_from(["", "x"])
webhooks = st.builds(
    Webhook,
    st.sampled_from(["voice", "dial", "status", "screen", "rest", "recording", "transcription"]),
    st.integers(0, 60).map(at),
    st.integers(60, 90).map(at),
    st.fixed_dictionaries(
        {"From": st.sampled_from([CALLER, ""]), "CallerName": st.sampled_from(["ANNA NOVAK", ""])},
        optional={
            "To": st.sampled_from([NUMBER, ""]),
            "Direction": st.sampled_from(["inbound", "outbound-api", ""]),
            "ParentCallSid": st.sampled_from([CALL, "CA9"]),
            "CallStatus": st.sampled_from([*sorted(FINAL_STATUSES), "ringing", ""]),
            "CallDuration": st.sampled_from(["", "5"]),
            "DialCallStatus": st.sampled_from([*DIAL_OUTCOMES, ""]),
            "DialCallDuration": st.sampled_from(["", "30"]),
            "DialBridged": st.sampled_from(["true", "false"]),
            "StartTime": st.sampled_from(["", "2026-03-02T14:59:00.000Z"]),
            "EndTime": st.sampled_from(["", "2026-03-02T15:09:00.000Z"]),
            "RecordingSid": st.just(RECORDING),
            "TranscriptionText": st.just("It is my tooth"),
        },
    ),
    st.sampled_from(["", "ring", "take_message", "apologize", "turn_away", "nothing"]),
)

# Of two at the same millisecond the parameters decide which is the first.
heard_of_a_call = st.lists(webhooks, min_size=1, max_size=6, unique_by=lambda webhook: webhook.received_at)


@given(heard_of_a_call, st.integers(0, 20_000))
def test_a_call_without_a_person_ends_as_it_did_and_says_nothing_of_one(heard: list[Webhook], seconds: int) -> None:
    whole = conclude(CALL, heard, IDENTIFY, at(seconds))
    left = together([*bare(CALL, heard), *bare(CALL, heard[:1])])
    told = conclude(CALL, left, IDENTIFY, at(seconds))
    assert (told.outcome, told.started_at, told.outbound) == (whole.outcome, whole.started_at, whole.outbound)
    assert any(_is_outbound(one) for one in heard) or told.called == whole.called
    assert not [trace for trace in TRACES if trace in str(left)]


def _is_outbound(webhook: Webhook) -> bool:
    return webhook.params.get("Direction", "").startswith("outbound")


@given(heard_of_a_call)
def test_what_is_left_is_the_same_however_it_was_put_together(heard: list[Webhook]) -> None:
    bared = bare(CALL, heard)
    piecemeal: list[Webhook] = []
    for webhook in reversed(bared):
        piecemeal = together([*piecemeal, webhook, webhook])
    assert piecemeal == together(bared)


def webhook(kind: str, **params: str) -> Webhook:
    return Webhook(kind, T0, T0, params)


@pytest.mark.parametrize(
    ("received", "identities", "reached"),
    [
        ({"From": CALLER, "To": NUMBER}, [CALLER], False),
        ({"Caller": "(212) 555-0123", "To": NUMBER}, [CALLER], False),
        ({"From": NUMBER, "To": CALLER, "Direction": "outbound-api"}, [CALLER, NUMBER], True),
        ({"From": CALLER, "To": STAFF, "Direction": "outbound-dial"}, [STAFF, CALLER], True),
        ({"From": CALLER, "To": STAFF, "Direction": "outbound-dial", "ParentCallSid": CALL}, [CALLER], False),
    ],
)
def test_whose_a_call_is(received: dict[str, str], identities: list[str], reached: bool) -> None:
    party = party_of_call(CALL, [webhook("status", **received)], IDENTIFY)
    assert ([number for _, number in party.identities], party.reached) == (identities, reached)


@pytest.mark.parametrize(
    ("kind", "params", "reached"),
    [
        ("sms", {"From": CALLER, "To": NUMBER, "Body": ""}, False),
        ("sms_status", {"From": f"whatsapp:{CALLER}", "To": NUMBER, "SmsStatus": "received"}, False),
        ("sms_status", {"From": NUMBER, "To": CALLER, "MessageStatus": "sent"}, True),
        ("rest", {"From": NUMBER, "To": f"whatsapp:{CALLER}", "MessageStatus": "read"}, True),
    ],
)
def test_whose_a_text_is(kind: str, params: dict[str, str], reached: bool) -> None:
    party = party_of_message([webhook(kind, **params)], IDENTIFY)
    assert ([number for _, number in party.identities], party.reached) == ([CALLER], reached)


def test_of_a_call_that_we_made_not_even_who_was_called_is_left() -> None:
    outbound = webhook("status", From=NUMBER, To=CALLER, Called=CALLER, Direction="outbound-api", CallStatus="busy")
    [left] = bare(CALL, [outbound])
    assert left.params == {"Direction": "outbound-api", "CallStatus": "busy"}


# Erasing.


def test_there_is_something_to_erase(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, *voicemail())
    fold(database)
    assert traces(database) == list(TRACES)


def test_a_call_that_was_folded_becomes_one_without_a_person(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, *voicemail())
    fold(database)
    before = call_of(database)
    forget(database)
    work_off(database)
    after = call_of(database)
    assert (traces(database), database.documents(RAW_REQUESTS)) == ([], {})
    for name in ("business", "started_at", "called", "outcome", "reason", "why", "ended_at", "voicemail", "due_at"):
        assert (name, after[name]) == (name, before[name])
    assert (after["erased"], after["caller"], after["recordings"], after["transcripts"]) == (True, None, [], [])


def test_a_call_that_is_folded_only_afterwards_is_told_to_nobody(database: MemoryDatabase) -> None:
    forget(database)
    database.insert(RAW_REQUESTS, *voicemail())
    fold(database)
    assert (traces(database), database.documents(RAW_REQUESTS), database.documents(OUTBOX)) == ([], {}, {})
    assert (call_of(database)["reason"], call_of(database)["erased"]) == ("no-answer", True)


@given(st.permutations(range(len(voicemail()) + 1)), st.data())
def test_any_order_of_webhooks_deletion_and_folds_ends_the_same(order: list[int], data: st.DataObject) -> None:
    database, parts = MemoryDatabase(), voicemail()
    coin: st.SearchStrategy[Any] = st.booleans()
    for index in order:
        if index < len(parts):
            database.insert(RAW_REQUESTS, parts[index])
        else:
            forget(database)
        if data.draw(coin):
            fold(database, now=at(61))
        if database.documents(ERASED) and database.documents(CALLS) and data.draw(coin):
            work_off(database)
    fold(database)
    work_off(database)
    whole = MemoryDatabase()
    whole.insert(RAW_REQUESTS, *parts)
    forget(whole)
    fold(whole)
    assert (traces(database), database.documents(RAW_REQUESTS)) == ([], {})
    assert call_of(database) == call_of(whole)


@pytest.mark.parametrize("late", voicemail(), ids=lambda late: late["kind"])
def test_no_webhook_that_comes_late_or_again_brings_anybody_back(database: MemoryDatabase, late: Document) -> None:
    database.insert(RAW_REQUESTS, *voicemail())
    forget(database)
    fold(database)
    before = call_of(database)
    again = {**late, "received_at": at(7200), "known_at": at(7200)}
    database.insert(RAW_REQUESTS, again)
    fold(database, now=at(7200))
    assert (traces(database), database.documents(RAW_REQUESTS), database.documents(OUTBOX)) == ([], {}, {})
    assert call_of(database) == before


def test_a_call_that_is_under_way_still_ends(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, of_call("voice", 0, "ring"))
    fold(database, now=at(1))
    forget(database, deleted(at(2)))
    work_off(database, now=at(2))
    assert (call_of(database)["outcome"], call_of(database)["ask_at"]) == (None, None)
    told = len(database.documents(OUTBOX))
    database.insert(RAW_REQUESTS, of_call("dial", 9, DialCallStatus="completed", DialCallDuration="7"))
    fold(database, now=at(9))
    call = call_of(database)
    assert (call["outcome"], call["duration_seconds"], call["ended_at"]) == ("completed", 7, at(9))
    assert (traces(database), len(database.documents(OUTBOX))) == ([], told)


def test_time_alone_ends_it_too_and_twilio_is_not_asked(database: MemoryDatabase) -> None:
    forget(database)
    database.insert(RAW_REQUESTS, of_call("voice", 0, "ring"))
    fold(database, now=T0 + ASK_AFTER[0])
    assert call_of(database)["due_at"] == T0 + LONGEST_CALL
    fold(database)
    assert (call_of(database)["reason"], call_of(database)["due_at"]) == ("timeout", None)
    assert (call_of(database)["ask_at"], call_of(database)["in_doubt"]) == (None, False)


@pytest.mark.parametrize(("seconds", "erased"), [(3600, True), (3600.001, False)])
def test_who_calls_again_is_kept(database: MemoryDatabase, seconds: float, erased: bool) -> None:
    forget(database)
    database.insert(RAW_REQUESTS, *voicemail(seconds))
    fold(database)
    assert call_of(database).get("erased", False) is erased
    assert (traces(database) == []) is erased
    assert (database.documents(OUTBOX) == {}) is erased


def test_what_twilio_was_asked_about_later_counts_by_when_it_was(database: MemoryDatabase) -> None:
    forget(database)
    asked = {
        "StartTime": "2026-03-02T15:00:00.000Z",
        "EndTime": "2026-03-02T15:01:00.000Z",
        "CallStatus": "completed",
    }
    database.insert(RAW_REQUESTS, of_call("rest", 9000, "", **asked))
    fold(database)
    assert (traces(database), call_of(database)["erased"]) == ([], True)


@pytest.mark.parametrize(
    "event", [deleted(business="another"), deleted(phones=[OTHER]), deleted(phones=[]), deleted(phones=[NUMBER])]
)
def test_nobody_else_is_erased(database: MemoryDatabase, event: Event) -> None:
    forget(database, event)
    database.insert(RAW_REQUESTS, *voicemail())
    fold(database)
    assert "erased" not in call_of(database)


def test_a_number_that_voice_tells_late_finds_the_call_told_of_without_it(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, received("recording", 40, CallSid=CALL, To=NUMBER, RecordingSid=RECORDING))
    fold(database)
    database.insert(RAW_REQUESTS, of_call("voice", 0, "ring"))
    fold(database)
    assert (call_of(database)["caller_kind"], CALLER in call_of(database)["numbers"]) == ("withheld", True)


def test_of_two_erasures_the_later_counts_in_any_order(database: MemoryDatabase) -> None:
    forget(database, deleted(at(3600), cause="2"))
    forget(database, deleted(at(5), cause="1"), deleted(at(6), cause="3"))
    database.insert(RAW_REQUESTS, of_call("voice", 3000, "ring"))
    fold(database)
    assert call_of(database)["erased"]


def test_no_number_stands_among_the_erased(database: MemoryDatabase) -> None:
    forget(database, deleted(phones=[CALLER, OTHER]))
    assert len(database.documents(ERASED)) == 2
    assert not [number for number in (CALLER, OTHER) if number[1:] in str(database.documents(ERASED))]
    assert seal_with("t" * 40)(f"demo:{CALLER}") not in database.documents(ERASED)
    [erasure] = database.documents(ERASURES).values()
    assert (erasure["phones"], erasure["before"]) == ([CALLER, OTHER], DELETED_AT)


# Texts, and calls that we make.

CONTACT_REQUESTS: dict[str, tuple[Document, Document]] = {
    "a text that came in": (text_in(), text_in(3, SmsStatus="received")),
    "a text of ours": (text_out(), text_out(5, "delivered")),
    "a call that we made": (
        received("status", 0, CallSid=MESSAGE, From=NUMBER, To=CALLER, Direction="outbound-api"),
        received("recording", 9, CallSid=MESSAGE, RecordingSid=RECORDING),
    ),
    "a leg that told its own status": (
        received("status", 0, CallSid=MESSAGE, From=CALLER, To=STAFF, Direction="outbound-dial"),
        received("status", 9, CallSid=MESSAGE, From=CALLER, To=STAFF, Direction="outbound-dial", CallStatus="busy"),
    ),
}


@pytest.mark.parametrize("requests", CONTACT_REQUESTS.values(), ids=CONTACT_REQUESTS)
@pytest.mark.parametrize("folded_first", [True, False])
def test_what_is_no_call_of_the_log_goes_whole_and_stays_away(
    database: MemoryDatabase, requests: tuple[Document, Document], folded_first: bool
) -> None:
    first, late = requests
    database.insert(RAW_REQUESTS, first)
    if folded_first:
        fold(database, MESSAGE)
        assert CALLER in database.documents(CONTACTS)[MESSAGE]["numbers"]
    forget(database)
    (work_off if folded_first else fold)(database, MESSAGE)
    told = dict(database.documents(OUTBOX))
    database.insert(RAW_REQUESTS, late)
    fold(database, MESSAGE)
    assert (traces(database), database.documents(RAW_REQUESTS), database.documents(CALLS)) == ([], {}, {})
    assert database.documents(OUTBOX) == told
    assert database.documents(CONTACTS)[MESSAGE]["erased"]


def test_the_business_s_own_number_finds_no_call_that_it_made(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, CONTACT_REQUESTS["a call that we made"][0])
    fold(database, MESSAGE)
    assert database.documents(CONTACTS)[MESSAGE]["numbers"] == [CALLER]


def test_a_text_of_nobody_s_number_needs_no_place(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, text_in(From="72975"))
    fold(database, MESSAGE)
    assert (database.documents(CONTACTS), len(database.documents(MESSAGES))) == ({}, 1)


def test_a_call_that_turns_out_to_be_ours_keeps_no_person(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, of_call("dial", 1, Direction="", DialCallStatus="busy"))
    fold(database)
    assert call_of(database)["caller"] == CALLER
    database.insert(RAW_REQUESTS, of_call("status", 2, Direction="outbound-api", From=NUMBER, To=CALLER))
    fold(database)
    assert (call_of(database)["business"], CALLER in str(call_of(database))) == (None, False)


# Pieces.


def sentence(number: int) -> Document:
    said = {"TranscriptionEvent": "transcription-content", "SequenceId": str(number), "TranscriptionSid": "GT1"}
    return received("transcription", number, CallSid=CALL, TranscriptionData='{"transcript": "my tooth"}', **said)


@pytest.mark.parametrize("folded_first", [True, False])
def test_a_long_call_goes_piece_by_piece(
    database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch, folded_first: bool
) -> None:
    whole = MemoryDatabase()
    whole.insert(RAW_REQUESTS, *voicemail(), *map(sentence, range(9)))
    forget(whole)
    fold(whole)
    monkeypatch.setattr(erasures, "MOST_REMOVED", 4)
    database.insert(RAW_REQUESTS, *voicemail(), *map(sentence, range(9)))
    if folded_first:
        fold(database)
    forget(database)
    (work_off if folded_first else fold)(database)
    assert (len(database.documents(RAW_REQUESTS)), call_of(database)["due_at"]) == (11, MUCH_LATER)
    for _ in range(3):
        fold(database)
    assert (traces(database), database.documents(RAW_REQUESTS)) == ([], {})
    assert call_of(database) == call_of(whole)


def test_a_deletion_that_is_told_again_changes_nothing(database: MemoryDatabase) -> None:
    database.insert(RAW_REQUESTS, *voicemail())
    forget(database)
    fold(database)
    database.collections[ERASURES] = {}
    before = json.dumps(database.collections, default=str)
    forget(database)
    fold(database, now=MUCH_LATER + timedelta(days=1))
    database.collections[ERASURES] = {}
    assert json.dumps(database.collections, default=str) == before


def test_old_events_name_no_numbers_and_erase_nobody(database: MemoryDatabase) -> None:
    forget(database, replace(deleted(phones=[]), dataversion="1.0"))
    assert (database.documents(ERASED), database.documents(ERASURES)) == ({}, {})


def test_what_is_heard_of_an_erased_call_is_plain_data(database: MemoryDatabase) -> None:
    forget(database)
    database.insert(RAW_REQUESTS, *voicemail())
    fold(database)
    heard: list[dict[str, Any]] = call_of(database)["heard"]
    assert [one["kind"] for one in heard] == ["voice", "screen", "dial", "recording", "status", "transcription"]
    assert heard[2]["params"] == {
        "To": NUMBER,
        "Direction": "inbound",
        "DialCallStatus": "no-answer",
    }
