"""Attempts, retries, endpoints that fail, and signatures."""

import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from pipeline.outbound.attempts import (
    FAILING_UNTIL_DISABLED,
    JITTER,
    LONGEST_RETRY_AFTER,
    RETRY_SECONDS,
    Outcome,
    is_given_up,
    next_attempt,
)
from pipeline.outbound.client import CONNECT_SECONDS, TOTAL_SECONDS
from pipeline.outbound.deliveries import MOST_LOGGED, attempted, erased, finished, new_delivery, noticed, replayed
from pipeline.outbound.payloads import body_of, message_id
from pipeline.outbound.signing import secrets_with, signed_headers
from pipeline.outbound.store import CLAIM
from ringback.clock import system_clock
from ringback.errors import InvalidSettings
from ringback.settings import load_settings
from tests.unit.fakes import SECRET, T0, at

Json = dict[str, Any]

FAILURE, SUCCESS, GONE = Outcome(500), Outcome(204), Outcome(410)
failures = st.sampled_from(
    [FAILURE, Outcome(None, "timeout"), Outcome(302), Outcome(404), Outcome(429), Outcome(199)]
)
spreads = st.floats(0, 1)


# Retries.


def test_the_attempts_span_a_day() -> None:
    assert RETRY_SECONDS[:4] == (5, 60, 300, 1800)
    assert sorted(RETRY_SECONDS) == list(RETRY_SECONDS)
    assert timedelta(days=1) < timedelta(seconds=sum(RETRY_SECONDS)) < timedelta(days=1.5)


def test_an_attempt_is_over_long_before_it_is_made_again() -> None:
    assert (CONNECT_SECONDS, TOTAL_SECONDS) == (5, 15)
    assert timedelta(seconds=2 * TOTAL_SECONDS) < CLAIM


@given(st.integers(1, len(RETRY_SECONDS)), failures, spreads)
def test_a_failure_is_tried_again_at_its_time_more_or_less(attempts: int, outcome: Outcome, spread: float) -> None:
    due = next_attempt(attempts, outcome, T0, spread)
    assert due is not None
    planned = RETRY_SECONDS[attempts - 1]
    assert planned * (1 - JITTER) - 1 <= (due - T0).total_seconds() <= planned * (1 + JITTER) + 1


def test_the_spread_covers_the_whole_jitter() -> None:
    ends = [next_attempt(4, FAILURE, T0, spread) for spread in (0, 1)]
    assert ends == [T0 + timedelta(seconds=1440), T0 + timedelta(seconds=2160)]


@given(st.integers(len(RETRY_SECONDS) + 1, 100), failures, spreads)
def test_the_last_failure_is_the_last(attempts: int, outcome: Outcome, spread: float) -> None:
    assert next_attempt(attempts, outcome, T0, spread) is None


@pytest.mark.parametrize("outcome", [SUCCESS, GONE, Outcome(200), Outcome(299)])
def test_what_arrived_or_is_not_wanted_is_not_tried_again(outcome: Outcome) -> None:
    assert next_attempt(1, outcome, T0, 0.5) is None


def asked(retry_after: str | None, attempts: int = 1) -> float:
    due = next_attempt(attempts, Outcome(503, None, "", retry_after), T0, 0.5)
    assert due is not None
    return (due - T0).total_seconds()


def test_who_asks_for_time_gets_it_within_bounds() -> None:
    assert asked("120") == 120
    assert asked("1") == 5
    assert asked("120", attempts=4) == 1800
    assert asked("999999999") == LONGEST_RETRY_AFTER.total_seconds()
    assert asked(format_datetime(T0 + timedelta(minutes=7), usegmt=True)) == 420
    assert asked(format_datetime(T0 - timedelta(days=1), usegmt=True)) == 5
    assert asked(format_datetime(datetime(9999, 12, 31, tzinfo=UTC), usegmt=True)) == 12 * 3600
    assert asked("Mon, 01 Jan 99999999999 00:00:00 GMT") == 5


@given(st.none() | st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} .*"))
def test_whatever_is_asked_for_the_next_attempt_is_within_bounds(retry_after: str | None) -> None:
    assert 5 <= asked(retry_after) <= LONGEST_RETRY_AFTER.total_seconds()


# Deliveries.


def endpoint(**more: Any) -> Json:
    blank: Json = {"failing_since": None, "disabled_at": None, "disabled_reason": None, "notices": []}
    return {"_id": "ep_1", "business": "demo", "active": True, **blank, **more}


def delivery() -> Json:
    return new_delivery("msg_1", endpoint(), "customer_created", "{}", T0, timedelta(days=30), "c-1", "+1")


@given(st.lists(failures, max_size=15), st.booleans(), spreads)
def test_a_delivery_ends_by_an_answer_or_after_its_attempts(
    outcomes: list[Outcome], arrives: bool, spread: float
) -> None:
    one, now = delivery(), T0
    for outcome in [*outcomes, *([SUCCESS] if arrives else [])]:
        if one["state"] != "pending":
            break
        now = one["due_at"]
        one = attempted(one, outcome, now, now, spread)
        assert (one["state"] == "pending") == (one["due_at"] is not None)
        assert one["due_at"] is None or one["due_at"] > now
    if len(outcomes) > len(RETRY_SECONDS):
        assert (one["state"], one["reason"]) == ("failed", "attempts_used_up")
    else:
        assert one["state"] == ("delivered" if arrives else "pending")
    assert one["attempts"] == min(len(outcomes) + arrives, len(RETRY_SECONDS) + 1)


