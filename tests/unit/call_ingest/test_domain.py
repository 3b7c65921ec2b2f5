"""A call's outcome is a function of the set of its webhooks and of time, never of their order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_ingest.domain import (
    ASK_AFTER,
    LONGEST_CALL,
    LONGEST_MESSAGE,
    SETTLE,
    Conclusion,
    conclude,
    next_ask,
)
from call_ingest.facts import Fact, Webhook
from call_ingest.outcomes import DIAL_OUTCOMES, FINAL_STATUSES, SUSPICIOUS_SECONDS, Outcome
from call_ingest.transcripts import REALTIME, Transcript
from tests.unit.fakes import CALLER, NUMBER, T0, at

CALL, LEG = "CA1", "CA2"
STAFF = "+15551230001"
TRANSCRIPTION = "GT1"
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


def turned_away(seconds: float = 0) -> Webhook:
    return replace(voice(seconds), answer="turn_away")


def screen(seconds: float = 2, **params: str) -> Webhook:
    """Of the leg to the telephone that is rung."""
    leg = {"CallSid": LEG, "ParentCallSid": CALL, "To": STAFF, "Called": STAFF, "Direction": "outbound-dial"}
    return replace(webhook("screen", seconds, **leg | params), answer="screen")


def rest(value: str = "completed", seconds: float = 180, **params: str) -> Webhook:
    """What Twilio's API told when it was asked."""
    return replace(webhook("rest", seconds, CallStatus=value, **params), answer="")


def sentence(number: int, text: str, seconds: float = 3) -> Webhook:
    said = {"TranscriptionData": json.dumps({"transcript": text}), "Track": "inbound_track", "Final": "true"}
    return live("transcription-content", number, seconds, **said)


def live(event: str, number: int, seconds: float = 3, **params: str) -> Webhook:
    told = {"TranscriptionEvent": event, "TranscriptionSid": TRANSCRIPTION, "SequenceId": str(number)}
    return Webhook("transcription", at(seconds), at(seconds), {"CallSid": CALL} | told | params, "nothing")


def voicemail(text: str, seconds: float = 8, **params: str) -> Webhook:
    told = {"TranscriptionSid": "TR1", "TranscriptionStatus": "completed", "TranscriptionText": text}
    return webhook("transcription", seconds, **told | params)


def spooled(one: Webhook, seconds: float) -> Webhook:
    """It waited this long in the spool."""
    return replace(one, known_at=one.received_at + timedelta(seconds=seconds))


def without(one: Webhook, *names: str) -> Webhook:
    return replace(one, params={name: value for name, value in one.params.items() if name not in names})


def concluded(webhooks: Sequence[Webhook], now: datetime = MUCH_LATER) -> Conclusion:
    return conclude(CALL, webhooks, identify, now)


def told_by(conclusion: Conclusion) -> Told:
    return {(fact.type, fact.cause) for fact in conclusion.facts}


def outcome_of(conclusion: Conclusion) -> tuple[str | None, str | None]:
    return (conclusion.outcome.kind, conclusion.outcome.reason) if conclusion.outcome else (None, None)


def ended(webhooks: Sequence[Webhook], now: datetime = MUCH_LATER) -> Outcome:
    outcome = concluded(webhooks, now).outcome
    assert outcome is not None
    return outcome


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
        ([turned_away()], "rejected", None),
        ([turned_away(), status("no-answer")], "rejected", None),
        ([voice(), rest("completed")], "missed", "abandoned"),
        ([voice(), rest("in-progress")], "missed", "timeout"),
        ([voice(), rest("completed", DialCallStatus="completed")], "completed", None),
        ([voice(), rest("completed", DialCallStatus="busy")], "missed", "busy"),
        ([voice(), dial("busy"), rest("completed", DialCallStatus="completed")], "missed", "busy"),
        ([voice(), dial("completed"), rest("completed", DialCallStatus="no-answer")], "completed", None),
        ([rest("no-answer")], "missed", "abandoned"),
        ([rest("completed", DialCallStatus="completed")], "completed", None),
        ([screen()], "missed", "timeout"),
        ([screen(), dial("completed")], "completed", None),
        ([voice(), screen(), screen(4, Digits="1")], "missed", "timeout"),
        ([voice(), sentence(1, "Hello")], "missed", "timeout"),
        ([voice(), recording("RE1", CallStatus="completed")], "missed", "timeout"),
    ],
)
def test_how_a_call_ended(webhooks: list[Webhook], outcome: str, reason: str | None) -> None:
    assert outcome_of(concluded(webhooks)) == (outcome, reason)


