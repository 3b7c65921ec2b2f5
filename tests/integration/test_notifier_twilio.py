"""TwilioMessages against a Twilio over real HTTP, with its faults."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from notifier.orders import TOO_LATE, Order
from notifier.outcomes import Accepted, Ambiguous, Answer, NotReached, Refused
from notifier.twilio_api import SEND_WITHIN_SECONDS, TwilioMessages
from ringback.clock import system_clock
from ringback.errors import UpstreamRefused, UpstreamUnavailable
from tests.support.fake_twilio import ACCOUNT, TOKEN, FakeTwilio

ANNA = "+12125550123"
SENDER = "+15558675310"
SERVICE = "MG" + "a" * 32
CALLBACK = "https://ring.example/twilio/sms/status"


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    with FakeTwilio() as twilio:
        yield twilio


def messages(url: str, *tokens: str, **options: Any) -> TwilioMessages:
    return TwilioMessages(ACCOUNT, tokens or (TOKEN,), CALLBACK, system_clock, url, **options)


def order(**changes: Any) -> Order:
    now = system_clock()
    first = Order("demo:r 1&2", "r 1&2", "demo", ANNA, "Hello", SENDER, "a1", now, now + timedelta(hours=1))
    return replace(first, **changes)


def test_a_text_is_handed_over_with_where_to_tell_of_it_and_until_when(twilio: FakeTwilio) -> None:
    answer = messages(twilio.url).send(order())
    [taken] = twilio.accepted
    assert answer == Accepted(taken["sid"], "queued")
    assert (taken["to"], taken["from"], taken["body"]) == (ANNA, SENDER, "Hello")
    [asked] = twilio.requests
    assert asked.form["StatusCallback"] == f"{CALLBACK}?request_id=r+1%262"
    assert twilio.sids_by_request() == {"r 1&2": [taken["sid"]]}
    assert 3590 <= int(asked.form["ValidityPeriod"]) <= 3600


@pytest.mark.parametrize(("left", "validity"), [(1, "6"), (10**6, "36000")])
def test_a_validity_is_one_that_twilio_takes(twilio: FakeTwilio, left: int, validity: str) -> None:
    messages(twilio.url).send(order(expires_at=system_clock() + timedelta(seconds=left)))
    assert twilio.requests[0].form["ValidityPeriod"] == validity


def test_a_messaging_service_chooses_the_sender(twilio: FakeTwilio) -> None:
    messages(twilio.url).send(order(sender=SERVICE))
    form = twilio.requests[0].form
    assert (form["MessagingServiceSid"], "From" in form) == (SERVICE, False)


def test_a_connection_is_kept(twilio: FakeTwilio) -> None:
    api = messages(twilio.url)
    for _ in range(3):
        api.send(order())
    [client] = api._clients()
    [pool] = client.http_client.session.get_adapter(twilio.url).poolmanager.pools._container.values()
    assert (pool.num_connections, pool.num_requests) == (1, 3)


Fault = Callable[[FakeTwilio], None]
FAULTS: list[tuple[str, Fault, Answer, int]] = [
    ("400", lambda twilio: twilio.refuse_number(ANNA, 21610), Refused(400, 21610), 0),
    ("429", lambda twilio: twilio.fail_next(1, 429, retry_after=7), Refused(429, 20429, 7), 0),
    ("503 at once", lambda twilio: twilio.fail_next(1, 503), Ambiguous("http_503"), 0),
    ("500 after it", lambda twilio: twilio.fail_after_accepting(), Ambiguous("http_500"), 1),
    ("silence after it", lambda twilio: twilio.time_out_after_accepting(), Ambiguous("ReadTimeout"), 1),
    ("reset before it", lambda twilio: twilio.drop_next(), Ambiguous("ConnectionError"), 0),
    ("reset after it", lambda twilio: twilio.reset_after_accepting(), Ambiguous("ConnectionError"), 1),
    ("half an answer", lambda twilio: twilio.break_off_next(1, 20), Ambiguous("ChunkedEncodingError"), 1),
    ("no JSON", lambda twilio: twilio.answer_after_accepting(b"{"), Ambiguous("unreadable_answer"), 1),
]


@pytest.mark.parametrize(("fault", "answer", "sent"), [one[1:] for one in FAULTS], ids=[one[0] for one in FAULTS])
def test_whatever_fails_the_text_is_posted_once_and_the_answer_is_honest(
    twilio: FakeTwilio, fault: Fault, answer: Answer, sent: int
) -> None:
    fault(twilio)
    assert messages(twilio.url, timeout_seconds=0.3).send(order()) == answer
    assert (len(twilio.requests), len(twilio.accepted)) == (1, sent)


def test_who_is_not_there_got_nothing() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert isinstance(messages(f"http://127.0.0.1:{port}").send(order()), NotReached)


def test_who_speaks_no_tls_may_have_got_something(twilio: FakeTwilio) -> None:
    """Only another's certificate is a sure sign; any other failure of TLS may come late."""
    answer = messages(twilio.url.replace("http:", "https:"), timeout_seconds=2).send(order())
    assert isinstance(answer, Ambiguous)
    assert twilio.accepted == []


def test_a_token_that_is_no_longer_taken_is_followed_by_the_next(twilio: FakeTwilio) -> None:
    assert isinstance(messages(twilio.url, "an-old-token", TOKEN).send(order()), Accepted)
    assert messages(twilio.url, "an-old-token").send(order()) == Refused(401, 20003)
    assert len(twilio.accepted) == 1


def test_who_was_held_up_too_long_does_not_send(twilio: FakeTwilio) -> None:
    late = system_clock() - timedelta(seconds=SEND_WITHIN_SECONDS + 1)
    assert messages(twilio.url).send(order(slot=late)) == NotReached(TOO_LATE)
    assert twilio.requests == []


def test_what_twilio_lists_of_a_number(twilio: FakeTwilio) -> None:
    api = messages(twilio.url)
    twilio.add_message(to=ANNA, from_=SENDER, sent_at=system_clock() - timedelta(days=9), direction="outbound-api")
    api.send(order())
    api.send(order(to="+14155550101"))
    [listed] = api.listed(ANNA, system_clock() - timedelta(minutes=1))
    assert (listed.sid, listed.body, listed.status) == (twilio.accepted[0]["sid"], "Hello", "queued")
    assert listed.created_at is not None


def test_a_list_has_pages(twilio: FakeTwilio) -> None:
    for _ in range(150):
        twilio.add_message(to=ANNA, sent_at=system_clock(), direction="outbound-api")
    assert len(messages(twilio.url).listed(ANNA, system_clock() - timedelta(minutes=1))) == 150


def test_a_list_that_cannot_be_had_is_an_error(twilio: FakeTwilio) -> None:
    api = messages(twilio.url)
    twilio.fail_next(1, 503)
    with pytest.raises(UpstreamUnavailable):
        api.listed(ANNA, system_clock())
    twilio.answer_next(b"[]")
    with pytest.raises(UpstreamUnavailable):
        api.listed(ANNA, system_clock())
    twilio.drop_next()
    with pytest.raises(UpstreamUnavailable):
        api.listed(ANNA, system_clock())
    with pytest.raises(UpstreamRefused):
        messages(twilio.url, "an-old-token").listed(ANNA, system_clock())
