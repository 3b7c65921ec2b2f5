"""What was said on a call is a function of the set of its transcription callbacks and of time."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_ingest.facts import Webhook
from call_ingest.transcripts import REALTIME, SETTLE, VOICEMAIL, Transcribed, Transcript, transcribed
from tests.unit.fakes import CALLER, NUMBER, T0, at

SID, VOICEMAIL_SID, RECORDING = "GT" + "1" * 32, "TR" + "1" * 32, "RE" + "1" * 32
LATER = T0 + timedelta(hours=1)
JUST_BEFORE = timedelta(milliseconds=1)


def webhook(seconds: float, params: dict[str, str]) -> Webhook:
    return Webhook("transcription", at(seconds), at(seconds), {"CallSid": "CA1"} | params, "nothing")


def voicemail(text: str | None, seconds: float = 0, **changes: str) -> Webhook:
    """As `<Record>` tells it, with all that stands beside the text."""
    params = {
        "TranscriptionSid": VOICEMAIL_SID,
        "TranscriptionStatus": "completed",
        "TranscriptionType": "fast",
        "RecordingSid": RECORDING,
        "From": CALLER,
        "To": NUMBER,
        "url": "https://api.twilio.com/x",
    }
    return webhook(seconds, params | ({} if text is None else {"TranscriptionText": text}) | changes)


def live(event: str, sequence: int | str | None, seconds: float = 0, **params: str) -> Webhook:
    numbered = {} if sequence is None else {"SequenceId": str(sequence)}
    return webhook(seconds, {"TranscriptionEvent": event, "TranscriptionSid": SID} | numbered | params)


def started(sequence: int = 1) -> Webhook:
    return live("transcription-started", sequence, Track="both_tracks", PartialResults="false")


def said(
    sequence: int | str | None, text: str, seconds: float = 0, confidence: object = None, **changes: str
) -> Webhook:
    data = json.dumps({"transcript": text} | ({} if confidence is None else {"confidence": confidence}))
    params = {"TranscriptionData": data, "Final": "true", "Track": "inbound_track"}
    return live("transcription-content", sequence, seconds, **params | changes)


def staff(sequence: int, text: str, seconds: float = 0) -> Webhook:
    return said(sequence, text, seconds, Track="outbound_track")


def stopped(sequence: int | str | None, seconds: float = 0, **changes: str) -> Webhook:
    return live("transcription-stopped", sequence, seconds, **changes)


def heard(*webhooks: Webhook, ended_at: datetime | None = T0, now: datetime = LATER) -> Transcribed:
    return transcribed(webhooks, ended_at, now)


def texts(*webhooks: Webhook) -> list[str]:
    return [transcript.text for transcript in heard(*webhooks).transcripts]


def without(one: Webhook, name: str) -> Webhook:
    return replace(one, params={key: value for key, value in one.params.items() if key != name})


# Voicemail: one callback with the whole text.


def test_a_voicemail_is_whole_at_once() -> None:
    told = heard(voicemail("I broke a tooth.", 9), ended_at=None, now=at(9))
    transcript = Transcript(VOICEMAIL, VOICEMAIL_SID, "I broke a tooth.", at(9), None, RECORDING)
    assert told == Transcribed((transcript,))


@pytest.mark.parametrize("text", [None, ""], ids=["absent", "blank"])
def test_a_voicemail_without_its_text_is_missing(text: str | None) -> None:
    assert heard(voicemail(text)) == Transcribed(missing=(VOICEMAIL_SID,))


def test_a_text_that_came_after_all_belongs_to_its_recording() -> None:
    """What Twilio is asked for is the text alone."""
    asked = webhook(60, {"TranscriptionSid": VOICEMAIL_SID, "TranscriptionText": "Call me."})
    told = heard(voicemail(None, 9), asked)
    assert told == Transcribed((Transcript(VOICEMAIL, VOICEMAIL_SID, "Call me.", at(60), None, RECORDING),))


@pytest.mark.parametrize("status", ["failed", "in-progress", "brand-new"])
@pytest.mark.parametrize("text", [None, "half of it"])
def test_what_is_not_completed_says_nothing_and_is_not_asked_for(status: str, text: str | None) -> None:
    assert heard(voicemail(text, TranscriptionStatus=status)) == Transcribed()


@pytest.mark.parametrize("text", [None, ""])
def test_a_text_without_a_name_cannot_be_asked_for(text: str | None) -> None:
    assert heard(without(voicemail(text), "TranscriptionSid")) == Transcribed()


def test_each_voicemail_has_its_own_text() -> None:
    other = "TR" + "2" * 32
    told = heard(voicemail("One"), voicemail("One", 5), voicemail("Two", 1, TranscriptionSid=other))
    assert [(one.sid, one.text) for one in told.transcripts] == [(VOICEMAIL_SID, "One"), (other, "Two")]


def test_of_two_texts_of_one_voicemail_the_first_counts_in_whatever_order_they_are_given() -> None:
    one, two = voicemail("One", 1), voicemail("Two", 2)
    assert texts(one, two) == texts(two, one) == ["One"]


@pytest.mark.parametrize("name", ["RecordingSid", "TranscriptionStatus", "TranscriptionSid"])
def test_a_text_counts_whatever_else_is_left_out(name: str) -> None:
    assert texts(without(voicemail("Hello"), name)) == ["Hello"]
    assert texts(voicemail("Hello", 0, **{name: ""})) == ["Hello"]


def test_a_text_of_64_kb_is_kept_whole() -> None:
    text = "ž " * 32_000
    assert texts(voicemail(text)) == [text]
    assert texts(said(1, text), stopped(2)) == [text.strip()]


# A conversation: one callback a sentence.


def test_a_conversation_is_in_the_order_that_it_was_spoken_in() -> None:
    assert texts(said(3, "two", 1), stopped(5), said(4, "three", 0), started(), said(2, "one", 2)) == [
        "one two three"
    ]


def test_numbers_are_counted_not_spelled() -> None:
    assert texts(said(10, "ten"), said(9, "nine")) == ["nine ten"]


def test_two_voices_are_one_line_each_time_the_speaker_changes() -> None:
    told = texts(staff(1, "Bright Smile,"), staff(2, "hello?"), said(3, "Hi!"), staff(4, "How can I help?"))
    assert told == ["Staff: Bright Smile, hello?\nCaller: Hi!\nStaff: How can I help?"]


@pytest.mark.parametrize("track", ["inbound_track", "outbound_track", "both_tracks", "brand-new"])
def test_one_voice_is_running_text(track: str) -> None:
    assert texts(said(1, "Hello.", Track=track), said(2, "Bye.", Track=track)) == ["Hello. Bye."]


def test_an_unknown_voice_has_the_name_that_it_came_with() -> None:
    assert texts(said(1, "Hello"), said(2, "Beep", Track="third_track")) == ["Caller: Hello\nthird_track: Beep"]


def test_a_sentence_that_came_twice_was_said_once() -> None:
    """Twilio may repeat a request whose answer it did not see."""
    twice = [said(1, "Yes."), said(1, "Yes.", 4), said(2, "Yes.", 5)]
    assert texts(*twice) == ["Yes. Yes."]


def test_of_two_sentences_with_one_number_the_first_counts() -> None:
    assert texts(said(1, "Nine.", 3), said(1, "Five.", 2)) == ["Five."]


def test_of_two_that_came_at_one_moment_always_the_same_counts() -> None:
    sure, unsure = said(1, "Nine.", 3, confidence=0.9), said(1, "Nine.", 3, confidence=0.1)
    assert heard(sure, unsure) == heard(unsure, sure)


def test_two_voices_may_count_for_themselves() -> None:
    assert texts(said(1, "Hi", 1), staff(1, "Hello", 0)) == ["Staff: Hello\nCaller: Hi"]


@pytest.mark.parametrize("final", ["false", "False", "no"])
def test_what_is_not_final_is_not_text(final: str) -> None:
    assert texts(said(1, "I br", Final=final), said(2, "I broke a tooth")) == ["I broke a tooth"]


@pytest.mark.parametrize("final", ["true", "True", "TRUE"])
def test_what_is_final_is(final: str) -> None:
    assert texts(said(1, "Hello", Final=final)) == ["Hello"]
    assert texts(without(said(1, "Hello"), "Final")) == ["Hello"]


@pytest.mark.parametrize(
    "event", ["transcription-started", "transcription-stopped", "transcription-error", "new", ""]
)
def test_only_content_is_text(event: str) -> None:
    assert texts(said(1, "Hello", TranscriptionEvent=event)) == []


@pytest.mark.parametrize("number", [None, "", "x", "-1", "1.5", "²", "٣", "9" * 400])
def test_sentences_without_a_number_stand_in_the_order_of_their_coming(number: str | None) -> None:
    told = [said(number, "there", 2), said(number, "Hello", 1), said(number, "there", 3), stopped(number, 4)]
    assert texts(*told) == ["Hello there"]


def test_a_transcription_without_a_name_has_its_text_too() -> None:
    told = heard(without(said(1, "Hello"), "TranscriptionSid"), without(stopped(2), "TranscriptionSid"))
    assert [(one.sid, one.text) for one in told.transcripts] == [("", "Hello")]


def test_each_conversation_has_its_own_text() -> None:
    again = [said(1, "Still there?", 50, TranscriptionSid="GT2"), stopped(2, 51, TranscriptionSid="GT2")]
    told = heard(said(1, "Hello", 1), stopped(2, 2), *again)
    assert [(one.sid, one.text) for one in told.transcripts] == [(SID, "Hello"), ("GT2", "Still there?")]


def test_a_conversation_is_of_when_its_last_sentence_came() -> None:
    [told] = heard(said(1, "Hello", 3), said(2, "Bye", 8), stopped(3, 9)).transcripts
    assert (told.source, told.sid, told.at, told.recording_sid) == (REALTIME, SID, at(8), None)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "Hello",
        "{",
        "null",
        "7",
        "[]",
        '"Hello"',
        "{}",
        '{"transcript": null}',
        '{"transcript": 5}',
        '{"transcript": ["Hello"]}',
        '{"transcript": " "}',
        "9" * 5000,
        "[" * 100_000,
        '{"transcript": "Hello"',
    ],
    ids=lambda data: data[:20],
)
def test_what_is_not_the_json_of_the_documentation_says_nothing(data: str) -> None:
    broken = said(1, "", TranscriptionData=data)
    assert texts(broken, said(2, "Hello"), stopped(3)) == ["Hello"]
    assert heard(broken, stopped(2)) == Transcribed()


def test_content_without_data_says_nothing() -> None:
    assert texts(without(said(1, "Hi"), "TranscriptionData")) == []


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"\ud83d", "\ufffd"),
        (r"a \ude00", "a \ufffd"),
        (r"\ud83d\ude00", "\N{GRINNING FACE}"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
        (r"\u017eofie \u0000", "\u017eofie \0"),
    ],
)
def test_half_a_character_becomes_a_mark_that_a_store_can_hold(escaped: str, text: str) -> None:
    [told] = heard(said(1, "", TranscriptionData=f'{{"transcript": "{escaped}"}}')).transcripts
    assert told.text == text
    assert told.text.encode().decode() == text
    assert told.cause[:2] == (REALTIME, SID)


@pytest.mark.parametrize(
    ("confidences", "confidence"),
    [
        ([0.9], 0.9),
        ([0.9, 0.8], 0.85),
        ([1, 0], 0.5),
        ([0.9, None], 0.9),
        ([None], None),
        ([0.9, "0.1"], 0.9),
        ([0.9, True], 0.9),
        ([0.9, -0.1], 0.9),
        ([0.9, 1.1], 0.9),
        ([0.9, float("nan")], 0.9),
        ([0.9, float("inf")], 0.9),
        ([0.9, 10**400], 0.9),
        ([0.9, {}], 0.9),
        ([0.333333], 0.3333),
    ],
)
def test_the_confidence_is_the_mean_of_those_that_are_one(
    confidences: list[object], confidence: float | None
) -> None:
    sentences = [said(number, "Hello", confidence=value) for number, value in enumerate(confidences, 1)]
    [told] = heard(*sentences).transcripts
    assert told.confidence == confidence


# When it is whole.


def test_a_conversation_that_has_all_its_numbers_is_whole_at_once() -> None:
    everything = [started(), said(2, "Hello", 3), said(3, "Bye", 5), stopped(4, 6)]
    assert len(heard(*everything, ended_at=None, now=at(6)).transcripts) == 1


def test_a_number_that_counts_for_something_else_than_text_counts() -> None:
    everything = [started(), said(2, "He", Final="false"), said(3, "", TranscriptionData="{"), said(4, "Hello")]
    assert heard(*everything, stopped(5), ended_at=None, now=T0).transcripts[0].text == "Hello"


@pytest.mark.parametrize("event", ["transcription-stopped", "transcription-error"])
@pytest.mark.parametrize("number", [4, None])
def test_after_its_end_what_is_missing_is_waited_for(event: str, number: int | None) -> None:
    end = without(live(event, number, 20), "TranscriptionSid") if number is None else live(event, number, 20)
    incomplete = [without(one, "TranscriptionSid") if number is None else one for one in (started(), said(3, "Hi"))]
    waiting = heard(*incomplete, end, ended_at=None, now=at(20) + SETTLE - JUST_BEFORE)
    assert waiting == Transcribed(due_at=at(20) + SETTLE)
    assert len(heard(*incomplete, end, ended_at=None, now=at(20) + SETTLE).transcripts) == 1


def test_what_waited_in_a_spool_is_waited_for_from_when_it_is_known() -> None:
    end = replace(stopped(9, 20), known_at=at(100))
    assert heard(said(1, "Hi"), end, ended_at=None, now=at(100)).due_at == at(100) + SETTLE


def test_without_an_end_of_its_own_the_call_is_its_end() -> None:
    talking = [started(), said(2, "Hello", 5)]
    assert heard(*talking, ended_at=None, now=LATER) == Transcribed()
    assert heard(*talking, ended_at=at(30), now=at(40) - JUST_BEFORE) == Transcribed(due_at=at(30) + SETTLE)
    assert len(heard(*talking, ended_at=at(30), now=at(40)).transcripts) == 1


def test_whichever_ended_first_counts() -> None:
    said_something = [said(3, "Hello", 5), stopped(9, 20)]
    assert heard(*said_something, ended_at=at(15), now=at(15)).due_at == at(15) + SETTLE
    assert heard(*said_something, ended_at=at(25), now=at(25)).due_at == at(20) + SETTLE


def test_of_several_conversations_the_next_to_be_whole_is_due() -> None:
    other = [said(3, "Hi", TranscriptionSid="GT2"), stopped(9, 10, TranscriptionSid="GT2")]
    assert heard(said(3, "Hi"), stopped(9, 20), *other, ended_at=None, now=at(20)) == Transcribed(
        heard(*other).transcripts, at(20) + SETTLE
    )


@pytest.mark.parametrize("number", ["999999", "0", "9" * 400])
def test_a_number_that_cannot_be_is_no_count(number: str) -> None:
    assert heard(said(1, "Hi"), stopped(number, 5), ended_at=None, now=at(5)).due_at == at(5) + SETTLE


def test_a_sentence_that_came_too_late_makes_another_and_longer_text() -> None:
    incomplete = [said(1, "My tooth", 1), said(3, "is broken", 2), stopped(4, 3)]
    [before] = heard(*incomplete).transcripts
    [after] = heard(*incomplete, said(2, "down on the left", 600)).transcripts
    assert (before.text, after.text) == ("My tooth is broken", "My tooth down on the left is broken")
    assert before.cause != after.cause


def test_the_same_text_is_the_same_event() -> None:
    once, again = heard(said(1, "Hi", 1)), heard(said(1, "Hi", 1), said(1, "Hi", 9), stopped(2, 3))
    assert [one.cause for one in once.transcripts] == [one.cause for one in again.transcripts]


def test_nobody_spoke() -> None:
    assert heard(started(), stopped(2)) == Transcribed()
    assert heard() == Transcribed()


# Whatever comes, in whatever order.

moments = st.integers(0, 60)
sequences = st.sampled_from([None, "x", 1, 2, 3, 4])
words = st.sampled_from(["Hello", "Bye", "", "\ud83d"])
sids = st.sampled_from(["", SID, "GT2"])
tracks = st.sampled_from(["", "inbound_track", "outbound_track"])
any_callback = st.one_of(
    st.builds(
        voicemail, st.sampled_from([None, "", "One", "Two"]), moments, RecordingSid=st.sampled_from(["", "RE2"])
    ),
    st.builds(voicemail, st.just("One"), moments, TranscriptionStatus=st.sampled_from(["failed", ""])),
    st.builds(said, sequences, words, moments, st.sampled_from([None, 0.5, 2]), TranscriptionSid=sids, Track=tracks),
    st.builds(said, sequences, words, moments, Final=st.sampled_from(["true", "false"])),
    st.builds(stopped, sequences, moments, TranscriptionSid=sids),
    st.builds(live, st.sampled_from(["transcription-started", "transcription-error", "?", ""]), sequences, moments),
)
any_callbacks = st.lists(any_callback, max_size=8)
ends = st.one_of(st.none(), moments.map(at))
anything = st.dictionaries(
    st.sampled_from(
        [
            "TranscriptionEvent",
            "TranscriptionSid",
            "TranscriptionData",
            "TranscriptionText",
            "TranscriptionStatus",
            "SequenceId",
            "Track",
            "Final",
        ]
    ),
    st.one_of(st.text(), st.sampled_from(["transcription-content", "transcription-stopped", '{"transcript": "Hi"}'])),
)


@given(any_callbacks, ends, moments.map(at), st.data())
def test_order_and_repetition_do_not_matter(
    callbacks: list[Webhook], ended_at: datetime | None, now: datetime, data: st.DataObject
) -> None:
    repeats = data.draw(st.lists(st.sampled_from(callbacks), max_size=4)) if callbacks else []
    shuffled = data.draw(st.permutations(callbacks + repeats))
    assert heard(*shuffled, ended_at=ended_at, now=now) == heard(*callbacks, ended_at=ended_at, now=now)


@given(any_callbacks, ends, moments.map(at))
def test_what_is_due_is_told_when_it_is_due(
    callbacks: list[Webhook], ended_at: datetime | None, now: datetime
) -> None:
    told = heard(*callbacks, ended_at=ended_at, now=now)
    assert told.due_at is None or told.due_at > now
    assert set(told.transcripts) <= set(heard(*callbacks, ended_at=ended_at).transcripts)
    assert heard(*callbacks, ended_at=T0).due_at is None


@given(st.lists(anything.map(lambda params: webhook(0, params)), max_size=4))
def test_whatever_stands_in_a_callback_nothing_is_raised(callbacks: list[Webhook]) -> None:
    told = heard(*callbacks)
    assert all(one.text and one.text.encode() for one in told.transcripts if one.source == REALTIME)