@pytest.mark.parametrize("direction", ["outbound-api", "outbound-dial"])
def test_a_call_that_we_made_is_nobodys(direction: str) -> None:
    conclusion = concluded([voice(Direction=direction), dial("busy", Direction=direction)])
    assert conclusion == Conclusion(T0, ("mobile", CALLER), NUMBER, outbound=True)


def test_the_leg_to_the_telephone_that_is_rung_is_no_call_of_its_own() -> None:
    leg = webhook(
        "status", CallSid=LEG, ParentCallSid=CALL, To=STAFF, Direction="outbound-dial", CallStatus="completed"
    )
    assert conclude(LEG, [leg], identify, MUCH_LATER).outbound


@pytest.mark.parametrize("late", [[], [voice(20)]], ids=["never", "late"])
def test_the_leg_that_is_rung_knows_the_caller_but_not_the_number_called(late: list[Webhook]) -> None:
    """Else a call whose first webhook was lost would be nobody's, or one to the staff's own telephone."""
    conclusion = concluded([screen(2, Digits="1"), dial("completed", 30), *late])
    started = fact(conclusion, "call.started")
    assert (started.data["caller"], started.data["called"]) == (CALLER, NUMBER)
    assert started.data["direction"] == "inbound"
    only = fact(concluded([screen()]), "call.started")
    assert (only.data["caller"], only.data["called"], only.data["direction"]) == (CALLER, "", "inbound")


@pytest.mark.parametrize("result", [dial("completed"), dial("no-answer"), status("completed")])
def test_screening_changes_nothing(result: Webhook) -> None:
    plain = [voice(), result]
    assert concluded([*plain, screen(), screen(4, Digits="2")]) == concluded(plain)


# Answered, but by whom?


@pytest.mark.parametrize(
    ("params", "outcome", "reason"),
    [
        ({"DialBridged": "false", "DialCallDuration": "7"}, "missed", "no-answer"),
        ({"DialBridged": "False", "DialCallDuration": "7"}, "missed", "no-answer"),
        ({"DialBridged": "false"}, "missed", "no-answer"),
        ({"DialBridged": "false", "DialCallDuration": "soon"}, "missed", "no-answer"),
        ({"DialBridged": "false", "DialCallDuration": str(SUSPICIOUS_SECONDS - 1)}, "missed", "no-answer"),
        ({"DialBridged": "false", "DialCallDuration": str(SUSPICIOUS_SECONDS)}, "completed", None),
        ({"DialBridged": "true", "DialCallDuration": "1"}, "completed", None),
        ({"DialBridged": "", "DialCallDuration": "1"}, "completed", None),
        ({"DialBridged": "maybe", "DialCallDuration": "1"}, "completed", None),
        ({"DialCallDuration": "1"}, "completed", None),
    ],
)
@pytest.mark.parametrize("result", ["completed", "answered"])
def test_answered_for_a_short_time_and_not_put_through_is_no_answer(
    result: str, params: dict[str, str], outcome: str, reason: str | None
) -> None:
    assert outcome_of(concluded([voice(), dial(result, 5, **params)])) == (outcome, reason)


@pytest.mark.parametrize("result", ["no-answer", "busy", "failed", "canceled"])
def test_who_was_never_answered_was_never_put_through(result: str) -> None:
    assert outcome_of(concluded([voice(), dial(result, DialBridged="false")])) == ("missed", result)


