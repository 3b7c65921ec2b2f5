"""The bulkhead: who is beyond it is told so at once, whoever is exempt is always let in."""

import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from ringback.web.bulkhead import Bulkhead

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SOON = 10.0


class Slow:
    """Answers when it is told to; counts who is inside."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.inside = threading.Semaphore(0)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/fails":
            raise ValueError
        return Response(self._body(), 200)(environ, start_response)

    def _body(self) -> Iterator[bytes]:
        self.inside.release()
        assert self.go_on.wait(SOON)
        yield b"done"


@pytest.fixture
def slow() -> Slow:
    return Slow()


def test_one_more_than_it_takes_is_told_to_come_again(slow: Slow) -> None:
    client = Client(Bulkhead(slow, 2, ["/twilio/"]))
    threads = [threading.Thread(target=client.get, args=("/calls",), kwargs={"buffered": True}) for _ in range(2)]
    for thread in threads:
        thread.start()
        assert slow.inside.acquire(timeout=SOON)
    refused = client.get("/calls")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.content_type == "application/problem+json"
    slow.go_on.set()
    for thread in threads:
        thread.join(SOON)
    assert client.get("/calls", buffered=True).status_code == 200


def test_a_caller_is_let_in_whatever_the_others_do(slow: Slow) -> None:
    client = Client(Bulkhead(slow, 1, ["/twilio/"]))
    page = threading.Thread(target=client.get, args=("/calls",), kwargs={"buffered": True})
    page.start()
    assert slow.inside.acquire(timeout=SOON)
    slow.go_on.set()
    assert client.post("/twilio/voice").status_code == 200
    page.join(SOON)


def test_a_request_that_fails_leaves_its_place(slow: Slow) -> None:
    client = Client(Bulkhead(slow, 1, []))
    slow.go_on.set()
    for _ in range(3):
        with pytest.raises(ValueError):  # noqa: PT011 - it has no text
            client.get("/fails")
    assert client.get("/calls", buffered=True).status_code == 200


def test_who_leaves_before_the_end_leaves_its_place(slow: Slow) -> None:
    client = Client(Bulkhead(slow, 1, []))
    slow.go_on.set()
    for _ in range(3):
        client.get("/calls", buffered=False).close()
    assert client.get("/calls", buffered=True).status_code == 200
