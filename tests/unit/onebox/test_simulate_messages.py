"""The texts of a plan: what people send, and what becomes of ours."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onebox.simulate import texts
from onebox.simulate.conversations import ODD, USUAL
from onebox.simulate.messages import segments
from onebox.simulate.model import SMS, SMS_STATUS, Call, Conversation, Webhook
from onebox.simulate.plan import Plan

NUMBERS = ("+15558675310",)
ACCOUNT = "AC" + "0" * 32
FICTION = re.compile(r"\+1\d{3}555\d{4}|\+442079460\d{3}|\+493023125\d{3}|\+3319900\d{4}|\+52200123\d{4}")

seeds = st.integers(min_value=-(2**63), max_value=2**63)


def conversations(seed: int = 1, calls: int = 200) -> list[Conversation]:
    return [planned for planned in Plan(calls, seed, NUMBERS, ACCOUNT) if isinstance(planned, Conversation)]


def of_kind(kind: str) -> list[Webhook]:
    """The webhooks of one such conversation that arrived as they were sent."""
    return list(next(c for c in conversations(calls=1000) if c.kind == kind and not c.faults).steps)


def statuses(kind: str) -> list[str]:
    return [step.first("MessageStatus") for step in of_kind(kind)]


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_two_hundred_calls_of_any_seed_bring_every_kind_of_text(seed: int) -> None:
    assert {conversation.kind for conversation in conversations(seed)} == {kind.name for kind in (*USUAL, *ODD)}


@given(seeds)
def test_every_text_has_an_account_a_sid_and_a_route(seed: int) -> None:
    for conversation in conversations(seed, 40):
        for step in conversation.steps:
            assert re.fullmatch(r"(SM|MM)[0-9a-f]{32}", step.message_sid)
            assert step.first("AccountSid") == ACCOUNT
            assert step.call_sid == ""
            assert step.path == (SMS if step.first("SmsStatus") == "received" else SMS_STATUS)


@given(seeds)
def test_no_text_comes_from_or_goes_to_a_real_person(seed: int) -> None:
    for conversation in conversations(seed, 40):
        for step in conversation.steps:
            person = step.first("From") if step.path == SMS else step.first("To")
            number = person.removeprefix("whatsapp:")
            assert FICTION.fullmatch(number) or number.isdigit() or (number == "" and "To" not in dict(step.params))


def test_who_replies_has_called() -> None:
    planned = list(Plan(400, 1, NUMBERS, ACCOUNT))
    before = dict(zip(map(id, planned[1:]), planned, strict=False))
    replies = [(before[id(c)], c) for c in planned if isinstance(c, Conversation) and c.kind == "reply"]
    known = [(call, reply) for call, reply in replies if isinstance(call, Call) and call.identity]
    assert known
    for call, reply in known:
        assert isinstance(call, Call)
        people = {step.first("From" if step.path == SMS else "To") for step in reply.steps}
        assert people == {call.identity}


def test_statuses_come_as_they_do() -> None:
    assert statuses("delivered") == ["queued", "sending", "sent", "delivered"]
    assert statuses("sms_status_unordered") == ["delivered", "sent", "sending", "queued"]
    assert statuses("sms_delivered_late") == ["sent", "undelivered", "delivered", "undelivered"]
    assert statuses("sms_status_unknown") == ["sent", "teleported"]
    assert set(statuses("sms_status_under_old_names")) == {""}


def test_undelivered_and_failed_say_why_and_receipts_have_a_date() -> None:
    sent, undelivered = of_kind("undelivered")
    assert not sent.first("ErrorCode")
    assert re.fullmatch(r"30\d{3}", undelivered.first("ErrorCode"))
    assert re.fullmatch(r"\d{10}", undelivered.first("RawDlrDoneDate"))
    assert [step.first("ErrorCode") for step in of_kind("sms_failed")] == ["21610"]


@pytest.mark.parametrize("kind", ["sms_status_under_old_names", "sms_without_message_sid"])
def test_a_text_without_its_sid_has_it_under_an_old_name(kind: str) -> None:
    for step in of_kind(kind):
        assert "MessageSid" not in dict(step.params)
        assert step.message_sid == step.first("SmsSid")


def test_a_status_may_not_say_to_whom() -> None:
    assert all("To" not in dict(step.params) for step in of_kind("sms_status_without_to"))


def test_media_have_a_sid_of_their_own_kind_and_an_address_at_twilio() -> None:
    [with_text], [alone] = of_kind("sms_media"), of_kind("sms_media_only")
    assert (with_text.first("NumMedia"), alone.first("NumMedia"), alone.first("Body")) == ("2", "1", "")
    for step in (with_text, alone):
        assert step.message_sid.startswith("MM")
        assert step.first("MediaUrl0").startswith(f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages/MM")
    assert with_text.first("MediaUrl0") != with_text.first("MediaUrl1") != ""


def test_bodies_are_long_empty_and_odd() -> None:
    bodies = {step.first("Body") for c in conversations(calls=2000) for step in c.steps if step.path == SMS}
    assert bodies >= {*texts.OPT_OUTS, *texts.OPT_INS, *texts.HELPS, *texts.EMOJI, *texts.UNKIND}
    assert max(map(len, bodies)) == 1600


def test_add_ons_are_json_and_members_are_repeated() -> None:
    [add_ons], [repeated] = of_kind("sms_add_ons"), of_kind("sms_parameter_repeated")
    assert json.loads(add_ons.first("AddOns"))["status"] == "successful"
    assert len({value for name, value in repeated.params if name == "MessagingBinding.Address"}) == 2


def test_whatsapp_and_short_codes_are_no_numbers() -> None:
    [whatsapp], [short] = of_kind("sms_whatsapp"), of_kind("sms_short_code")
    assert whatsapp.first("From").startswith("whatsapp:+1")
    assert whatsapp.first("To") == f"whatsapp:{NUMBERS[0]}"
    assert re.fullmatch(r"\d{5,6}", short.first("From"))


def test_opt_out_types_are_said_beside_the_keyword() -> None:
    said = {step.first("OptOutType") for c in conversations() for step in c.steps if c.kind == "sms_opt_out_type"}
    assert said == {"STOP", "START", "HELP"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [("", 1), ("x" * 160, 1), ("x" * 161, 2), ("x" * 1600, 11), ("é" * 70, 1), ("é" * 71, 2), ("🎉" * 36, 2)],
)
def test_long_texts_are_several_messages(body: str, expected: int) -> None:
    assert segments(body) == expected
