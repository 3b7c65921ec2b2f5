"""Whatever the seed, two hundred calls have every oddity; a plain run has none."""

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onebox.simulate import addresses, transcripts, voicemail
from onebox.simulate.decks import Deck
from onebox.simulate.model import (
    DIAL,
    RECORDING,
    SMS,
    SMS_STATUS,
    STATUS,
    TRANSCRIPTION,
    VOICE,
    Call,
    Webhook,
)
from onebox.simulate.odd_callers import NOBODIES, ODD_CALLERS
from onebox.simulate.oddities import ODDITIES
from onebox.simulate.plan import Plan

NUMBERS = ("+15558675310",)
ACCOUNT = "AC" + "0" * 32
ROUTES = {VOICE, DIAL, RECORDING, TRANSCRIPTION, STATUS, SMS, SMS_STATUS}

seeds = st.integers(min_value=-(2**63), max_value=2**63)


def calls_of(seed: int, calls: int = 200) -> list[Call]:
    return list(Plan(calls, seed, NUMBERS, ACCOUNT).each_call())


def steps_of(calls: list[Call], path: str) -> list[Webhook]:
    return [step for call in calls for step in call.steps if step.path == path]


@pytest.fixture(scope="module")
def calls() -> list[Call]:
    return calls_of(1)


@pytest.fixture(scope="module")
def voices(calls: list[Call]) -> list[Webhook]:
    return steps_of(calls, VOICE)


def named_oddities() -> Iterator[str]:
    yield from (caller.oddity for caller in ODD_CALLERS)
    yield from (oddity.name for oddities in ODDITIES.values() for oddity in oddities)
    yield from (kept.oddity for kept in voicemail.VOICEMAILS if kept.oddity)
    yield from (speech.oddity for speech in transcripts.SPEECHES if speech and speech.oddity)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_two_hundred_calls_of_any_seed_have_every_oddity(seed: int) -> None:
    assert {oddity for call in calls_of(seed) for oddity in call.oddities} == set(named_oddities())


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_two_hundred_calls_of_any_seed_have_every_caller_that_is_nobody(seed: int) -> None:
    held = {webhook.first("From") for webhook in steps_of(calls_of(seed), VOICE)}
    assert held >= {address or "" for _, _, all_of_kind in NOBODIES for address in all_of_kind}


def test_a_run_uses_every_route() -> None:
    assert {step.path for planned in Plan(200, 1, NUMBERS, ACCOUNT) for step in planned.steps} == ROUTES


@given(seeds)
def test_a_plain_run_has_none(seed: int) -> None:
    for planned in Plan(40, seed, NUMBERS, ACCOUNT, oddities=False):
        assert planned.oddities == ()
        assert all(len({name for name, _ in step.params}) == len(step.params) for step in planned.steps)


@given(seeds, st.lists(st.integers(), min_size=1, max_size=30, unique=True), st.integers(1, 5))
def test_a_deck_deals_each_card_before_one_comes_again(seed: int, cards: list[int], rounds: int) -> None:
    deck = Deck("cards", seed, cards)
    for _ in range(rounds):
        assert sorted(deck.deal() for _ in cards) == sorted(cards)


def test_the_withheld_are_those_that_twilio_lists() -> None:
    spelled = {"ANONYMOUS", "RESTRICTED", "BLOCKED", "UNKNOWN", "UNAVAILABLE", "PRIVATE"}
    keypad = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "22233344455566677778889999")
    assert {"+" + word.translate(keypad) for word in spelled} | {"+464"} == set(addresses.WITHHELD_NUMBERS)


def test_a_client_that_calls_an_app_names_no_number_in_its_first_request(calls: list[Call]) -> None:
    [call, *_] = [call for call in calls if "client_calls_an_app" in call.oddities]
    [first, *_] = [step for step in call.steps if step.path == VOICE]
    assert {("From", "client:Anonymous"), ("To", ""), ("Called", "")} <= set(first.params)
    assert first.first("ApplicationSid").startswith("AP")


def test_national_digits_are_the_number_without_its_country(calls: list[Call]) -> None:
    found = [call for call in calls if "national_digits" in call.oddities]
    assert found
    assert all(f"+1{call.caller}" == call.identity for call in found)


def test_a_number_called_abroad_gets_no_national_digits_that_would_be_read_there() -> None:
    for call in Plan(200, 1, ("+442079460000",), ACCOUNT).each_call():
        assert call.caller == call.identity or call.identity is None


def test_first_requests_carry_what_is_long_new_and_repeated(voices: list[Webhook]) -> None:
    assert any(900 < len(voice.first("StirPassportToken")) < 1200 for voice in voices)
    assert any(len(voice.first("CallToken")) > 2000 for voice in voices)
    assert any(voice.first("SipHeader_X-Account") for voice in voices)
    assert any(voice.first("ForwardedFrom") == voice.first("From") != "" for voice in voices)
    assert any([value for name, value in voice.params if name == "Tag"] == ["b", "a", "b", ""] for voice in voices)
    assert any(voice.first("ErrorCode") == "11200" for voice in voices)
    assert any((voice.first("FromCity", "CallerZip"), voice.first("CallerCountry")) == ("", "LK") for voice in voices)


