"""TwiML: always valid, only the verbs meant, whatever a business is called."""

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from call_ingest import twiml
from ringback.businesses import Business, BusinessesSchema
from tests.unit.fakes import demo

PUBLIC_URL = "https://ring.example"
DEMO = demo()
CONFIG = BusinessesSchema()

VERBS: dict[str, list[str]] = {
    "nothing": [],
    "reject": ["Reject"],
    "turn_away": ["Reject"],
    "ring": ["Dial"],
    "ring_as_us": ["Dial"],
    "screen": ["Gather", "Hangup"],
    "put_through": [],
    "hang_up": ["Hangup"],
    "take_message": ["Say", "Record", "Say", "Hangup"],
    "apologize": ["Say", "Hangup"],
    "thank": ["Say", "Hangup"],
}
HOSTILE = [
    '</Say><Dial>+15550009999</Dial><Say>"',
    "]]><Redirect>https://evil.example</Redirect>",
    "&lt;Dial&gt; &amp; Söhne <b>",
    "<!ENTITY x SYSTEM 'file:///etc/passwd'> &x;",
    "Zubní ordinace Žofie 🦷",
]


def answered(answer: str, business: Business | None = DEMO) -> str:
    return twiml.render(answer, twiml.Scene(business, PUBLIC_URL))


def parse(document: str) -> ET.Element:
    assert document.startswith("<?xml")
    assert len(document.encode()) < 64 * 1024
    return ET.fromstring(document)  # noqa: S314 - our own text


def verbs(document: str) -> list[str]:
    root = parse(document)
    assert root.tag == "Response"
    return [verb.tag for verb in root]


@pytest.mark.parametrize("name", ["Bright Smile Dental", *HOSTILE])
@pytest.mark.parametrize("answer", VERBS)
def test_an_answer_has_its_verbs_and_no_other(answer: str, name: str) -> None:
    assert verbs(answered(answer, replace(DEMO, name=name))) == VERBS[answer]


def test_every_answer_is_tested() -> None:
    assert set(VERBS) == set(twiml.ANSWERS)


@pytest.mark.parametrize("answer", ["take_message", "apologize", "screen"])
@given(name=st.text(min_size=1, max_size=200))
@example(name="\x00")
@example(name="\ufffe")
def test_any_name_that_a_business_can_have_makes_a_valid_document(answer: str, name: str) -> None:
    if can_be_called(name):
        assert verbs(answered(answer, replace(DEMO, name=name))) == VERBS[answer]


def can_be_called(name: str) -> bool:
    values = {"name": name, "numbers": list(DEMO.numbers), "timezone": "UTC"}
    return not CONFIG.validate({"businesses": {"demo": values}})


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("answer", ["take_message", "apologize", "screen"])
def test_a_name_is_said_and_not_obeyed(answer: str, name: str) -> None:
    said = parse(answered(answer, replace(DEMO, name=name))).find(".//Say")
    assert said is not None
    assert name in (said.text or "")


def test_everybody_is_rung_at_once_for_as_long_as_configured() -> None:
    business = replace(DEMO, forward_to=("+15551230001", "+15551230002"), ring_seconds=23)
    dial = parse(answered("ring", business)).find("Dial")
    assert dial is not None
    assert [number.text for number in dial] == ["+15551230001", "+15551230002"]
    assert {number.tag for number in dial} == {"Number"}
    assert dial.attrib["timeout"] == "23"
    assert (dial.attrib["action"], dial.attrib["method"]) == (f"{PUBLIC_URL}/twilio/voice/dial", "POST")


def test_the_caller_hears_ringing_until_somebody_answers() -> None:
    dial = parse(answered("ring")).find("Dial")
    assert dial is not None
    assert dial.attrib["answerOnBridge"] == "true"


def test_a_recording_has_an_action_and_an_end() -> None:
    """Without an action Twilio would ask for this document again, for ever."""
    record = parse(answered("take_message")).find("Record")
    assert record is not None
    assert record.attrib["action"] == f"{PUBLIC_URL}/twilio/voice/recording"
    assert record.attrib["method"] == "POST"
    assert 0 < int(record.attrib["maxLength"]) <= 600


def test_rejecting_is_the_first_verb_so_that_it_costs_nothing() -> None:
    assert verbs(answered("reject"))[0] == "Reject"


def test_an_unknown_business_is_apologized_for_without_a_name() -> None:
    said = parse(answered("apologize", None)).find("Say")
    assert said is not None
    assert "None" not in (said.text or "")


def test_a_voicemail_is_put_into_words_unless_that_is_off() -> None:
    record = parse(answered("take_message")).find("Record")
    assert record is not None
    assert record.attrib["transcribe"] == "true"
    assert record.attrib["transcribeCallback"] == f"{PUBLIC_URL}/twilio/voice/transcription"
    assert record.attrib["recordingStatusCallback"] == f"{PUBLIC_URL}/twilio/voice/recording"
    off = parse(answered("take_message", replace(DEMO, transcribe=frozenset()))).find("Record")
    assert off is not None
    assert not {"transcribe", "transcribeCallback"} & set(off.attrib)


def test_a_conversation_is_put_into_words_where_that_is_on() -> None:
    document = answered("ring", replace(DEMO, transcribe=frozenset({"realtime"})))
    assert verbs(document) == ["Start", "Dial"]
    transcription = parse(document).find("Start/Transcription")
    assert transcription is not None
    assert transcription.attrib["statusCallbackUrl"] == f"{PUBLIC_URL}/twilio/voice/transcription"
    assert transcription.attrib["partialResults"] == "false"


def test_with_screening_whoever_is_rung_is_asked_first() -> None:
    """The leg to the telephone does not know which business was called, so the address says it."""
    number = parse(answered("ring", replace(DEMO, screen_calls=True))).find("Dial/Number")
    gather = parse(answered("screen")).find("Gather")
    assert number is not None
    assert gather is not None
    assert number.attrib["url"] == gather.attrib["action"] == f"{PUBLIC_URL}/twilio/voice/screen?business=demo"
    assert gather.attrib["numDigits"] == "1"
    plain = parse(answered("ring")).find("Dial/Number")
    assert plain is not None
    assert "url" not in plain.attrib
