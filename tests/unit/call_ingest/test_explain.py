"""Every webhook of a call has a meaning in words, whatever it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_ingest import twiml
from call_ingest.explain import ANSWERS, FIXED, MEANINGS, meaning
from call_ingest.facts import Webhook
from call_ingest.outcomes import DIAL_OUTCOMES
from call_ingest.routes import WEBHOOKS
from tests.unit.fakes import T0

OF_MESSAGES = {"sms", "sms_status"}
KINDS = (set(WEBHOOKS) - OF_MESSAGES) | {"rest"}
UNKNOWN = "Something was received"


def explained(kind: str, answer: str = "", **params: str) -> str:
    return meaning(Webhook(kind, T0, T0, params, answer))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_a_meaning(kind: str) -> None:
    said = explained(kind)
    assert not said.startswith(UNKNOWN)
    assert said.endswith(".")


def test_no_meaning_is_of_a_kind_that_there_is_not() -> None:
    assert {*FIXED, *MEANINGS} == KINDS


def test_every_answer_but_none_has_a_meaning() -> None:
    assert set(ANSWERS) == set(twiml.ANSWERS) - {"nothing"}


@pytest.mark.parametrize("answer", sorted(ANSWERS))
def test_what_was_answered_follows_what_was_said(answer: str) -> None:
    assert explained("voice", answer) == f"A call came in; {ANSWERS[answer]}."


@pytest.mark.parametrize("answer", ["nothing", "", "brand-new"])
def test_an_answer_that_says_nothing_is_left_out(answer: str) -> None:
    assert explained("voice", answer) == "A call came in."


def test_what_is_unknown_was_received() -> None:
    assert explained("brand-new") == f"{UNKNOWN}."


@pytest.mark.parametrize(
    ("params", "verdict"),
    [
        ({"DialCallStatus": "completed", "DialCallDuration": "30", "DialBridged": "true"}, "a person answered"),
        ({"DialCallStatus": "completed", "DialCallDuration": "30"}, "a person answered"),
        ({"DialCallStatus": "completed", "DialCallDuration": "30", "DialBridged": "false"}, "nobody answered"),
        ({"DialCallStatus": "completed", "DialCallDuration": "90", "DialBridged": "FALSE"}, "a person answered"),
        ({"DialCallStatus": "brand-new"}, "nobody answered"),
        ({}, "nobody answered"),
        *(({"DialCallStatus": result}, "nobody answered") for result, reason in DIAL_OUTCOMES.items() if reason),
    ],
)
def test_the_verdict_on_ringing_is_the_rule_s(params: dict[str, str], verdict: str) -> None:
    assert explained("dial", **params).endswith(f": {verdict}.")


@pytest.mark.parametrize(
    ("kind", "params", "words"),
    [
        ("dial", {}, "no status after 0 s"),
        ("dial", {"DialCallStatus": "busy", "DialCallDuration": "3"}, "busy after 3 s"),
        ("dial", {"DialCallStatus": "completed", "DialBridged": "true"}, ", put through:"),
        ("dial", {"DialCallStatus": "completed", "DialBridged": "False"}, ", not put through:"),
        ("screen", {}, "was picked up"),
        ("screen", {"Digits": "1"}, "pressed 1"),
        ("status", {"CallStatus": "in-progress"}, "in-progress"),
        ("status", {"CallStatus": "brand-new"}, "brand-new"),
        ("status", {"CallDuration": "3"}, "not told"),
        ("recording", {"RecordingDuration": "12", "RecordingStatus": "completed"}, "12 s is completed"),
        ("recording", {"RecordingDuration": "12"}, "12 s is there"),
        ("recording", {"RecordingStatus": "absent"}, "0 s is absent"),
        ("transcription", {"TranscriptionEvent": "transcription-content"}, "transcription-content"),
        ("transcription", {"TranscriptionStatus": "failed"}, "failed"),
        ("transcription", {}, "text"),
        ("rest", {"CallStatus": "completed"}, "ended with completed."),
        ("rest", {"CallStatus": "completed", "DialCallStatus": "busy"}, "completed, ringing with busy."),
        ("rest", {}, "no status"),
    ],
)
def test_what_a_webhook_said_stands_in_its_meaning(kind: str, params: dict[str, str], words: str) -> None:
    assert words in explained(kind, **params)


names = st.sampled_from(
    [
        "CallStatus",
        "DialCallStatus",
        "DialCallDuration",
        "DialBridged",
        "Digits",
        "RecordingStatus",
        "RecordingDuration",
        "TranscriptionEvent",
        "TranscriptionStatus",
    ]
)


@given(st.sampled_from(sorted(KINDS | OF_MESSAGES | {"x"})), st.sampled_from([*ANSWERS, "x"]), st.data())
def test_whatever_stands_in_a_webhook_it_has_a_meaning(kind: str, answer: str, data: st.DataObject) -> None:
    params = data.draw(st.dictionaries(names, st.text()))
    said = explained(kind, answer, **params)
    assert said.endswith(".")
    assert answer not in ANSWERS or said.endswith(f"; {ANSWERS[answer]}.")