@pytest.mark.parametrize("sample", ["\x07", "\x00", "\r\n", "</Response>", "<script>", "\u202e", "مريم"])
def test_names_are_what_pages_and_logs_must_carry_unharmed(voices: list[Webhook], sample: str) -> None:
    assert any(sample in voice.first("CallerName") for voice in voices)


def test_status_callbacks_lack_what_twilio_leaves_out(calls: list[Call]) -> None:
    names = [{name for name, _ in status.params} for status in steps_of(calls, STATUS)]
    assert {"CallSid", "Called", "Caller", "CallDuration"} in names
    assert any(
        "CallStatus" in found and not found & {"Timestamp", "SequenceNumber", "CallbackSource"} for found in names
    )
    assert any("ErrorCode" in found and "CallDuration" not in found for found in names)


def test_an_unknown_call_status_is_told_before_the_end(calls: list[Call]) -> None:
    [call, *_] = [call for call in calls if "status_unknown" in call.oddities and not call.faults]
    unknown, ending = [step for step in call.steps if step.path == STATUS]
    assert unknown.first("CallStatus") in {"answered", "on-hold", "Completed"}
    assert ending.first("CallDuration")


def test_results_of_dialling_lack_the_bridge_but_never_where_it_is_the_only_evidence(calls: list[Call]) -> None:
    without = [dial for dial in steps_of(calls, DIAL) if not dial.first("DialBridged")]
    assert without
    assert not any("DialBridged" not in dict(d.params) for c in of_mobile(calls) for d in c.steps if d.path == DIAL)


def of_mobile(calls: list[Call]) -> list[Call]:
    return [call for call in calls if call.kind == "voicemail_of_mobile"]


def test_a_recordings_status_names_neither_caller_nor_number(calls: list[Call]) -> None:
    statuses = [step for step in steps_of(calls, RECORDING) if step.first("RecordingStatus")]
    assert {status.first("RecordingStatus") for status in statuses} == {"completed", "absent"}
    for status in statuses:
        assert not {"From", "To", "Caller", "Called", "CallStatus"} & {name for name, _ in status.params}
        assert status.first("RecordingSource", "") == "RecordVerb"
        assert (status.first("ErrorCode"), status.first("RecordingSid")[:2]) == ("0", "RE")


def test_nothing_said_makes_no_result_of_recording(calls: list[Call]) -> None:
    for call in calls:
        if "recording_absent" in call.oddities:
            assert not any(step.first("Digits") for step in call.steps)
            assert not any(step.path == TRANSCRIPTION for step in call.steps)


def test_voicemail_is_transcribed_or_not_and_the_text_may_be_missing(calls: list[Call]) -> None:
    found = {
        (step.first("TranscriptionStatus"), "TranscriptionText" in dict(step.params))
        for step in steps_of(calls, TRANSCRIPTION)
        if step.first("TranscriptionStatus")
    }
    assert found == {("completed", True), ("completed", False), ("failed", False)}


def events_of(call: Call) -> list[Webhook]:
    return [step for step in call.steps if step.first("TranscriptionEvent")]


def test_a_live_transcript_is_numbered_and_whole(calls: list[Call]) -> None:
    followed = [events for call in calls if (events := events_of(call)) and not call.faults]
    assert followed
    for events in followed:
        ordered = sorted(events, key=lambda event: int(event.first("SequenceId")))
        assert [event.first("SequenceId") for event in ordered] == [str(n) for n in range(1, len(events) + 1)]
        assert ordered[0].first("TranscriptionEvent") == "transcription-started"
        assert ordered[-1].first("TranscriptionEvent") == "transcription-stopped"
        times = [event.first("Timestamp") for event in ordered]
        assert all(one < other for one, other in pairwise(times))


def test_live_transcripts_have_both_tracks_and_partials_without_confidence(calls: list[Call]) -> None:
    contents = [event for call in calls for event in events_of(call) if event.first("TranscriptionData")]
    assert {event.first("Track") for event in contents} == {"inbound_track", "outbound_track"}
    assert {event.first("Final") for event in contents} == {"true", "false"}
    for event in contents:
        data = json.loads(event.first("TranscriptionData"))
        assert data["transcript"]
        assert ("confidence" in data) == (event.first("Final") == "true")


def test_some_live_transcripts_are_long_and_some_out_of_order(calls: list[Call]) -> None:
    said = {call.call_sid: sum(len(event.first("TranscriptionData")) for event in events_of(call)) for call in calls}
    assert max(said.values()) > 20_000
    numbers = [[int(event.first("SequenceId")) for event in events_of(call)] for call in calls if not call.faults]
    assert any(found != sorted(found) for found in numbers)
