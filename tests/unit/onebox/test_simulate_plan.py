"""The plan of calls: the same for the same arguments, and what Twilio really sends."""

import re
from collections import Counter
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebox.simulate.callers import IDENTIFIABLE, WITHHELD
from onebox.simulate.faults import CALL_FAULTS, DUPLICATED, OUT_OF_ORDER, SHUFFLED, TWINNED, disturb
from onebox.simulate.model import DIAL, RECORDING, STATUS, TRANSCRIPTION, VOICE, Call, Conversation, Webhook
from onebox.simulate.plan import Plan, start_for_end
from onebox.simulate.scenarios import SCENARIOS
from ringback.phone import identify

NUMBERS = ("+15558675310", "+12125550100")
ACCOUNT = "AC" + "0" * 32
TERMINAL = {"completed", "busy", "no-answer", "canceled", "failed"}
WITH_MESSAGE = {"voicemail", "voicemail_of_mobile"}

seeds = st.integers(min_value=-(2**63), max_value=2**63)
either_way = pytest.mark.parametrize("oddities", [True, False])


def plan(calls: int, seed: int, *, oddities: bool = True) -> list[Call]:
    return list(Plan(calls, seed, NUMBERS, ACCOUNT, oddities=oddities).each_call())


def plain(calls: int, seed: int) -> list[Call]:
    return plan(calls, seed, oddities=False)


def first(call: Call, path: str) -> dict[str, str]:
    return dict(next(step for step in call.steps if step.path == path).params)


def once(step: Webhook) -> Webhook:
    return Webhook(step.path, step.params)


def natural_place(step: Webhook) -> int:
    """Where Twilio sends it: transcription while they talk, what becomes of a recording when the call is over."""
    if step.path == TRANSCRIPTION:
        return 1 if step.first("TranscriptionEvent") else 6
    if step.path == RECORDING:
        return 5 if step.first("RecordingStatus") else 3
    return {VOICE: 0, DIAL: 2, STATUS: 4}[step.path]


@either_way
@given(seed=seeds)
def test_the_same_seed_sends_the_same_bytes(seed: int, oddities: bool) -> None:
    one, other = (Plan(10, seed, NUMBERS, ACCOUNT, oddities=oddities) for _ in range(2))
    assert repr(list(one)) == repr(list(other))


@given(seeds, seeds)
def test_another_seed_sends_other_calls(one: int, other: int) -> None:
    sids = {call.call_sid for call in plan(10, one)} & {call.call_sid for call in plan(10, other)}
    assert bool(sids) == (one == other)


def test_a_known_seed_stays_what_it_was() -> None:
    """Ledgers and bug reports name a seed: it must mean the same calls in the next version."""
    call = plain(1, 7)[0]
    assert call.call_sid == plan(1, 7)[0].call_sid == "CA84cdbc8d2db8ac9388c16a567038f14c"
    assert first(call, STATUS)["Timestamp"] == "Tue, 06 Jan 2026 11:14:22 +0000"


@either_way
@given(seed=seeds, shorter=st.integers(1, 30))
def test_a_longer_plan_begins_with_the_shorter_one(seed: int, shorter: int, oddities: bool) -> None:
    long, short = (list(Plan(calls, seed, NUMBERS, ACCOUNT, oddities=oddities)) for calls in (30, shorter))
    assert long[: len(short)] == short


def test_texts_come_in_addition_to_the_calls() -> None:
    planned = list(Plan(200, 1, NUMBERS, ACCOUNT))
    assert sum(isinstance(one, Call) for one in planned) == 200
    assert sum(isinstance(one, Conversation) for one in planned) == 50


@either_way
@given(seed=seeds)
def test_every_call_has_a_beginning_a_result_and_an_end(seed: int, oddities: bool) -> None:
    for call in plan(20, seed, oddities=oddities):
        paths = {step.path for step in call.steps}
        assert {VOICE, DIAL, STATUS} <= paths
        assert (RECORDING in paths) == (call.kind in WITH_MESSAGE)
        assert first(call, VOICE)["CallStatus"] == "ringing"


@given(seeds)
def test_every_webhook_belongs_to_its_call_and_names_nothing_twice(seed: int) -> None:
    for call in plain(20, seed):
        for step in call.steps:
            params = dict(step.params)
            assert step.call_sid == params["CallSid"] == call.call_sid
            assert re.fullmatch(r"CA[0-9a-f]{32}", step.call_sid)
            assert len(params) == len(step.params)
            assert params["AccountSid"] == ACCOUNT
            assert params.get("To", call.number) == params.get("Called", call.number) == call.number
            assert params.get("From", call.caller) == call.caller


@given(seeds)
def test_every_call_says_which_number_was_called_and_who_calls(seed: int) -> None:
    """Else it would be nobody's call, or its caller another one than the summary counts."""
    for call in plan(40, seed):
        assert {step.call_sid for step in call.steps} == {call.call_sid}
        assert call.number in {step.first("To") for step in call.steps}
        assert {step.first("From", "Caller") for step in call.steps} - {""} <= {call.caller}


@either_way
@given(seed=seeds)
def test_a_repeat_is_identical_to_its_original(seed: int, oddities: bool) -> None:
    for call in plan(40, seed, oddities=oddities):
        counts = Counter((step.path, step.params) for step in call.steps)
        assert sorted(counts.values())[:-1] == [1] * (len(counts) - 1)
        assert (max(counts.values()) == 2) == (DUPLICATED in call.faults)
        assert any(step.copies == 2 for step in call.steps) == (TWINNED in call.faults)