def test_a_delivery_keeps_what_receivers_said_lately() -> None:
    one = delivery()
    for number in range(MOST_LOGGED + 5):
        one = attempted({**one, "state": "pending"}, Outcome(500, None, str(number)), at(number), at(number + 1), 0.5)
    assert [entry["body"] for entry in one["log"]] == [str(number) for number in range(5, MOST_LOGGED + 5)]
    assert one["log"][0]["milliseconds"] == 1000


def test_a_delivery_is_sent_again_as_what_it_was() -> None:
    over = attempted(delivery(), GONE, T0, T0, 0.5)
    assert (over["state"], over["reason"]) == ("failed", "gone")
    again = replayed(over, at(9))
    assert (again["state"], again["due_at"], again["attempts"], again["log"]) == ("pending", at(9), 0, over["log"])
    assert (again["_id"], again["body"]) == (over["_id"], over["body"])


def test_an_erased_delivery_says_nothing_of_anybody() -> None:
    tried = attempted(delivery(), Outcome(500, None, "no Anna here"), T0, T0, 0.5)
    for one, state in ((tried, "canceled"), (finished(tried, "delivered", None, T0), "delivered")):
        blank = erased(one, at(1))
        assert (blank["state"], blank["body"], blank["customer_id"], blank["phone"]) == (state, None, None, None)
        assert "Anna" not in str(blank)


# Endpoints.


def test_an_endpoint_fails_from_its_first_failure_to_its_next_success() -> None:
    failing = noticed(noticed(endpoint(), FAILURE, T0), FAILURE, at(60))
    assert (failing["failing_since"], failing["active"]) == (T0, True)
    assert noticed(failing, SUCCESS, at(90))["failing_since"] is None


def test_an_endpoint_that_fails_for_five_days_is_disabled_with_a_notice() -> None:
    failing = noticed(endpoint(), FAILURE, T0)
    assert noticed(failing, FAILURE, T0 + FAILING_UNTIL_DISABLED - timedelta(seconds=1))["active"]
    end = T0 + FAILING_UNTIL_DISABLED
    disabled = noticed(failing, FAILURE, end)
    assert (disabled["active"], disabled["disabled_reason"], disabled["disabled_at"]) == (False, "failing", end)
    assert disabled["notices"] == [{"at": end, "notice": "disabled: failing", "by": None}]
    assert noticed(disabled, FAILURE, end) == disabled
    assert not is_given_up(None, T0)


def test_an_endpoint_that_is_gone_is_disabled_at_once() -> None:
    assert noticed(endpoint(), GONE, T0)["disabled_reason"] == "gone"


# Payloads and signatures.


def test_a_message_is_named_by_its_endpoint_and_cause() -> None:
    names = {message_id("e", "fact", "1"), message_id("e", "fact", "2"), message_id("f", "fact", "1")}
    assert len(names) == 3
    assert message_id("e", "fact", "1") in names
    assert all("." not in name and name.startswith("msg_") for name in names)


def test_a_payload_is_what_the_specification_recommends() -> None:
    assert body_of("test", T0, {"at": T0, "name": "Zoë"}) == (
        '{"type":"test","timestamp":"2026-03-02T15:00:00.000Z","data":{"at":"2026-03-02T15:00:00.000Z","name":"Zoë"}}'
    )


def test_a_secret_is_a_function_of_key_endpoint_and_generation() -> None:
    secret = secrets_with(SECRET)
    told = {secret("ep_1", 1), secret("ep_1", 2), secret("ep_2", 1), secrets_with("t" * 40)("ep_1", 1)}
    assert len(told) == 4
    assert secret("ep_1", 1) in told
    assert len(base64.b64decode(secret("ep_1", 1).removeprefix("whsec_"))) == 32


@given(st.text(max_size=50))
def test_the_library_of_the_specification_takes_every_signature(body: str) -> None:
    secret, now = secrets_with(SECRET), system_clock()
    new, old = secret("ep_1", 2), secret("ep_1", 1)
    headers = signed_headers([new, old], "msg_1", now, body)
    for one in (new, old):
        Webhook(one).verify(body.encode(), headers, json_parse=False)


def test_a_signature_is_the_one_of_the_specification() -> None:
    """Known values: HMAC-SHA256 of `msg_1.1772463600.{}` under 32 bytes `k`, by openssl dgst."""
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    headers = signed_headers([secret], "msg_1", T0, "{}")
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1772463600",
        "webhook-signature": "v1,z5Lg0kskNka31PZr1sMyNTBmAEnf4ZITidUmkygwOV4=",
    }


# The setting.


def test_what_may_be_reached_inside_is_a_list_of_hosts_and_ports() -> None:
    assert load_settings({}).webhook_allow_private == frozenset()
    told = load_settings({"RINGBACK_WEBHOOK_ALLOW_PRIVATE": "127.0.0.1:8081, Hooks.Test:80"})
    assert told.webhook_allow_private == {"127.0.0.1:8081", "hooks.test:80"}
    for malformed in ("127.0.0.1", "http://a:80", "a:b", "a:80/x"):
        with pytest.raises(InvalidSettings, match="RINGBACK_WEBHOOK_ALLOW_PRIVATE"):
            load_settings({"RINGBACK_WEBHOOK_ALLOW_PRIVATE": malformed})