def test_of_two_results_a_person_who_was_put_through_counts() -> None:
    machine = dial("completed", 5, DialBridged="false", DialCallDuration="4")
    assert outcome_of(concluded([voice(), machine, dial("completed", 9, DialBridged="true")])) == ("completed", None)
    assert outcome_of(concluded([voice(), machine, dial("busy", 3)])) == ("missed", "no-answer")


def test_the_caller_whom_a_machine_answered_may_leave_a_message() -> None:
    machine = dial("completed", 9, DialBridged="false", DialCallDuration="4")
    assert fact(concluded([voice(), machine]), "call.missed").data["voicemail"] is True


@pytest.mark.parametrize(
    ("webhooks", "words"),
    [
        ([voice(), dial("completed", DialCallDuration="30")], ["person answered", "completed", "30 s"]),
        ([voice(), dial("busy")], ["Nobody answered", "busy"]),
        ([voice(), dial("brand-new")], ["Nobody answered", "brand-new"]),
        ([voice(), dial(" ")], ["Nobody answered", "no status"]),
        ([voice(), dial("completed", DialBridged="false", DialCallDuration="9")], ["voicemail box", "9 s"]),
        ([closed()], ["Nobody was rung"]),
        ([turned_away()], ["blocked"]),
        ([voice(), status("canceled")], ["(canceled)", "hung up"]),
        ([voice(), status("", CallDuration="3")], ["(no status)", "hung up"]),
        ([voice()], ["Nothing more"]),
    ],
)
def test_why_says_what_decided(webhooks: list[Webhook], words: list[str]) -> None:
    why = ended(webhooks).why
    assert [word for word in words if word not in why] == []
    assert why.endswith(".")


# Who is blocked.


def test_nothing_is_told_of_a_blocked_caller() -> None:
    everything = [turned_away(), status("no-answer"), recording("RE1"), voicemail("Let me in"), screen()]
    conclusion = concluded(everything, at(0))
    assert (outcome_of(conclusion), conclusion.facts) == (("rejected", None), ())
    assert conclusion.started_at == T0
    assert concluded(everything).facts == ()


# What Twilio's API told when it was asked.


def test_a_call_that_only_twilio_knows_has_the_times_that_it_says() -> None:
    told = rest("completed", 5000, StartTime="2026-03-02T15:00:07Z", EndTime="2026-03-02T15:01:00.250000Z")
    conclusion = concluded([told], at(5000) + SETTLE)
    assert conclusion.started_at == fact(conclusion, "call.started").at == at(7)
    assert fact(conclusion, "call.missed").at == at(60.25)
    assert fact(conclusion, "call.started").data["caller"] == CALLER


def test_an_answer_that_only_twilio_knows_has_its_time_and_length() -> None:
    told = rest(EndTime="2026-03-02T15:01:00Z", DialCallStatus="completed", DialCallDuration="40")
    completed = fact(concluded([voice(), told]), "call.completed")
    assert (completed.at, completed.data["answered_at"], completed.data["duration_seconds"]) == (at(60), at(20), 40)


def test_without_times_a_call_that_only_twilio_knows_was_when_it_was_told() -> None:
    conclusion = concluded([rest("completed", 50)])
    assert (conclusion.started_at, ended([rest("completed", 50)]).at) == (at(50), at(50))


def test_what_came_in_knows_the_start_better_than_what_twilio_was_asked() -> None:
    assert concluded([voice(4), rest(StartTime="2026-03-02T15:00:01Z")]).started_at == at(4)


@pytest.mark.parametrize("time", ["Fri, 20 Aug 2010 01:13:42 +0000", "2026-03-02", "2026-03-02T15:01:00Z", "soon"])
def test_a_webhook_is_of_when_it_came_whatever_times_it_names(time: str) -> None:
    """Twilio adds parameters without notice, and writes times as RFC 2822 has them."""
    times = {"StartTime": time, "EndTime": time}
    assert fact(concluded([voice(), dial("busy", 5, **times)]), "call.missed").at == at(5)
    assert fact(concluded([voice(0, **times), status("completed", 6, **times)]), "call.missed").at == at(6)


