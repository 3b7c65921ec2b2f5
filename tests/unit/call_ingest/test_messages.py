"""What SMS webhooks mean is a function of their set; what their senders said about being texted is understood."""

from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_ingest.consent import KEYWORDS, LONGEST_BODY, consent
from call_ingest.facts import Fact, Webhook
from call_ingest.messages import STATUSES_BY_RANK, MessageConclusion, conclude_message
from ringback.contracts.envelope import decode, encode, new_event
from ringback.contracts.messages import CONSENTS
from tests.unit.fakes import CALLER, NUMBER, T0, at

MESSAGE = "SM" + "1" * 32
REQUEST = "4dfe8a5e"
MEDIA = "https://api.twilio.com/2010-04-01/Accounts/AC" + "1" * 32 + "/Messages/MM" + "2" * 32 + "/Media/ME"
A_MINUTE_EARLIER = (T0 - timedelta(minutes=1)).isoformat()


def identify(sender: str) -> tuple[str, str]:
    return ("mobile", sender) if sender == CALLER else ("malformed", sender)


def webhook(kind: str, seconds: float, params: dict[str, str]) -> Webhook:
    return Webhook(kind=kind, received_at=at(seconds), known_at=at(seconds), params=params)


def text(body: str = "Hi", seconds: float = 0, **changes: str) -> Webhook:
    base = {"MessageSid": MESSAGE, "SmsStatus": "received", "From": CALLER, "To": NUMBER, "Body": body}
    return webhook("sms", seconds, base | changes)


def callback(status: str, seconds: float = 0, **changes: str) -> Webhook:
    base = {"MessageSid": MESSAGE, "MessageStatus": status, "To": CALLER, "request_id": REQUEST}
    return webhook("sms_status", seconds, base | changes)


def concluded(*webhooks: Webhook) -> MessageConclusion:
    return conclude_message(MESSAGE, webhooks, identify)


def received(*webhooks: Webhook) -> Fact:
    [fact] = concluded(*webhooks).facts
    assert fact.type == "sms.received"
    return fact


def changes_told(conclusion: MessageConclusion) -> list[tuple[str, int | None]]:
    changes = [fact for fact in conclusion.facts if fact.type == "sms.status_changed"]
    return [(fact.data["status"], fact.data["error_code"]) for fact in changes]


# A text that came in.


def test_a_text_is_told_whole() -> None:
    conclusion = concluded(text("Do you do implants?", 3))
    assert conclusion.direction == "inbound"
    assert conclusion.status == "received"
    assert conclusion.error_code is None
    assert conclusion.at == at(3)
    [fact] = conclusion.facts
    assert (fact.type, fact.at, fact.cause) == ("sms.received", at(3), ())
    assert fact.data == {
        "message_sid": MESSAGE,
        "sender": CALLER,
        "recipient": NUMBER,
        "sender_kind": "mobile",
        "body": "Do you do implants?",
        "media": [],
        "consent": None,
        "keyword": None,
        "at": at(3),
    }


def test_of_several_webhooks_of_a_text_the_earliest_counts() -> None:
    assert received(text("later", 9), text("first", 1), text("latest", 10)).data["body"] == "first"


def test_of_two_webhooks_at_once_the_same_one_counts_always() -> None:
    both = text("one"), text("other")
    assert concluded(*both) == concluded(*reversed(both))


@pytest.mark.parametrize(
    "params",
    [
        {"SmsStatus": "received", "From": CALLER},
        {"MessageStatus": "receiving", "From": CALLER},
        {"MessageStatus": "", "SmsStatus": " received ", "From": CALLER},
        {"MessageStatus": "received", "SmsStatus": "delivered"},
        {"From": CALLER},
        {"Body": "Hi"},
    ],
)
@pytest.mark.parametrize("kind", ["sms", "rest"])
def test_what_was_received_is_a_text(kind: str, params: dict[str, str]) -> None:
    conclusion = concluded(webhook(kind, 0, params))
    assert conclusion.direction == "inbound"
    assert [fact.type for fact in conclusion.facts] == ["sms.received"]
    assert conclusion.status in {"received", "receiving"}


