"""The server's own decisions, on a channel that only notes what is asked of it."""

import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from ringback.errors import StoreUnavailable
from ringback.rpc.server import LONGEST_WAIT_MS, RpcServer, request_of

CALLER = "amq.rabbitmq.reply-to.somebody"


class NotingChannel:
    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def basic_publish(self, exchange: str, routing_key: str, body: bytes, properties: Any) -> None:
        assert exchange == ""
        self.said.append(("reply", routing_key, properties.correlation_id, body))

    def basic_ack(self, tag: int, multiple: bool) -> None:
        self.said.append(("ack", tag, multiple))


def properties(reply_to: str | None = CALLER, expiration: str | None = "60000", correlation_id: str = "1") -> Any:
    return SimpleNamespace(reply_to=reply_to, expiration=expiration, correlation_id=correlation_id)


def server_of(answer: Any) -> tuple[RpcServer, NotingChannel]:
    server, channel = RpcServer("test", "amqp://127.0.0.1", "queue", answer), NotingChannel()
    server._channel = channel
    server._link = SimpleNamespace(together=nullcontext, next=lambda _callback: None, close=lambda: None)
    return server, channel


def deliver(server: RpcServer, *messages: tuple[bytes, Any]) -> None:
    for tag, (body, sent_with) in enumerate(messages, 1):
        server._on_message(None, SimpleNamespace(delivery_tag=tag), sent_with, body)


def upper(bodies: Sequence[bytes]) -> list[bytes]:
    return [body.upper() for body in bodies]


def test_what_waits_together_is_answered_together_and_acknowledged_last() -> None:
    batches: list[Sequence[bytes]] = []

    def answer(bodies: Sequence[bytes]) -> list[bytes]:
        batches.append(bodies)
        return upper(bodies)

    server, channel = server_of(answer)
    deliver(server, (b"a", properties(correlation_id="7")), (b"b", properties(correlation_id="8")))
    server._answer_received()
    assert batches == [[b"a", b"b"]]
    assert channel.said == [("reply", CALLER, "7", b"A"), ("reply", CALLER, "8", b"B"), ("ack", 2, True)]


@pytest.mark.parametrize(
    "dropped", [properties(expiration="0"), properties(reply_to=None), properties(reply_to="customer")]
)
def test_what_nobody_waits_for_is_dropped_and_the_rest_answered(dropped: Any) -> None:
    server, channel = server_of(upper)
    deliver(server, (b"a", properties()), (b"b", dropped))
    server._answer_received()
    assert channel.said == [("reply", CALLER, "1", b"A"), ("ack", 2, True)]


def test_the_store_s_trouble_is_everybody_s_answer() -> None:
    calls: list[int] = []

    def answer(bodies: Sequence[bytes]) -> list[bytes]:
        calls.append(len(bodies))
        raise StoreUnavailable("MongoDB is away.")

    server, channel = server_of(answer)
    deliver(server, (b"a", properties()), (b"b", properties()))
    server._answer_received()
    assert calls == [2]
    codes = [json.loads(said[3])["error"]["code"] for said in channel.said[:2]]
    assert codes == ["store_unavailable", "store_unavailable"]


def test_one_that_fails_is_answered_so_and_the_others_as_if_it_were_not_there() -> None:
    def answer(bodies: Sequence[bytes]) -> list[bytes]:
        if b"poison" in bodies:
            raise RuntimeError("+12125550123 does not go down")
        return upper(bodies)

    server, channel = server_of(answer)
    deliver(server, *((body, properties()) for body in (b"a", b"poison", b"b")))
    server._answer_received()
    replies = [said[3] for said in channel.said[:3]]
    assert (replies[0], replies[2]) == (b"A", b"B")
    assert json.loads(replies[1])["error"]["code"] == "internal"
    assert b"2125550123" not in replies[1]


def test_a_reset_forgets_what_the_lost_connection_brought() -> None:
    server, channel = server_of(upper)
    deliver(server, (b"a", properties()))
    server.reset()
    assert server._received == []
    assert channel.said == []


@pytest.mark.parametrize(
    ("expiration", "seconds"),
    [
        ("250", 0.25),
        (None, LONGEST_WAIT_MS / 1000),
        ("", LONGEST_WAIT_MS / 1000),
        ("-1", LONGEST_WAIT_MS / 1000),
        ("x", LONGEST_WAIT_MS / 1000),
        ("²", LONGEST_WAIT_MS / 1000),
    ],
)
def test_a_request_ends_with_its_message_s_expiration(expiration: str | None, seconds: float) -> None:
    now = time.monotonic()
    request = request_of(1, properties(expiration=expiration), b"", now)
    assert request.ends_at == now + seconds