# What tells that a call is over.


@pytest.mark.parametrize("value", sorted(FINAL_STATUSES))
def test_a_final_status_is_an_end(value: str) -> None:
    assert outcome_of(concluded([voice(), status(value)], at(6) + SETTLE)) == ("missed", "abandoned")


@pytest.mark.parametrize(
    "value", ["queued", "initiated", "ringing", "in-progress", "brand-new", "COMPLETED?", "x" * 999]
)
def test_any_other_status_is_none(value: str) -> None:
    assert concluded([voice(), status(value, CallDuration="3")], at(3600)).outcome is None


def test_a_status_callback_with_a_duration_and_no_status_is_an_end() -> None:
    bare = Webhook("status", at(6), at(6), {"CallSid": CALL, "Caller": CALLER, "CallDuration": "120"})
    assert outcome_of(concluded([voice(), bare], at(6) + SETTLE)) == ("missed", "abandoned")
    assert fact(concluded([bare]), "call.started").data["caller"] == CALLER


@pytest.mark.parametrize("params", [{}, {"CallDuration": ""}, {"Duration": "2"}])
def test_a_status_callback_that_says_nothing_is_none(params: dict[str, str]) -> None:
    assert concluded([voice(), status("", 6, **params)], at(3600)).outcome is None


def test_what_waited_in_a_spool_settles_once_it_is_known() -> None:
    """The dial result may stand in another process's spool, which is drained at about the same time."""
    ended = [voice(), spooled(status("completed", 6), 100)]
    assert concluded(ended, at(106)).due_at == at(106) + SETTLE
    assert concluded(ended, at(106) + SETTLE - timedelta(milliseconds=1)).outcome is None
    drained = [*ended, spooled(dial("completed", 5), 103)]
    assert told_by(concluded(drained, at(108))) == {("call.started", ()), ("call.completed", ())}
    assert fact(concluded(ended, at(106) + SETTLE), "call.missed").at == at(6)


def test_nothing_is_told_of_what_waited_in_a_spool_before_the_first_webhook_was_waited_for() -> None:
    late = [spooled(dial("busy", 5), 100)]
    assert concluded(late, at(105)).facts == ()
    assert concluded(late, at(105)).due_at == at(105) + SETTLE


def test_of_two_first_webhooks_that_differ_in_their_answer_alone_always_the_same_counts() -> None:
    both = [replace(voice(), answer=answer) for answer in ("ring", "take_message")]
    assert concluded(both) == concluded(both[::-1])


def test_an_end_that_is_told_again_out_of_a_spool_opens_nothing() -> None:
    ended = [voice(), status("completed", 8)]
    assert outcome_of(concluded([*ended, spooled(status("completed", 6, SequenceNumber="3"), 94)], at(100))) == (
        "missed",
        "abandoned",
    )
    headless = [dial("busy", 8), spooled(status("in-progress", 5), 95)]
    assert outcome_of(concluded(headless, at(100))) == ("missed", "busy")


@pytest.mark.parametrize("asked", range(len(ASK_AFTER)))
def test_twilio_is_asked_about_an_open_call_less_and_less_often(asked: int) -> None:
    moment = next_ask(T0, asked)
    assert moment == T0 + ASK_AFTER[asked]
    assert asked == 0 or ASK_AFTER[asked] > ASK_AFTER[asked - 1]


def test_twilio_is_asked_a_last_time_before_a_call_is_given_up() -> None:
    assert ASK_AFTER[-1] < LONGEST_CALL
    assert next_ask(T0, len(ASK_AFTER)) is None


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


def test_who_hung_up_while_it_rang_was_offered_no_message() -> None:
    assert fact(concluded([voice(), dial("canceled")]), "call.missed").data["voicemail"] is False


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


@pytest.mark.parametrize("state", ["absent", "failed", "in-progress", "brand-new"])
def test_what_is_not_recorded_is_no_recording(state: str) -> None:
    assert concluded([closed(), recording("RE1", RecordingStatus=state)]).recordings == ()