def test_a_text_of_which_nothing_else_is_known_is_a_text_of_nobody() -> None:
    data = received(webhook("sms", 0, {"SmsStatus": "received"})).data
    assert (data["sender_kind"], data["sender"], data["recipient"], data["body"]) == ("malformed", "", "", "")


def test_what_a_text_consists_of_passes_unchanged() -> None:
    body = " \x00\x07 \u200b\U0001f9b7 \ufffd\n"
    assert received(text(body)).data["body"] == body


def test_a_sender_is_who_the_caller_id_says() -> None:
    data = received(text(From=" 72727 ")).data
    assert (data["sender_kind"], data["sender"]) == ("malformed", "72727")


def test_a_text_that_the_api_told_of_later_is_as_old_as_it_is() -> None:
    told = webhook("rest", 3600, {"SmsStatus": "received", "From": CALLER, "SentAt": A_MINUTE_EARLIER})
    fact = received(told)
    assert fact.at == fact.data["at"] == concluded(told).at == T0 - timedelta(minutes=1)


@pytest.mark.parametrize(
    "sent_at",
    ["", "yesterday", "2026-03-02T14:00:00", "2040-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"],
)
def test_a_time_of_sending_that_makes_no_sense_is_not_believed(sent_at: str) -> None:
    assert received(webhook("rest", 60, {"From": CALLER, "SentAt": sent_at})).at == at(60)


def test_only_the_api_knows_when_a_text_was_sent() -> None:
    assert received(text(SentAt=A_MINUTE_EARLIER)).at == T0


def test_a_text_that_came_in_stays_one_whatever_else_is_said_of_it() -> None:
    conclusion = concluded(text(), callback("delivered", 1))
    assert (conclusion.direction, conclusion.status) == ("inbound", "received")
    assert {fact.type for fact in conclusion.facts} == {"sms.received", "sms.status_changed"}


# Attachments.


def test_attachments_are_told_in_their_order_and_however_many_are_said_to_be_there() -> None:
    params = {"SmsStatus": "received", "NumMedia": "1"}
    params |= {f"MediaUrl{n}": f"{MEDIA}{n}" for n in reversed(range(12))}
    params |= {f"MediaContentType{n}": f"image/{n}" for n in range(12)}
    media = received(webhook("sms", 0, params)).data["media"]
    assert media == [{"url": f"{MEDIA}{n}", "content_type": f"image/{n}"} for n in range(10)]


def test_an_attachment_may_be_told_in_part() -> None:
    media = received(text(MediaUrl2=f"{MEDIA}2", MediaContentType5="image/png", MediaUrl6=" ")).data["media"]
    assert media == [{"url": f"{MEDIA}2", "content_type": ""}, {"url": None, "content_type": "image/png"}]


@pytest.mark.parametrize("host", ["api.twilio.com", "api.sydney.au1.twilio.com", "media.twilio.com"])
def test_an_address_at_twilio_is_kept(host: str) -> None:
    url = f"{MEDIA}1".replace("api.twilio.com", host)
    assert received(text(MediaUrl0=url)).data["media"] == [{"url": url, "content_type": ""}]


@pytest.mark.parametrize(
    "url",
    [
        f"{MEDIA}1".replace("https", "http"),
        f"{MEDIA}1".replace("api.twilio.com", "api.twilio.com.example"),
        f"{MEDIA}1".replace("api.twilio.com", "eviltwilio.com"),
        f"{MEDIA}1".replace("api.twilio.com", "twilio.com"),
        f"{MEDIA}1".replace("api.twilio.com", "example.com/.twilio.com"),
        f"{MEDIA}1".replace("api.twilio.com", "api.twilio.com@example.com"),
        f"{MEDIA}1".replace("api.twilio.com", "user@api.twilio.com"),
        f"{MEDIA}1".replace("api.twilio.com", "api.twilio.com:8443"),
        f"{MEDIA}1".replace("Messages", "Recordings"),
        f"{MEDIA}1".replace("/Media/ME", "/Media/RE"),
        f"{MEDIA}1/../../../Keys",
        f"{MEDIA}1?x=1",
        f"{MEDIA}1#x",
        f"{MEDIA}1\nx",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://[api.twilio.com/",
    ],
)
def test_an_address_elsewhere_is_not_kept(url: str) -> None:
    media = received(text(MediaUrl0=url, MediaContentType0="image/png")).data["media"]
    assert media == [{"url": None, "content_type": "image/png"}]


