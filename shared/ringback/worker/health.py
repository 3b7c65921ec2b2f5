"""Health of a worker over HTTP, as a web process answers it: `/healthz` and `/readyz`, for whoever watches processes.

In a thread of its own that does nothing else: it answers while the loops are stuck, which is what it is for.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

from ringback.errors import InvalidSettings, error_name

Check = Callable[[], object]
"""Raises when it fails."""

SLOWEST_CLIENT_SECONDS = 5.0
Answer = tuple[HTTPStatus, dict[str, object]]


class Health:
    """What a process says of itself: before `watch` that it is alive and not ready, it waits for what it needs."""

    def __init__(self) -> None:
        self._alive: Callable[[], bool] = lambda: True
        self._checks: Mapping[str, Check] | None = None

    def watch(self, alive: Callable[[], bool], checks: Mapping[str, Check]) -> None:
        """From now on: alive while `alive` says so, ready while no check raises."""
        self._alive, self._checks = alive, checks

    def healthz(self) -> Answer:
        alive = self._alive()
        return _status(alive), {"status": "ok" if alive else "stuck"}

    def readyz(self) -> Answer:
        if self._checks is None:
            return HTTPStatus.SERVICE_UNAVAILABLE, {"status": "starting"}
        results = {name: _result(check) for name, check in self._checks.items()}
        ready = all(result == "ok" for result in results.values())
        return _status(ready), {"status": "ok" if ready else "unavailable", "checks": results}


class _Server(ThreadingTCPServer):
    """Not http.server's: that asks for the host's name first, which hangs where nobody answers."""

    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Whoever looked hung up before the answer: nothing that anybody has to know."""


@contextmanager
def served(health: Health, port: int, host: str = "") -> Iterator[int]:
    """Answer for `health` on the port; gives the port. Raises InvalidSettings when it cannot be had."""
    try:
        server = _Server((host, port), _handler(health))
    except OSError as error:
        raise InvalidSettings(f"RINGBACK_HEALTH_PORT: cannot listen on {port}: {error.strerror}.") from error
    with server:
        thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    answers = {"/healthz": health.healthz, "/readyz": health.readyz}

    class Handler(BaseHTTPRequestHandler):
        timeout = SLOWEST_CLIENT_SECONDS
        server_version, sys_version = "ringback", ""

        def do_GET(self) -> None:
            answer = answers.get(self.path)
            status, said = answer() if answer else (HTTPStatus.NOT_FOUND, {"status": "unknown"})
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """A look at the health is no event."""

    return Handler


def _status(good: bool) -> HTTPStatus:
    return HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE


def _result(check: Check) -> str:
    try:
        check()
    except Exception as error:
        return error_name(error)
    return "ok"
