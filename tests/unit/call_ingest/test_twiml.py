"""TwiML: always valid, only the verbs meant, whatever a business is called."""

from collections.abc import Callable
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

ANSWERS: dict[str, tuple[Callable[[Business], str], list[str]]] = {
    "nothing": (lambda _business: twiml.nothing(), []),
    "reject": (lambda _business: twiml.reject(), ["Reject"]),
    "ring": (lambda business: twiml.ring(business, PUBLIC_URL), ["Dial"]),
    "take_message": (
        lambda business: twiml.take_message(business, PUBLIC_URL),
        ["Say", "Record", "Say", "Hangup"],
    ),
    "apologize": (twiml.apologize, ["Say", "Hangup"]),
    "thank": (lambda _business: twiml.thank(), ["Say", "Hangup"]),
}
HOSTILE = [
    '</Say><Dial>+15550009999</Dial><Say>"',
    "]]><Redirect>https://evil.example</Redirect>",
    "&lt;Dial&gt; &amp; Söhne <b>",
    "<!ENTITY x SYSTEM 'file:///etc/passwd'> &x;",
    "Zubní ordinace Žofie 🦷",
]


def parse(document: str) -> ET.Element:
    assert document.startswith("<?xml")
    assert len(document.encode()) < 64 * 1024
    return ET.fromstring(document)  # noqa: S314 - our own text


def verbs(document: str) -> list[str]:
    root = parse(document)
    assert root.tag == "Response"
    return [verb.tag for verb in root]


@pytest.mark.parametrize("name", ["Bright Smile Dental", *HOSTILE])
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_has_its_verbs_and_no_other(answer: str, name: str) -> None:
    speak, expected = ANSWERS[answer]
    assert verbs(speak(replace(DEMO, name=name))) == expected


@pytest.mark.parametrize("answer", ["take_message", "apologize"])
@given(name=st.text(min_size=1, max_size=200))
@example(name="\x00")
@example(name="\ufffe")
def test_any_name_that_a_business_can_have_makes_a_valid_document(answer: str, name: str) -> None:
    speak, expected = ANSWERS[answer]
    if can_be_called(name):
        assert verbs(speak(replace(DEMO, name=name))) == expected


def can_be_called(name: str) -> bool:
    values = {"name": name, "numbers": list(DEMO.numbers), "timezone": "UTC"}
    return not CONFIG.validate({"businesses": {"demo": values}})


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("answer", ["take_message", "apologize"])
def test_a_name_is_said_and_not_obeyed(answer: str, name: str) -> None:
    said = parse(ANSWERS[answer][0](replace(DEMO, name=name))).find("Say")
    assert said is not None
    assert name in (said.text or "")


def test_everybody_is_rung_at_once_for_as_long_as_configured() -> None:
    business = replace(DEMO, forward_to=("+15551230001", "+15551230002"), ring_seconds=23)
    dial = parse(twiml.ring(business, PUBLIC_URL)).find("Dial")
    assert dial is not None
    assert [number.text for number in dial] == ["+15551230001", "+15551230002"]
    assert {number.tag for number in dial} == {"Number"}
    assert dial.attrib["timeout"] == "23"
    assert (dial.attrib["action"], dial.attrib["method"]) == (f"{PUBLIC_URL}/twilio/voice/dial", "POST")


def test_the_caller_hears_ringing_until_somebody_answers() -> None:
    dial = parse(twiml.ring(DEMO, PUBLIC_URL)).find("Dial")
    assert dial is not None
    assert dial.attrib["answerOnBridge"] == "true"


def test_a_recording_has_an_action_and_an_end() -> None:
    """Without an action Twilio would ask for this document again, for ever."""
    record = parse(twiml.take_message(DEMO, PUBLIC_URL)).find("Record")
    assert record is not None
    assert record.attrib["action"] == f"{PUBLIC_URL}/twilio/voice/recording"
    assert record.attrib["method"] == "POST"
    assert 0 < int(record.attrib["maxLength"]) <= 600


def test_rejecting_is_the_first_verb_so_that_it_costs_nothing() -> None:
    assert verbs(twiml.reject())[0] == "Reject"


def test_an_unknown_business_is_apologized_for_without_a_name() -> None:
    said = parse(twiml.apologize(None)).find("Say")
    assert said is not None
    assert "None" not in (said.text or "")