# A text that went out.


def test_a_status_is_told_whole() -> None:
    conclusion = concluded(callback("undelivered", 5, ErrorCode="30003"))
    assert conclusion == MessageConclusion(
        direction="outbound",
        status="undelivered",
        error_code=30003,
        at=at(5),
        facts=(
            Fact(
                "sms.status_changed",
                at(5),
                {
                    "message_sid": MESSAGE,
                    "request_id": REQUEST,
                    "status": "undelivered",
                    "error_code": 30003,
                    "recipient": CALLER,
                    "at": at(5),
                },
                cause=("undelivered", "30003"),
            ),
        ),
    )


def test_a_status_without_code_has_a_cause_of_its_own() -> None:
    causes = {fact.cause for fact in concluded(callback("failed"), callback("failed", ErrorCode="30007")).facts}
    assert causes == {("failed", ""), ("failed", "30007")}


def test_each_status_is_told_once_at_the_time_it_was_first_heard_of() -> None:
    conclusion = concluded(callback("sent", 9), callback("delivered", 3), callback("sent", 1), callback("sent", 1))
    assert [(fact.data["status"], fact.at) for fact in conclusion.facts] == [("sent", at(1)), ("delivered", at(3))]
    assert conclusion.at == at(1)


@pytest.mark.parametrize("kind", ["sms", "sms_status", "rest"])
def test_a_status_counts_wherever_it_came_in(kind: str) -> None:
    conclusion = concluded(webhook(kind, 0, {"SmsStatus": "delivered", "From": NUMBER, "Body": "Hi"}))
    assert conclusion.direction == "outbound"
    assert changes_told(conclusion) == [("delivered", None)]


def test_the_messages_status_comes_before_the_older_parameter() -> None:
    assert concluded(callback("delivered", SmsStatus="sent")).status == "delivered"
    assert concluded(callback(" ", SmsStatus="sent")).status == "sent"


def test_a_callback_may_lack_almost_everything() -> None:
    [fact] = concluded(webhook("sms_status", 0, {"MessageStatus": "sent"})).facts
    assert fact.data["request_id"] is None
    assert fact.data["recipient"] == ""
    assert fact.data["error_code"] is None


def test_what_another_callback_says_of_the_message_fills_the_gap() -> None:
    facts = concluded(webhook("rest", 0, {"MessageStatus": "sent"}), callback("delivered", 2)).facts
    assert [(fact.data["request_id"], fact.data["recipient"]) for fact in facts] == [(REQUEST, CALLER)] * 2


@pytest.mark.parametrize("params", [{}, {"MessageStatus": " "}, {"Body": "Hi", "From": CALLER}])
def test_a_callback_without_status_tells_nothing(params: dict[str, str]) -> None:
    assert concluded(webhook("sms_status", 4, params)) == MessageConclusion("outbound", "", None, at(4))


@pytest.mark.parametrize("code", ["", "0", "000", "-1", "30003.0", "thirty", "²", "٣٠٠٠٣", "9" * 10, "9" * 10_000])
def test_what_is_no_error_code_is_none(code: str) -> None:
    assert changes_told(concluded(callback("failed", ErrorCode=code))) == [("failed", None)]


@pytest.mark.parametrize("code", ["30003", " 30003 "])
def test_an_error_code_is_a_number(code: str) -> None:
    assert changes_told(concluded(callback("failed", ErrorCode=code))) == [("failed", 30003)]


