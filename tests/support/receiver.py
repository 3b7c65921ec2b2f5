"""A receiver of webhooks on this machine; it checks signatures by the specification alone (standardwebhooks.com)."""

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def payload(self) -> Json:
        payload: Json = json.loads(self.body)
        return payload


@dataclass
class Receiver:
    """Answers what it is told to: a status, headers and a body; keeps what came. `held`: while not set, it waits."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"thanks"
    received: list[Received] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    drips: bool = False
    port: int = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/hook") -> str:
        return f"http://{self.address}{path}"


class Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.receiver.received.append(Received(self.path, headers, body))
        self.receiver.held.wait(30)
        self.send_response(self.receiver.status)
        for name, value in self.receiver.headers.items():
            self.send_header(name, value)
        self.end_headers()
        while self.receiver.drips:
            self.wfile.write(b".")
            self.wfile.flush()
            time.sleep(0.02)
        self.wfile.write(self.receiver.body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Who hangs up is no news."""


@contextmanager
def serving(receiver: Receiver, context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver.held.set()
    server = Server(("127.0.0.1", 0), type("OneHandler", (Handler,), {"receiver": receiver}))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield receiver
    receiver.held.set()
    server.shutdown()
    server.server_close()
    thread.join()


def verified(received: Received, secret: str) -> bool:
    """By the specification, without the library: HMAC-SHA256 of `id.timestamp.body` is one of the signatures."""
    headers = received.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + received.body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return fresh and any(hmac.compare_digest(expected, one) for one in headers["webhook-signature"].split(" "))
