"""A call's outcome is a function of the set of its webhooks and of time, never of their order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_ingest.domain import (
    DIAL_OUTCOMES,
    FINAL_STATUSES,
    LONGEST_CALL,
    SETTLE,
    Conclusion,
    conclude,
)
from call_ingest.facts import Fact, Webhook
from tests.unit.fakes import CALLER, NUMBER, T0, at

CALL = "CA1"
MUCH_LATER = T0 + LONGEST_CALL + timedelta(hours=1)
RECORDINGS = "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/"

Told = set[tuple[str, tuple[str, ...]]]
"""The types and causes of facts: what the ids of their events are made from."""


def identify(caller: str) -> tuple[str, str]:
    return ("mobile", caller) if caller.startswith("+") else ("withheld", caller)


def webhook(kind: str, seconds: float = 0, **params: str) -> Webhook:
    """One that rang somebody, with voicemail, as is usual."""
    base = {"CallSid": CALL, "From": CALLER, "To": NUMBER, "Direction": "inbound"}
    return Webhook(kind, at(seconds), at(seconds), base | params, "ring" if kind == "voice" else "take_message")


def voice(seconds: float = 0, **changes: str) -> Webhook:
    return webhook("voice", seconds, CallStatus="ringing", **changes)


def closed(seconds: float = 0) -> Webhook:
    return replace(voice(seconds), answer="take_message")


def dial(result: str, seconds: float = 5, **params: str) -> Webhook:
    return webhook("dial", seconds, DialCallStatus=result, **params)


def status(value: str, seconds: float = 6, **params: str) -> Webhook:
    return webhook("status", seconds, CallStatus=value, **params)


def recording(sid: str, seconds: float = 7, **params: str) -> Webhook:
    return webhook("recording", seconds, RecordingSid=sid, RecordingDuration="12", **params)


def concluded(webhooks: Sequence[Webhook], now: datetime = MUCH_LATER) -> Conclusion:
    return conclude(CALL, webhooks, identify, now)


def told_by(conclusion: Conclusion) -> Told:
    return {(fact.type, fact.cause) for fact in conclusion.facts}


def outcome_of(conclusion: Conclusion) -> tuple[str | None, str | None]:
    return (conclusion.outcome.kind, conclusion.outcome.reason) if conclusion.outcome else (None, None)


def fact(conclusion: Conclusion, fact_type: str) -> Fact:
    [found] = [fact for fact in conclusion.facts if fact.type == fact_type]
    return found


# What a call's webhooks mean, case by case.


@pytest.mark.parametrize(
    ("webhooks", "outcome", "reason"),
    [
        ([voice(), dial("completed")], "completed", None),
        ([voice(), dial("answered")], "completed", None),
        ([voice(), dial("no-answer")], "missed", "no-answer"),
        ([voice(), dial("busy")], "missed", "busy"),
        ([voice(), dial("failed")], "missed", "failed"),
        ([voice(), dial("canceled")], "missed", "canceled"),
        ([voice(), dial("new-status"), status("completed")], "missed", "failed"),
        ([voice(), dial("completed"), status("completed")], "completed", None),
        ([voice(), dial("busy"), dial("completed", 9)], "completed", None),
        ([voice(), status("completed")], "missed", "abandoned"),
        ([voice(), status("no-answer")], "missed", "abandoned"),
        ([voice(), status("in-progress")], "missed", "timeout"),
        ([voice()], "missed", "timeout"),
        ([closed()], "missed", "closed"),
        ([closed(), status("completed")], "missed", "closed"),
        ([closed(), recording("RE1")], "missed", "closed"),
        ([status("completed")], "missed", "abandoned"),
        ([dial("completed")], "completed", None),
        ([dial("busy")], "missed", "busy"),
        ([recording("RE1")], "missed", "timeout"),
    ],
)
def test_how_a_call_ended(webhooks: list[Webhook], outcome: str, reason: str | None) -> None:
    assert outcome_of(concluded(webhooks)) == (outcome, reason)


@pytest.mark.parametrize("direction", ["outbound-api", "outbound-dial"])
def test_a_call_that_we_made_is_nobodys(direction: str) -> None:
    conclusion = concluded([voice(Direction=direction), dial("busy", Direction=direction)])
    assert conclusion == Conclusion(T0, ("mobile", CALLER), NUMBER, outbound=True)


def test_the_outcome_is_known_with_the_dial_result_and_not_before() -> None:
    assert concluded([voice()], at(1)).outcome is None
    assert outcome_of(concluded([voice(), dial("busy")], at(5))) == ("missed", "busy")


def test_after_closing_the_outcome_is_known_at_once() -> None:
    assert outcome_of(concluded([closed()], T0)) == ("missed", "closed")


def test_who_hung_up_is_missed_once_no_dial_result_can_come() -> None:
    ended = [voice(), status("completed", 6)]
    assert concluded(ended, at(6) + SETTLE - timedelta(milliseconds=1)).outcome is None
    assert concluded(ended, at(6)).due_at == at(6) + SETTLE
    assert fact(concluded(ended, at(6) + SETTLE), "call.missed").at == at(6)


def test_a_call_nobody_heard_of_again_is_missed_by_time() -> None:
    assert concluded([voice()], at(1)).due_at == T0 + LONGEST_CALL
    assert concluded([voice()], T0 + LONGEST_CALL - timedelta(milliseconds=1)).outcome is None
    assert outcome_of(concluded([voice()], T0 + LONGEST_CALL)) == ("missed", "timeout")


def test_nothing_is_told_before_the_first_webhook_was_waited_for() -> None:
    late = [dial("busy", 0), status("completed", 1)]
    waiting = concluded(late, T0 + SETTLE - timedelta(milliseconds=1))
    assert (waiting.facts, waiting.due_at) == ((), T0 + SETTLE)
    assert told_by(concluded(late, T0 + SETTLE)) == {("call.started", ()), ("call.missed", ("busy",))}


def test_a_dial_result_that_comes_after_all_supersedes_the_abandonment() -> None:
    ended = [voice(), status("completed", 6)]
    before = concluded(ended, at(60))
    assert outcome_of(before) == ("missed", "abandoned")
    after = concluded([*ended, dial("completed", 61, DialCallDuration="50")], at(61))
    assert outcome_of(after) == ("completed", None)
    assert told_by(after) - told_by(before) == {("call.completed", ())}


def test_another_reason_is_another_fact() -> None:
    """Else the better evidence would have the id of what was told before, and be taken for a repetition."""
    ended = [voice(), status("completed", 6)]
    before, after = concluded(ended, at(60)), concluded([*ended, dial("busy", 61)], at(61))
    assert told_by(after) - told_by(before) == {("call.missed", ("busy",))}


def test_a_talk_has_its_length_and_its_beginning() -> None:
    completed = fact(concluded([voice(), dial("completed", 40, DialCallDuration="30")]), "call.completed")
    assert (completed.data["duration_seconds"], completed.data["answered_at"]) == (30, at(10))


@pytest.mark.parametrize("seconds", ["", "-5", "1.5", "soon", "٣", "9" * 30, "²"])
def test_a_length_that_is_none_is_left_out(seconds: str) -> None:
    completed = fact(concluded([voice(), dial("completed", DialCallDuration=seconds)]), "call.completed")
    assert (completed.data["duration_seconds"], completed.data["answered_at"]) == (0, None)


@pytest.mark.parametrize(("answer", "offered"), [("take_message", True), ("apologize", False)])
def test_whether_a_message_could_be_left_is_told(answer: str, offered: bool) -> None:
    webhooks = [voice(), replace(dial("busy"), answer=answer)]
    assert fact(concluded(webhooks), "call.missed").data["voicemail"] is offered
    webhooks = [replace(closed(), answer=answer)]
    assert fact(concluded(webhooks), "call.missed").data["voicemail"] is offered
    assert fact(concluded([voice(), status("completed")]), "call.missed").data["voicemail"] is False


def test_what_is_known_of_the_caller_stands_on_every_fact() -> None:
    conclusion = concluded([voice(CallerName="JOHN DOE"), dial("busy", CallerName="someone else")])
    for name in ("call.started", "call.missed"):
        data = fact(conclusion, name).data
        assert (data["caller"], data["caller_kind"], data["called"]) == (CALLER, "mobile", NUMBER)
        assert data["caller_name"] == "JOHN DOE"


@pytest.mark.parametrize(
    ("webhooks", "caller", "called"),
    [
        ([voice(From="", Caller=CALLER, To=" ", Called=NUMBER)], CALLER, NUMBER),
        ([voice(From="", To=""), dial("busy")], CALLER, NUMBER),
        ([voice(From="", To="")], "", ""),
    ],
)
def test_what_one_webhook_leaves_blank_another_knows(webhooks: list[Webhook], caller: str, called: str) -> None:
    started = fact(concluded(webhooks), "call.started")
    assert (started.data["caller"], started.data["called"]) == (caller, called)


def test_a_blank_name_is_no_name() -> None:
    assert fact(concluded([voice(CallerName=" ")]), "call.started").data["caller_name"] is None


def test_every_recording_is_told_once_by_sid_or_address() -> None:
    second = "RE" + "2" * 32
    by_address = webhook("recording", 8, RecordingUrl=RECORDINGS + second + ".mp3")
    nothing = webhook("recording", 9, RecordingUrl="")
    webhooks = [closed(), recording("RE1"), recording("RE1", 30), by_address, recording(second, 31), nothing]
    recorded = [one for one in concluded(webhooks).facts if one.type == "call.recorded"]
    assert [(one.cause, one.at) for one in recorded] == [(("RE1",), at(7)), ((second,), at(8))]
    assert recorded[0].data["duration_seconds"] == 12


# Whatever comes, in whatever order.

seconds = st.integers(0, 100)
blankable = st.sampled_from(["", CALLER, "anonymous"])
any_webhook = st.one_of(
    st.builds(voice, seconds, From=blankable, CallerName=st.sampled_from(["", "A", "B"])),
    st.builds(closed, seconds),
    st.builds(
        dial,
        st.sampled_from([*DIAL_OUTCOMES, "other", ""]),
        seconds,
        DialCallDuration=st.sampled_from(["", "7"]),
    ),
    st.builds(status, st.sampled_from(sorted(FINAL_STATUSES | {"ringing", "in-progress", "x"})), seconds),
    st.builds(recording, st.sampled_from(["RE1", "RE2", ""]), seconds),
)
any_webhooks = st.lists(any_webhook, min_size=1, max_size=7)
moments = st.integers(0, int((LONGEST_CALL + SETTLE).total_seconds()) + 200).map(at)


@given(any_webhooks, moments, st.data())
def test_order_and_repetition_do_not_matter(webhooks: list[Webhook], now: datetime, data: st.DataObject) -> None:
    repeated = webhooks + data.draw(st.lists(st.sampled_from(webhooks), max_size=4))
    assert concluded(data.draw(st.permutations(repeated)), now) == concluded(webhooks, now)


@given(any_webhooks)
def test_once_time_has_passed_a_call_started_and_ended_exactly_once(webhooks: list[Webhook]) -> None:
    conclusion = concluded(webhooks)
    types = [fact.type for fact in conclusion.facts]
    assert types.count("call.started") == 1
    assert types.count("call.completed") + types.count("call.missed") == 1
    kind, reason = outcome_of(conclusion)
    assert f"call.{kind}" in types
    assert (reason is None) == (kind == "completed")


@given(any_webhooks, moments)
def test_a_call_is_due_exactly_while_its_outcome_is_open(webhooks: list[Webhook], now: datetime) -> None:
    conclusion = concluded(webhooks, now)
    assert (conclusion.due_at is None) == (conclusion.outcome is not None)
    if conclusion.due_at is not None:
        assert conclusion.due_at > now


@given(any_webhooks, moments)
def test_looking_when_it_is_due_comes_to_an_end(webhooks: list[Webhook], now: datetime) -> None:
    conclusion = concluded(webhooks, now)
    for _ in range(3):
        if conclusion.due_at is not None:
            conclusion = concluded(webhooks, conclusion.due_at)
    assert conclusion == concluded(webhooks)


@given(any_webhooks, moments, moments)
def test_time_alone_takes_nothing_back(webhooks: list[Webhook], one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other))
    assert set(told_by(concluded(webhooks, earlier))) <= told_by(concluded(webhooks, later))


@given(any_webhooks, moments)
def test_no_fact_is_told_from_the_future(webhooks: list[Webhook], now: datetime) -> None:
    latest = max(now, *(one.received_at for one in webhooks))
    assert all(fact.at <= latest for fact in concluded(webhooks, now).facts)


@dataclass(frozen=True)
class Sent:
    """What Twilio sent of one call: at most one dial result, everything perhaps twice, anything perhaps lost."""

    rang: bool
    voices: int
    result: str | None
    results: int
    statuses: tuple[str, ...]
    recordings: tuple[str, ...]

    def webhooks(self) -> list[Webhook]:
        voices = [voice() if self.rang else closed()] * self.voices
        results = [dial(self.result or "")] * (self.results if self.result else 0)
        statuses = [status(value) for value in self.statuses]
        return [*voices, *results, *statuses, *map(recording, self.recordings)]

    def told(self) -> Told:
        """The facts, by reason alone."""
        recorded: Told = {("call.recorded", (sid,)) for sid in self.recordings}
        return {("call.started", ()), self._end(), *recorded}

    def _end(self) -> tuple[str, tuple[str, ...]]:
        if self.result in ("completed", "answered"):
            return "call.completed", ()
        if self.result:
            return "call.missed", (self.result,)
        if self.voices and not self.rang:
            return "call.missed", ("closed",)
        if FINAL_STATUSES & set(self.statuses):
            return "call.missed", ("abandoned",)
        return "call.missed", ("timeout",)


@st.composite
def sent_calls(draw: st.DrawFn) -> Sent:
    rang = draw(st.booleans())
    sent = Sent(
        rang=rang,
        voices=draw(st.integers(0, 2)),
        result=draw(st.sampled_from([None, *DIAL_OUTCOMES])) if rang else None,
        results=draw(st.integers(1, 2)),
        statuses=tuple(
            draw(st.lists(st.sampled_from(["ringing", "in-progress", *sorted(FINAL_STATUSES)]), max_size=3))
        ),
        recordings=tuple(draw(st.lists(st.sampled_from(["RE1", "RE2"]), max_size=3))),
    )
    return sent if sent.webhooks() else replace(sent, voices=1)


@given(sent_calls(), st.data())
def test_folding_after_each_arrival_tells_the_same_whatever_the_order(sent: Sent, data: st.DataObject) -> None:
    """Each webhook is received when it arrives; all arrive within SETTLE, then time passes."""
    order = data.draw(st.permutations(sent.webhooks()))
    gap = (SETTLE - timedelta(seconds=1)) / len(order)
    arrived: list[Webhook] = []
    told: list[tuple[str, tuple[str, ...]]] = []

    def fold(now: datetime) -> Conclusion:
        conclusion = concluded(arrived, now)
        told.extend((f.type, f.cause) for f in conclusion.facts if (f.type, f.cause) not in told)
        return conclusion

    for number, one in enumerate(order):
        arrived.append(replace(one, received_at=T0 + gap * number, known_at=T0 + gap * number))
        due_at = fold(arrived[-1].received_at).due_at
    while due_at is not None:
        due_at = fold(due_at).due_at
    assert set(told) == sent.told()


@given(sent_calls(), st.data())
def test_some_arriving_much_later_ends_in_the_same_outcome(sent: Sent, data: st.DataObject) -> None:
    """What was told meanwhile may have been superseded, but the last word is the same."""
    delays = data.draw(st.lists(st.integers(0, 3600), min_size=len(sent.webhooks()), max_size=len(sent.webhooks())))
    late = [
        replace(one, received_at=at(delay), known_at=at(delay))
        for one, delay in zip(sent.webhooks(), delays, strict=True)
    ]
    assert told_by(concluded(late, MUCH_LATER + timedelta(hours=2))) == sent.told()