# Which status counts.


@pytest.mark.parametrize(
    ("seen", "furthest"),
    [
        (["queued", "sending", "sent", "delivered"], "delivered"),
        (["accepted", "queued"], "queued"),
        (["scheduled", "queued"], "queued"),
        (["scheduled", "canceled"], "canceled"),
        (["sent", "undelivered"], "undelivered"),
        (["undelivered", "delivered"], "delivered"),
        (["failed", "delivered"], "delivered"),
        (["failed", "undelivered"], "undelivered"),
        (["delivered", "read"], "read"),
        (["undelivered", "read"], "read"),
        (["teleported", "accepted"], "accepted"),
        (["canceled", "failed"], "failed"),
        (["teleported"], "teleported"),
        (["teleported", "beamed"], "teleported"),
    ],
)
def test_the_furthest_status_counts_in_whatever_order_they_come(seen: list[str], furthest: str) -> None:
    for order in permutations(seen):
        conclusion = concluded(*(callback(status, second) for second, status in enumerate(order)))
        assert conclusion.status == furthest
        assert {status for status, _ in changes_told(conclusion)} == set(seen)


def test_every_status_of_twilio_has_a_rank() -> None:
    """The enumeration of the message resource, twilio.com/docs/messaging/api/message-resource."""
    statuses = (
        "queued sending sent failed delivered undelivered receiving received accepted scheduled read"
        " partially_delivered canceled"
    )
    assert sorted(STATUSES_BY_RANK) == sorted(statuses.split())


@pytest.mark.parametrize(
    ("webhooks", "code"),
    [
        ([callback("failed", 1, ErrorCode="30007"), callback("failed", 2)], 30007),
        ([callback("failed", 1), callback("failed", 2, ErrorCode="30007")], 30007),
        ([callback("failed", 1, ErrorCode="30007"), callback("undelivered", 2)], 30007),
        ([callback("failed", 1, ErrorCode="30007"), callback("undelivered", 2, ErrorCode="30003")], 30003),
        ([callback("undelivered", 1, ErrorCode="30003"), callback("sent", 2)], 30003),
        ([callback("undelivered", 1, ErrorCode="30003"), callback("delivered", 2)], None),
        ([callback("delivered", 1, ErrorCode="30003"), callback("delivered", 2)], 30003),
        ([callback("sent", 1), callback("delivered", 2, ErrorCode="0")], None),
    ],
)
def test_a_repetition_takes_no_error_code_back(webhooks: list[Webhook], code: int | None) -> None:
    assert concluded(*webhooks).error_code == code
    assert concluded(*reversed(webhooks)).error_code == code


# Whatever comes, in whatever order.

statuses = st.sampled_from([*STATUSES_BY_RANK, "teleported", "beamed", ""]) | st.text(max_size=4)
parameters = st.fixed_dictionaries(
    {},
    optional={
        "MessageStatus": statuses,
        "SmsStatus": statuses,
        "From": st.sampled_from([CALLER, "", "anonymous"]) | st.text(max_size=4),
        "To": st.sampled_from([NUMBER, ""]),
        "Body": st.sampled_from(["", "STOP", "Please stop texting me", "YES"]) | st.text(max_size=8),
        "OptOutType": st.sampled_from(["STOP", "START", "HELP", "", "other"]),
        "ErrorCode": st.sampled_from(["30003", "30007", "0", "", "x"]),
        "request_id": st.sampled_from([REQUEST, "other", ""]),
        "MediaUrl0": st.sampled_from([f"{MEDIA}1", "https://example.com/"]),
        "MediaContentType1": st.text(max_size=4),
        "SentAt": st.sampled_from([A_MINUTE_EARLIER, "x"]),
    },
)
webhooks_of_a_message = st.builds(
    webhook, st.sampled_from(["sms", "sms_status", "rest"]), st.integers(0, 5), parameters
)


