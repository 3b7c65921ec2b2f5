"""What a log line may not hold."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.telemetry import redact

PHONE = "+12125550123"


def redacted(**event: Any) -> dict[str, Any]:
    return dict(redact(None, "info", event))


def test_a_number_keeps_its_ends_only() -> None:
    assert redacted(event=f"call from {PHONE}!") == {"event": "call from +1***0123!"}


@pytest.mark.parametrize(
    "value",
    [
        PHONE,
        f"{PHONE},{PHONE}",
        [PHONE],
        (PHONE,),
        {"from": PHONE},
        {"a": [{"b": (PHONE,)}]},
        f'Traceback: ValueError("{PHONE}")',
    ],
)
def test_a_number_is_found_wherever_it_stands(value: object) -> None:
    assert PHONE not in str(redacted(some=value))


@given(st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True), st.text(max_size=10), st.text(max_size=10))
def test_no_number_survives(number: str, before: str, after: str) -> None:
    assert number not in redacted(event=before + number + after)["event"]


@pytest.mark.parametrize(
    "key", ["token", "auth_token", "X-Twilio-Signature", "Authorization", "secret_key", "PASSWORD"]
)
def test_what_is_named_a_secret_is_not_logged(key: str) -> None:
    assert redacted(**{key: "canary"}) == {key: "[redacted]"}


@pytest.mark.parametrize("nested", [{"authorization": "canary"}, [{"auth_token": "canary"}]])
def test_what_is_named_a_secret_inside_is_not_logged_either(nested: object) -> None:
    assert "canary" not in str(redacted(headers=nested))


def test_ids_codes_and_counts_stay_readable() -> None:
    event = {"event": "consumer.dead", "code": "invalid", "attempt": 3, "event_id": "b9b9c2ad", "ratio": 0.5}
    assert redacted(**event) == event
