"""Load in a closed loop: few kept connections, each with one request on its way."""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

RECEIVE_BYTES = 65536
SILENT_SECONDS = 10.0


@dataclass(frozen=True)
class Load:
    """What came of it. `seconds` are those that one answer took, in the order in which they came."""

    elapsed: float
    seconds: Sequence[float]

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.elapsed


@dataclass
class _Connection:
    socket: socket.socket
    sent_at: float = 0.0
    received: bytes = b""

    def send(self, request: bytes) -> None:
        self.received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Whether the answer is whole. Raises RuntimeError when it is anything but a 200."""
        part = self.socket.recv(RECEIVE_BYTES)
        self.received += part
        if not part or not self.received.startswith(b"HTTP/1.1 200 "[: len(self.received)]):
            raise RuntimeError(f"Not a 200: {self.received[:300]!r}")
        return is_whole(self.received)


def is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
    return bool(end) and len(body) >= int(length)


def run(port: int, requests: Iterator[bytes], connections: int, seconds: float) -> Load:
    """Send what `requests` yields for so long, or until it ends."""
    taken: list[float] = []
    with selectors.DefaultSelector() as selector:
        began = time.perf_counter()
        for _ in range(connections):
            connection = _Connection(socket.create_connection(("127.0.0.1", port)))
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(next(requests))
        while selector.get_map():
            ready = selector.select(SILENT_SECONDS)
            if not ready:
                raise RuntimeError(f"Nobody answered for {SILENT_SECONDS} s.")
            for key, _ in ready:
                if key.data.receive():
                    _next(selector, key.data, taken, requests, began + seconds)
        return Load(time.perf_counter() - began, taken)


def _next(
    selector: selectors.BaseSelector,
    connection: _Connection,
    taken: list[float],
    requests: Iterator[bytes],
    until: float,
) -> None:
    now = time.perf_counter()
    taken.append(now - connection.sent_at)
    request = next(requests, None) if now < until else None
    if request is not None:
        connection.send(request)
        return
    selector.unregister(connection.socket)
    connection.socket.close()