@pytest.mark.parametrize("state", ["completed", ""])
def test_what_is_recorded_is_one(state: str) -> None:
    [found] = concluded([closed(), recording("RE1", RecordingStatus=state)]).recordings
    assert (found.sid, found.seconds, found.at) == ("RE1", 12, at(7))


@pytest.mark.parametrize("kind", ["dial", "status", "recording", "rest"])
def test_a_recording_may_be_told_by_any_webhook_of_the_call(kind: str) -> None:
    told = webhook(kind, 9, RecordingSid="RE7", RecordingDuration="30", DialCallStatus="completed")
    recorded = fact(concluded([voice(), told]), "call.recorded")
    assert (recorded.data["recording_sid"], recorded.data["duration_seconds"]) == ("RE7", 30)


def test_a_transcription_names_a_recording_but_is_none() -> None:
    assert concluded([closed(), voicemail("Hi", RecordingSid="RE1")]).recordings == ()


# What was said.


def test_a_message_in_words_is_told_whole() -> None:
    text = "Zítra v 9? 🎉 " * 5000
    told = fact(concluded([closed(), voicemail(text, 8, RecordingSid="RE1")], at(8)), "call.transcribed")
    assert told.data == {
        "call_sid": CALL,
        "recording_sid": "RE1",
        "text": text,
        "confidence": None,
        "source": "voicemail",
        "at": at(8),
    }


def test_words_that_never_came_are_missing() -> None:
    conclusion = concluded([closed(), voicemail("")], at(9))
    assert (conclusion.missing, conclusion.transcripts, conclusion.due_at) == (("TR1",), (), None)


def test_a_conversation_is_told_when_its_transcription_stopped_and_all_is_there() -> None:
    said = [sentence(1, "Hello", 2), sentence(2, "I broke a tooth", 4)]
    talking = concluded([voice(), *said], at(4))
    assert (talking.transcripts, talking.due_at) == ((), T0 + LONGEST_CALL)
    stopped = concluded([voice(), *said, live("transcription-stopped", 3, 5)], at(5))
    assert fact(stopped, "call.transcribed").data["text"] == "Hello I broke a tooth"


def test_a_conversation_whose_stop_never_came_is_told_a_while_after_the_call() -> None:
    ended = [voice(), dial("completed", 5), sentence(2, "Bye", 4), status("completed", 6)]
    assert concluded(ended, at(6)).due_at == at(6) + SETTLE
    assert [one.text for one in concluded(ended, at(6) + SETTLE).transcripts] == ["Bye"]


def test_a_conversation_without_any_end_is_told_when_no_message_can_be_left_any_more() -> None:
    rung = [voice(), dial("completed", 5), sentence(2, "Bye", 4)]
    due_at = at(5) + LONGEST_MESSAGE + SETTLE
    assert concluded(rung, at(5)).due_at == due_at
    assert [one.text for one in concluded(rung, due_at).transcripts] == ["Bye"]


# Whatever comes, in whatever order.