@given(st.lists(webhooks_of_a_message, min_size=1, max_size=6), st.data())
def test_neither_order_nor_repetition_changes_anything(webhooks: list[Webhook], data: st.DataObject) -> None:
    repeated = webhooks + data.draw(st.lists(st.sampled_from(webhooks), max_size=4))
    assert concluded(*data.draw(st.permutations(repeated))) == concluded(*webhooks)


@given(st.lists(webhooks_of_a_message, min_size=1, max_size=6))
def test_a_message_is_told_once_and_so_is_each_of_its_statuses(webhooks: list[Webhook]) -> None:
    conclusion = concluded(*webhooks)
    told = [(fact.type, fact.cause) for fact in conclusion.facts]
    assert len(told) == len(set(told))
    assert (("sms.received", ()) in told) == (conclusion.direction == "inbound")


@given(st.lists(webhooks_of_a_message, min_size=1, max_size=6))
def test_every_fact_keeps_the_contract(webhooks: list[Webhook]) -> None:
    for fact in concluded(*webhooks).facts:
        event = new_event(
            fact.type, business="demo", subject=MESSAGE, time=fact.at, data=fact.data, cause=(MESSAGE, *fact.cause)
        )
        assert decode(encode(event)) == event


@given(st.lists(webhooks_of_a_message, min_size=1, max_size=4), st.lists(webhooks_of_a_message, max_size=4))
def test_a_message_never_goes_back(before: list[Webhook], after: list[Webhook]) -> None:
    earlier, later = concluded(*before), concluded(*before, *after)
    told = {(fact.type, fact.cause) for fact in later.facts}
    assert told >= {(fact.type, fact.cause) for fact in earlier.facts}
    if earlier.direction == later.direction:
        assert rank(later.status) >= rank(earlier.status)


def rank(status: str) -> int:
    return STATUSES_BY_RANK.index(status) if status in STATUSES_BY_RANK else -1


# What a sender said about being texted.


def said(body: str, **params: str) -> tuple[str | None, str | None]:
    return consent({"Body": body, **params})


def test_consent_is_what_the_contract_knows() -> None:
    assert set(KEYWORDS) == set(CONSENTS)


@pytest.mark.parametrize(("consented", "keyword"), [(key, word) for key, words in KEYWORDS.items() for word in words])
@pytest.mark.parametrize(
    "written",
    [
        "{}",
        " {}\n",
        "{}.",
        "{}!!!",
        '"{}"',
        "\N{LEFT DOUBLE QUOTATION MARK}{}\N{RIGHT DOUBLE QUOTATION MARK}",
        "*{}*",
        "({})",
        "'{}'",
        "_{}_",
        "\N{ZERO WIDTH SPACE}{}\N{ZERO WIDTH NO-BREAK SPACE}",
        "{} \N{OCTAGONAL SIGN}",
        "\t{} ?",
    ],
)
def test_a_keyword_is_recognised_however_it_is_written(consented: str, keyword: str, written: str) -> None:
    for word in (keyword, keyword.lower(), keyword.title(), fullwidth(keyword)):
        assert said(written.format(word)) == (consented, keyword)


def fullwidth(word: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) for letter in word)


@pytest.mark.parametrize(
    ("body", "keyword"),
    [
        ("opt out", "OPTOUT"),
        ("Opt-Out", "OPTOUT"),
        ("OPT\N{NON-BREAKING HYPHEN}OUT", "OPTOUT"),
        ("STOP ALL", "STOPALL"),
        ("stop  all.", "STOPALL"),
        ("S\N{ZERO WIDTH JOINER}T\N{SOFT HYPHEN}OP", "STOP"),
    ],
)
def test_a_keyword_has_other_spellings(body: str, keyword: str) -> None:
    assert said(body) == ("opt_out", keyword)


