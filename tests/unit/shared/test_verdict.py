"""What becomes of an event that failed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.bus.message import Delivery, Message
from ringback.bus.topology import RETRY_SECONDS
from ringback.bus.verdict import ATTEMPT_HEADER, ERROR_HEADER, JITTER, REASON_HEADER, Fate, Verdict, judge
from ringback.errors import (
    BusUnavailable,
    ConcurrentUpdate,
    Conflict,
    Forbidden,
    Invalid,
    MalformedEvent,
    NotFound,
    Permanent,
    RingbackError,
    StoreUnavailable,
    Transient,
    UnknownVersion,
)

CANARY = "+12125550123"


def delivery(**headers: str) -> Delivery:
    return Delivery(b'{"a": 1}', headers, "an-id", tag=1)


def again(message: Message) -> Delivery:
    """The message as it comes in the next time."""
    body = message.body if isinstance(message.body, bytes) else message.body.encode()
    return Delivery(body, message.headers, message.id, tag=2)


def walk(error: Exception, retry_seconds: tuple[int, ...] = RETRY_SECONDS) -> list[Verdict]:
    """The verdicts until the event is not retried any more."""
    verdicts = [judge("customer", delivery(), error, retry_seconds)]
    while verdicts[-1].fate is Fate.RETRY:
        verdicts.append(judge("customer", again(verdicts[-1].message), error, retry_seconds))
    return verdicts


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (UnknownVersion("x"), Fate.PARKED),
        (Permanent("x"), Fate.DEAD),
        (MalformedEvent("x"), Fate.DEAD),
        (Invalid("x"), Fate.DEAD),
        (NotFound("x"), Fate.DEAD),
        (Forbidden("x"), Fate.DEAD),
        (Conflict("x"), Fate.DEAD),
        (RingbackError("x"), Fate.DEAD),
        (Transient("x"), Fate.RETRY),
        (ConcurrentUpdate("x"), Fate.RETRY),
        (StoreUnavailable("x"), Fate.RETRY),
        (BusUnavailable("x"), Fate.RETRY),
        (ValueError("x"), Fate.RETRY),
        (KeyError("x"), Fate.RETRY),
        (TimeoutError("x"), Fate.RETRY),
        (RecursionError("x"), Fate.RETRY),
    ],
    ids=lambda value: getattr(value, "name", None) or type(value).__name__,
)
def test_the_error_decides_the_fate(error: Exception, fate: Fate) -> None:
    assert judge("customer", delivery(), error).fate is fate


@pytest.mark.parametrize(
    ("error", "queue"),
    [
        (Transient("x"), "customer.retry.5s"),
        (Permanent("x"), "customer.dead"),
        (UnknownVersion("x"), "customer.parked"),
    ],
)
def test_the_message_goes_to_the_queue_of_its_fate_and_must_arrive(error: Exception, queue: str) -> None:
    message = judge("customer", delivery(), error).message
    assert (message.exchange, message.routing_key, message.mandatory) == ("", queue, True)
    assert (message.id, message.body) == ("an-id", b'{"a": 1}')


def test_the_schedule_is_walked_step_by_step_and_ends_dead() -> None:
    verdicts = walk(ValueError("x"))
    queues = [verdict.message.routing_key for verdict in verdicts]
    assert queues == [*(f"customer.retry.{seconds}s" for seconds in RETRY_SECONDS), "customer.dead"]
    assert [verdict.attempt for verdict in verdicts] == list(range(1, len(RETRY_SECONDS) + 2))


def test_a_schedule_of_ones_own_is_walked_as_well() -> None:
    assert [verdict.fate for verdict in walk(Transient("x"), (1, 2))] == [Fate.RETRY, Fate.RETRY, Fate.DEAD]
    assert [verdict.fate for verdict in walk(Transient("x"), ())] == [Fate.DEAD]


@given(st.integers(0, len(RETRY_SECONDS) - 1))
def test_a_retry_waits_its_step_less_up_to_a_fifth(done: int) -> None:
    verdict = judge("customer", delivery(**{ATTEMPT_HEADER: str(done)}), Transient("x"))
    step = RETRY_SECONDS[done] * 1000
    assert verdict.message.expires_ms is not None
    assert step * (1 - JITTER) - 1 <= verdict.message.expires_ms <= step


def test_what_failed_together_does_not_come_back_together() -> None:
    waits = {judge("customer", delivery(), Transient("x")).message.expires_ms for _ in range(50)}
    assert len(waits) > 10


@pytest.mark.parametrize("error", [Permanent("x"), UnknownVersion("x")])
def test_dead_and_parked_messages_do_not_expire(error: Exception) -> None:
    assert judge("customer", delivery(), error).message.expires_ms is None


def test_the_headers_say_how_often_and_why() -> None:
    headers = judge("customer", delivery(), Permanent("No such business.", code="unknown_business")).message.headers
    assert headers == {
        ATTEMPT_HEADER: "1",
        REASON_HEADER: "unknown_business",
        ERROR_HEADER: "No such business.",
    }


def test_the_last_failure_replaces_the_earlier_reason() -> None:
    first = judge("customer", delivery(), Transient("busy")).message
    headers = judge("customer", again(first), Permanent("hopeless")).message.headers
    assert (headers[ATTEMPT_HEADER], headers[ERROR_HEADER]) == ("2", "hopeless")


@pytest.mark.parametrize("attempt", ["", "-1", "many", "1e3", "9" * 40, "²", " 1", "1.5"])
def test_a_counter_that_is_none_starts_again(attempt: str) -> None:
    assert judge("customer", delivery(**{ATTEMPT_HEADER: attempt}), Transient("x")).attempt == 1


def test_the_text_of_an_unforeseen_error_is_told_nobody() -> None:
    try:
        raise LookupError(CANARY)
    except LookupError as error:
        headers = judge("customer", delivery(), error).message.headers
    assert CANARY not in str(headers)
    assert headers[REASON_HEADER] == "LookupError"
    assert "test_the_text_of_an_unforeseen_error_is_told_nobody" in headers[ERROR_HEADER]


@given(st.text(max_size=20))
def test_no_text_of_an_unforeseen_error_leaks(text: str) -> None:
    bare = judge("customer", delivery(), ValueError("")).message.headers
    assert judge("customer", delivery(), ValueError(text)).message.headers == bare