@given(seeds)
def test_no_fault_loses_or_changes_a_webhook(seed: int) -> None:
    steps = tuple(Webhook(path, (("nth", str(nth)),)) for path in (VOICE, DIAL, STATUS) for nth in range(2))
    for name, _, strike in CALL_FAULTS:
        struck, faults = disturb(steps, Random(seed), ((name, 1.0, strike),))
        assert faults == (name,)
        assert {once(step) for step in struck} == set(steps)
        repeated = sum(step.copies for step in struck) - len(steps)
        assert repeated == (name in {DUPLICATED, TWINNED})


@either_way
@given(seed=seeds)
def test_only_the_named_faults_change_the_order(seed: int, oddities: bool) -> None:
    for call in plan(40, seed, oddities=oddities):
        places = [natural_place(step) for step in dict.fromkeys(once(step) for step in call.steps)]
        disordering = OUT_OF_ORDER.intersection(call.faults)
        if not disordering:
            assert places == sorted(places)
        elif len(disordering) == 1 and SHUFFLED not in disordering:
            assert places != sorted(places)


@either_way
@given(seed=seeds)
def test_callers_are_who_they_claim_to_be(seed: int, oddities: bool) -> None:
    for call in plan(40, seed, oddities=oddities):
        caller = identify(call.caller, "US")
        assert caller.e164 == call.identity
        assert (call.identity is not None) == (call.caller_kind in IDENTIFIABLE)
        if call.identity:
            assert phonenumbers.is_valid_number(phonenumbers.parse(call.identity))
        else:
            assert caller.kind == call.caller_kind


@either_way
@given(seed=seeds)
def test_no_caller_is_a_real_persons_number(seed: int, oddities: bool) -> None:
    kept_for_fiction = re.compile(
        r"\+1\d{3}555\d{4}|\+442079460\d{3}|\+493023125\d{3}|\+3319900\d{4}|\+52200123\d{4}"
    )
    for call in plan(40, seed, oddities=oddities):
        if call.identity:
            assert kept_for_fiction.fullmatch(call.identity)
            assert not call.identity.endswith(("5551212", "5554334"))


@given(seeds)
def test_what_ended_agrees_with_what_was_dialled(seed: int) -> None:
    for call in plain(40, seed):
        result, ending = first(call, DIAL), first(call, STATUS)
        answered = call.kind == "answered"
        picked_up = answered or call.kind == "voicemail_of_mobile"
        assert (result["DialCallStatus"] == "completed") == picked_up == ("DialCallDuration" in result)
        assert result["DialBridged"] == ("true" if answered else "false")
        assert ending["CallStatus"] in TERMINAL
        assert ("Duration" in ending) == (ending["CallStatus"] == "completed") == (ending["CallDuration"] != "0")
        if picked_up:
            assert int(ending["CallDuration"]) > int(result["DialCallDuration"]) > 0


@given(seeds)
def test_a_mobiles_own_voicemail_is_short_and_the_caller_speaks_to_ours_then(seed: int) -> None:
    for call in plan(60, seed):
        if call.kind == "voicemail_of_mobile":
            result = first(call, DIAL)
            assert (result["DialCallStatus"], result["DialBridged"]) == ("completed", "false")
            assert 2 <= int(result["DialCallDuration"]) <= 8


@given(seeds)
def test_minutes_are_begun_minutes(seed: int) -> None:
    for ending in (first(call, STATUS) for call in plain(40, seed)):
        seconds, minutes = int(ending["CallDuration"]), int(ending.get("Duration", "0"))
        assert (minutes - 1) * 60 < seconds <= minutes * 60


@given(seeds)
def test_who_hung_up_is_gone_when_the_result_of_dialling_comes(seed: int) -> None:
    for call in plain(40, seed):
        gone = call.kind == "abandoned"
        expected = first(call, STATUS)["CallStatus"] if gone else "in-progress"
        assert first(call, DIAL)["CallStatus"] == expected


@either_way
def test_the_mix_has_everything(oddities: bool) -> None:
    calls = plan(3000, 1, oddities=oddities)
    assert {call.kind for call in calls} == {scenario.kind for scenario in SCENARIOS}
    assert {call.caller_kind for call in calls} >= {"us", "foreign", "withheld", "sip", "client"}
    assert {fault for call in calls for fault in call.faults} == {name for name, _, _ in CALL_FAULTS}
    assert {call.number for call in calls} == set(NUMBERS)
    assert any("From" not in first(call, VOICE) for call in calls if call.caller_kind == WITHHELD)
    assert any(not first(call, VOICE).get("CallerName", "").isascii() for call in calls)


@either_way
def test_some_who_reached_nobody_call_the_same_number_again_and_get_through(oddities: bool) -> None:
    missed: set[tuple[str, str]] = set()
    recovered = set()
    for call in plan(500, 1, oddities=oddities):
        if not call.identity:
            continue
        if call.kind != "answered":
            missed.add((call.identity, call.number))
        elif (call.identity, call.number) in missed:
            recovered.add(call.identity)
    assert len(recovered) > 10


def test_calls_can_be_dated_to_end_by_a_given_moment() -> None:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    calls = Plan(200, 1, NUMBERS, ACCOUNT, start_for_end(200, now), oddities=False).each_call()
    ends = [parsedate_to_datetime(first(call, STATUS)["Timestamp"]) for call in calls]
    assert max(ends) <= now