@pytest.mark.parametrize(
    ("opt_out_type", "body", "expected"),
    [
        ("STOP", "ARRET", ("opt_out", "STOP")),
        ("stop", "", ("opt_out", "STOP")),
        (" Start ", "bonjour", ("opt_in", "START")),
        ("HELP", "aide", ("help", "HELP")),
        ("HELP", "STOP", ("help", "HELP")),
        ("STOP", "YES", ("opt_out", "STOP")),
        ("STOP", "unsubscribe", ("opt_out", "UNSUBSCRIBE")),
        ("START", "Yes!", ("opt_in", "YES")),
        ("", "STOP", ("opt_out", "STOP")),
        ("OTHER", "STOP", ("opt_out", "STOP")),
        ("OTHER", "Hi", (None, None)),
    ],
)
def test_what_twilio_judged_comes_before_the_body(
    opt_out_type: str, body: str, expected: tuple[str | None, str | None]
) -> None:
    assert said(body, OptOutType=opt_out_type) == expected


def test_nothing_said_is_nothing_said() -> None:
    assert consent({}) == (None, None)


@pytest.mark.parametrize(
    "body",
    [
        "stop texting me",
        "Please stop texting me",
        "PLEASE STOP TEXTING ME!!",
        "please stop texting me I'm not interested",
        "Can you please stop texting me?",
        "Could you stop texting me",
        "I want you to stop texting me",
        "I asked you to stop messaging us",
        "stop calling and texting me",
        "Stop texting and calling me",
        "stop texting",
        "stop texting or emailing us",
        "stop sending your marketing texts",
        "Please stop all the unwanted promotional messages",
        "Quit texting this number",
        "stop text me",
        "stop contacting me",
        "STOP HARASSING ME",
        "please stop",
        "Please, stop.",
        "Pls stop",
        "stop please",
        "Stop, please",
        "Stop it",
        "stop this now",
        "just stop already",
        "Hey, stop",
        "No, stop",
        "I said stop",
        "I told you to stop immediately",
        "Okay now stop this, thanks",
        "kindly cease messaging my phone",
        "stop spamming my cell",
        "Wrong number, STOP",
        "Not interested. Stop.",
        "Who is this? Stop. I don't know you",
        "STOP\n\nSent from my iPhone",
        "Stop \N{EM DASH} I am not interested",
        "stop stop stop",
        "Can you please stop",
        "stop sending me messages",
        "Stop sending me these",
        "please stop sending texts",
        "I want to stop receiving these texts",
        "how do I stop these messages",
        "How do I stop getting these messages?",
        "stop the spam",
        "stop all texts",
        "End these texts",
        "Please cancel all messages",
        "no more texts",
        "No more text messages please",
        "OK, no more of these messages",
        "do not text me",
        "Don't text",
        "DON\N{RIGHT SINGLE QUOTATION MARK}T TEXT ME",
        "don\N{MODIFIER LETTER APOSTROPHE}t text me",
        "don\N{ACUTE ACCENT}t text me",
        "don\N{FULLWIDTH APOSTROPHE}t text me",
        "dont message me",
        "Dont text me again",
        "Please don't text or call me",
        "please do not call or text this number",
        "Never contact me again",
        "hi dont text me",
        "I asked you not to text me",
        "I don't want these texts",
        "I do not want to receive any more messages from you",
        "I don't want to be texted",
        "I don't want you texting me",
        "I no longer wish to be contacted",
        "We don't like getting such messages",
        "unsubscribe me",
        "Please unsubscribe",
        "I want to unsubscribe",
        "How do I unsubscribe?",
        "Unsubscribe me from this",
        "remove me from your list",
        "Please remove me from this mailing list.",
        "remove my number from your database",
        "take me off your list",
        "Take us off of your texting list",
        "take me off this list please",
        "Get my name off of all your marketing lists",
        "Remove this number from the system",
        "remove me",
        "Please remove my number",
        "take me off please",
        "Please delete my number.",
        "opt me out",
        "I want to opt out",
        "I'd like to opt out of these texts",
        "opt out please",
        "leave me alone",
        "Just leave me alone!",
        "Lose my number",
        "I revoke my consent",
        "\uff30\uff4c\uff45\uff41\uff53\uff45 \uff53\uff54\uff4f\uff50",
        "Please s\N{ZERO WIDTH SPACE}top texting me",
    ],
)
def test_a_plain_refusal_is_one(body: str) -> None:
    consented, keyword = said(body)
    assert consented == "opt_out"
    assert keyword in KEYWORDS["opt_out"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "?!",
        "Can you stop by the office at 5?",
        "I'll stop in tomorrow",
        "is this the last stop",
        "Last stop?",
        "don't stop",
        "please don't stop",
        "Don't stop texting me",
        "please never stop sending me these",
        "I don't want you to stop texting me",
        "I do not want you to stop texting me",
        "I don't want to unsubscribe",
        "I do not want to opt out",
        "I did not unsubscribe",
        "I didn't opt out",
        "Please do not unsubscribe me",
        "Why did you stop texting me?",
        "Did you remove me from your list?",
        "Why did I stop getting your messages",
        "Why'd you stop texting me",
        "I will stop texting now",
        "I'll stop texting now",
        "I stop texting now",
        "You never text me",
        "They don't text",
        "Turn right, stop, then left",
        "Please stop by",
        "please stop at the front desk",
        "The bus doesn't stop here",
        "non-stop",
        "full stop",
        "The bleeding won't stop",
        "How do I stop the bleeding?",
        "Stop sending the forms to my old address",
        "I don't text much, please call",
        "We don't text",
        "don't text and drive",
        "Don't text me before 9",
        "Please don't text me while I am at work",
        "dont text me back",
        "I don't want to miss your messages",
        "I have no more messages from you",
        "Don't bother, I'll come by",
        "Don't call me, text me",
        "Stop calling me, text instead",
        "Please cancel my appointment",
        "Can I cancel?",
        "cancel please",
        "Can we end at 5?",
        "yes please",
        "Yes, 3pm works",
        "I need help",
        "more info",
        "Start at 9?",
        "Can I opt out of the x-ray?",
        "Take me off hold",
        "Remove me from the waiting list",
        "Please remove me from the 3pm slot",
        "Don't leave me alone in there lol",
        "Did I lose my number there",
        'Liked "Hi, this is Bright Smile. Reply STOP to opt out."',
        "Loved \N{LEFT DOUBLE QUOTATION MARK}Text STOP to unsubscribe\N{RIGHT DOUBLE QUOTATION MARK}",
        "Disliked 'Reply STOP to end messages'",
        "What does reply STOP mean",
        "Stopping by at 5",
        "We text, message and call. Sorry!",
        "\ud83d",
        "\N{COMBINING ACUTE ACCENT}" * 70_000,
    ],
)
def test_what_is_no_refusal_is_none(body: str) -> None:
    assert said(body) == (None, None)