seconds = st.integers(0, 100)
times = st.sampled_from(["", at(-9).isoformat(), at(20).isoformat()])
blankable = st.sampled_from(["", CALLER, "anonymous"])
fresh_webhook = st.one_of(
    st.builds(voice, seconds, From=blankable, CallerName=st.sampled_from(["", "A", "B"])),
    st.builds(closed, seconds),
    st.builds(
        dial,
        st.sampled_from([*DIAL_OUTCOMES, "other", ""]),
        seconds,
        DialCallDuration=st.sampled_from(["", "7", "70"]),
        DialBridged=st.sampled_from(["", "true", "false"]),
    ),
    st.builds(status, st.sampled_from(sorted(FINAL_STATUSES | {"ringing", "in-progress", "x"})), seconds),
    st.builds(
        recording, st.sampled_from(["RE1", "RE2", ""]), seconds, RecordingStatus=st.sampled_from(["", "absent"])
    ),
    st.builds(turned_away, seconds),
    st.builds(screen, seconds, Digits=st.sampled_from(["", "1"])),
    st.builds(
        rest,
        st.sampled_from(["completed", "no-answer", "in-progress"]),
        st.integers(20, 100),
        StartTime=times,
        EndTime=times,
    ),
    st.builds(
        rest,
        seconds=st.integers(20, 100),
        EndTime=times,
        DialCallStatus=st.sampled_from(list(DIAL_OUTCOMES)),
        DialCallDuration=st.sampled_from(["", "7"]),
    ),
    st.builds(
        voicemail, st.sampled_from(["", "Hi", "Hello"]), seconds, TranscriptionStatus=st.sampled_from(["", "failed"])
    ),
    st.builds(sentence, st.integers(0, 3), st.sampled_from(["", "Hi", "Hello"]), seconds),
    st.builds(
        live, st.sampled_from(["transcription-stopped", "transcription-error", "x"]), st.integers(0, 4), seconds
    ),
)
any_webhook = st.one_of(fresh_webhook, st.builds(spooled, fresh_webhook, st.integers(0, 50)))
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
    kind, reason = outcome_of(conclusion)
    told = kind != "rejected"
    assert types.count("call.started") == told
    assert types.count("call.completed") + types.count("call.missed") == told
    assert (f"call.{kind}" in types) == told
    assert (reason is None) == (kind != "missed")


@given(any_webhooks, moments)
def test_of_a_call_that_is_rejected_nothing_is_told(webhooks: list[Webhook], now: datetime) -> None:
    conclusion = concluded([turned_away(0), *without_results(webhooks)], now)
    assert (outcome_of(conclusion), conclusion.facts) == (("rejected", None), ())


def without_results(webhooks: list[Webhook]) -> list[Webhook]:
    """A blocked caller rings nobody. Of several first webhooks the first counts."""
    return [w for w in webhooks if w.kind != "dial" and "DialCallStatus" not in w.params and w.received_at > T0]


@given(any_webhooks, moments)
def test_a_call_is_due_while_its_outcome_is_open_or_its_words_are(webhooks: list[Webhook], now: datetime) -> None:
    conclusion = concluded(webhooks, now)
    if conclusion.outcome is None:
        assert conclusion.due_at is not None
    if not any("TranscriptionEvent" in one.params for one in webhooks):
        assert (conclusion.due_at is None) == (conclusion.outcome is not None)
    if conclusion.due_at is not None:
        assert conclusion.due_at > now


@given(any_webhooks, moments)
def test_looking_when_it_is_due_comes_to_an_end(webhooks: list[Webhook], now: datetime) -> None:
    conclusion = concluded(webhooks, now)
    for _ in range(4):
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
    screens: int
    said: tuple[str, ...]

    def webhooks(self) -> list[Webhook]:
        voices = [voice() if self.rang else closed()] * self.voices
        results = [dial(self.result or "")] * (self.results if self.result else 0)
        statuses = [status(value) for value in self.statuses]
        screens = [screen()] * self.screens
        return [*voices, *results, *statuses, *map(recording, self.recordings), *screens, *self._words()]

    def _words(self) -> list[Webhook]:
        """Everything that was said, twice, and its end."""
        numbered = [sentence(number, text) for number, text in enumerate(self.said, 1)]
        stopped = live("transcription-stopped", len(self.said) + 1)
        return [*numbered, *numbered, stopped] if self.said else []

    def told(self) -> Told:
        """The facts, by reason alone."""
        recorded: Told = {("call.recorded", (sid,)) for sid in self.recordings}
        whole = Transcript(REALTIME, TRANSCRIPTION, " ".join(self.said), T0)
        transcribed: Told = {("call.transcribed", whole.cause)} if self.said else set()
        return {("call.started", ()), self._end(), *recorded, *transcribed}

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
        screens=draw(st.integers(0, 2)) if rang else 0,
        said=tuple(draw(st.lists(st.sampled_from(["Hello", "Goodbye"]), max_size=3))) if rang else (),
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
