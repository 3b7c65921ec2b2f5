"""The plan of calls: the same for the same arguments, and what Twilio really sends."""

import re
from collections import Counter
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import phonenumbers
from hypothesis import given
from hypothesis import strategies as st

from onebox.simulate.callers import IDENTIFIABLE, WITHHELD
from onebox.simulate.faults import DUPLICATED, FAULTS, OUT_OF_ORDER, TWINNED
from onebox.simulate.model import DIAL, RECORDING, STATUS, VOICE, Call, Webhook
from onebox.simulate.scenarios import SCENARIOS, plan_calls, start_for_end
from ringback.phone import identify

NUMBERS = ("+15558675310", "+12125550100")
ACCOUNT = "AC" + "0" * 32
TERMINAL = {"completed", "busy", "no-answer", "canceled", "failed"}
NATURAL_ORDER = (VOICE, DIAL, RECORDING, STATUS)

seeds = st.integers(min_value=-(2**63), max_value=2**63)


def plan(calls: int, seed: int) -> list[Call]:
    return plan_calls(calls, seed, NUMBERS, ACCOUNT)


def params(webhook: Webhook) -> dict[str, str]:
    return dict(webhook.params)


def first(call: Call, path: str) -> dict[str, str]:
    return params(next(step for step in call.steps if step.path == path))


@given(seeds)
def test_the_same_seed_sends_the_same_bytes(seed: int) -> None:
    assert repr(plan(10, seed)) == repr(plan(10, seed))


@given(seeds, seeds)
def test_another_seed_sends_other_calls(one: int, other: int) -> None:
    sids = {call.call_sid for call in plan(10, one)} & {call.call_sid for call in plan(10, other)}
    assert bool(sids) == (one == other)


def test_a_known_seed_stays_what_it_was() -> None:
    """Ledgers and bug reports name a seed: it must mean the same calls in the next version."""
    call = plan(1, 7)[0]
    assert call.call_sid == "CA84cdbc8d2db8ac9388c16a567038f14c"
    assert first(call, STATUS)["Timestamp"] == "Tue, 06 Jan 2026 11:14:22 +0000"


def test_a_longer_plan_begins_with_the_shorter_one() -> None:
    assert plan(50, 3)[:20] == plan(20, 3)


@given(seeds)
def test_every_call_has_a_beginning_a_result_and_an_end(seed: int) -> None:
    for call in plan(20, seed):
        paths = {step.path for step in call.steps}
        assert {VOICE, DIAL, STATUS} <= paths
        assert (RECORDING in paths) == (call.kind == "voicemail")
        assert first(call, VOICE)["CallStatus"] == "ringing"
        assert first(call, STATUS)["CallStatus"] in TERMINAL


@given(seeds)
def test_every_webhook_belongs_to_its_call_and_names_nothing_twice(seed: int) -> None:
    for call in plan(20, seed):
        for step in call.steps:
            assert step.call_sid == call.call_sid
            assert re.fullmatch(r"CA[0-9a-f]{32}", step.call_sid)
            assert len(params(step)) == len(step.params)
            assert params(step)["AccountSid"] == ACCOUNT
            assert params(step)["To"] == params(step)["Called"] == call.number
            assert params(step).get("From", "") == call.caller


@given(seeds)
def test_a_repeat_is_identical_to_its_original(seed: int) -> None:
    for call in plan(40, seed):
        counts = Counter(step.path for step in call.steps)
        assert len({(step.path, step.params) for step in call.steps}) == len(counts)
        assert (max(counts.values()) == 2) == (DUPLICATED in call.faults)
        assert any(step.copies == 2 for step in call.steps) == (TWINNED in call.faults)


@given(seeds)
def test_only_the_named_faults_change_the_order(seed: int) -> None:
    for call in plan(40, seed):
        arrived = list(dict.fromkeys(step.path for step in call.steps))
        natural = [path for path in NATURAL_ORDER if path in arrived]
        if OUT_OF_ORDER.isdisjoint(call.faults):
            assert arrived == natural
        elif len(OUT_OF_ORDER.intersection(call.faults)) == 1:
            assert arrived != natural


@given(seeds)
def test_callers_are_who_they_claim_to_be(seed: int) -> None:
    for call in plan(40, seed):
        if call.caller_kind in IDENTIFIABLE:
            assert phonenumbers.is_valid_number(phonenumbers.parse(call.caller))
            assert identify(call.caller, "US").e164 == call.caller
        else:
            assert identify(call.caller, "US").kind == call.caller_kind


@given(seeds)
def test_no_caller_is_a_real_persons_number(seed: int) -> None:
    kept_for_fiction = re.compile(
        r"\+1\d{3}555\d{4}|\+442079460\d{3}|\+493023125\d{3}|\+3319900\d{4}|\+52200123\d{4}"
    )
    for call in plan(40, seed):
        if call.caller_kind in IDENTIFIABLE:
            assert kept_for_fiction.fullmatch(call.caller)
            assert not call.caller.endswith(("5551212", "5554334"))


@given(seeds)
def test_what_ended_agrees_with_what_was_dialled(seed: int) -> None:
    for call in plan(40, seed):
        result, ending = first(call, DIAL), first(call, STATUS)
        answered = call.kind == "answered"
        assert (result["DialCallStatus"] == "completed") == answered == ("DialCallDuration" in result)
        assert result["DialBridged"] == ("true" if answered else "false")
        assert ("Duration" in ending) == (ending["CallStatus"] == "completed") == (ending["CallDuration"] != "0")
        if answered:
            assert int(ending["CallDuration"]) > int(result["DialCallDuration"]) > 0


@given(seeds)
def test_minutes_are_begun_minutes(seed: int) -> None:
    for ending in (first(call, STATUS) for call in plan(40, seed)):
        seconds, minutes = int(ending["CallDuration"]), int(ending.get("Duration", "0"))
        assert (minutes - 1) * 60 < seconds <= minutes * 60


@given(seeds)
def test_who_hung_up_is_gone_when_the_result_of_dialling_comes(seed: int) -> None:
    for call in plan(40, seed):
        gone = call.kind == "abandoned"
        expected = first(call, STATUS)["CallStatus"] if gone else "in-progress"
        assert first(call, DIAL)["CallStatus"] == expected


def test_the_mix_has_everything() -> None:
    calls = plan(3000, 1)
    assert {call.kind for call in calls} == {scenario.kind for scenario in SCENARIOS}
    assert {call.caller_kind for call in calls} == {"us", "foreign", "withheld", "sip", "client"}
    assert {fault for call in calls for fault in call.faults} == {name for name, _, _ in FAULTS}
    assert {call.number for call in calls} == set(NUMBERS)
    assert any("From" not in first(call, VOICE) for call in calls if call.caller_kind == WITHHELD)
    assert any(not first(call, VOICE).get("CallerName", "").isascii() for call in calls)


def test_some_who_reached_nobody_call_the_same_number_again_and_get_through() -> None:
    missed: set[tuple[str, str]] = set()
    recovered = set()
    for call in plan(500, 1):
        if call.caller_kind not in IDENTIFIABLE:
            continue
        if call.kind != "answered":
            missed.add((call.caller, call.number))
        elif (call.caller, call.number) in missed:
            recovered.add(call.caller)
    assert len(recovered) > 10


def test_calls_can_be_dated_to_end_by_a_given_moment() -> None:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    calls = plan_calls(200, 1, NUMBERS, ACCOUNT, start_for_end(200, now))
    ends = [parsedate_to_datetime(first(call, STATUS)["Timestamp"]) for call in calls]
    assert max(ends) <= now