@pytest.mark.parametrize(
    ("body", "keyword"),
    [
        ("please stop", "STOP"),
        ("please unsubscribe me", "UNSUBSCRIBE"),
        ("remove me from your list", "UNSUBSCRIBE"),
        ("opt me out", "OPTOUT"),
        ("I revoke consent", "REVOKE"),
    ],
)
def test_a_refusal_amounts_to_a_keyword(body: str, keyword: str) -> None:
    assert said(body) == ("opt_out", keyword)


def test_what_is_beyond_the_longest_text_is_not_read() -> None:
    hello = "Hi. "
    assert said(hello * (LONGEST_BODY // len(hello)) + "stop texting me") == (None, None)
    assert said(hello * (LONGEST_BODY // len(hello) - 4) + "stop texting me") == ("opt_out", "STOP")


@given(st.text())
def test_whatever_is_written_has_an_answer(body: str) -> None:
    consented, keyword = said(body)
    assert consented in {None, *CONSENTS}
    assert (consented is None) == (keyword is None)


@given(
    st.sampled_from(["please stop", "STOP", "unsubscribe me", "YES"]), st.text("\u200b\u00ad\u2060 .!\n", max_size=5)
)
def test_what_surrounds_it_does_not_matter(body: str, around: str) -> None:
    assert said(around + body + around) == said(body)
