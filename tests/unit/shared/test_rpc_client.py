"""What the client decides without a broker."""

import pytest

from ringback.errors import InvalidSettings
from ringback.rpc import LookupClient, LookupUnavailable
from ringback.rpc.link import is_rabbitmq, parameters


@pytest.mark.parametrize("deadline", [0, -1, float("nan"), float("inf"), 3601])
def test_a_deadline_that_is_none_is_a_mistake(deadline: float) -> None:
    with LookupClient("amqp://127.0.0.1") as client, pytest.raises(ValueError, match="deadline"):
        client.by_id("demo", "c1", deadline=deadline)


def test_a_closed_client_says_so_and_closing_again_is_harmless() -> None:
    client = LookupClient("amqp://127.0.0.1")
    client.close()
    client.close()
    with pytest.raises(LookupUnavailable, match="closed"):
        client.by_id("demo", "c1", deadline=1.0)


def test_a_malformed_url_is_told_at_once_and_not_quoted() -> None:
    with pytest.raises(InvalidSettings) as refused:
        LookupClient("amqp://guest:secret@127.0.0.1:port/")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("amqp://127.0.0.1", "/"),
        ("amqp://127.0.0.1/", "/"),
        ("amqp://127.0.0.1//", "/"),
        ("amqp://127.0.0.1/%2F", "/"),
        ("amqp://127.0.0.1/one", "one"),
    ],
)
def test_a_url_means_the_virtual_host_that_it_means_to_the_bus(url: str, host: str) -> None:
    assert parameters(url, "test").virtual_host == host


@pytest.mark.parametrize(
    ("url", "expected"),
    [("amqp://a", True), ("amqps://a", True), ("mongodb://a", False), ("memory://", False), ("", False)],
)
def test_only_rabbitmq_has_direct_replies(url: str, expected: bool) -> None:
    assert is_rabbitmq(url) is expected
