"""waitress with a clean end: what was asked before the end is answered."""

import threading
import time
from typing import TYPE_CHECKING, Any

import waitress
from waitress import wasyncore

from ringback.errors import InvalidSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

THREADS = 16
BACKLOG = 1024
# Larger ones waitress refuses by itself, in plain text; up to here the services answer in their own words.
MAX_BODY = 16 << 20
POLL_SECONDS = 1.0


class HttpServer:
    """Serves `app` on 127.0.0.1 in threads of its own."""

    def __init__(self, app: "WSGIApplication", port: int) -> None:
        """Binds at once; raises InvalidSettings when the port cannot be had."""
        self._sockets: dict[int, Any] = {}
        self._server = _bound(app, port, self._sockets)
        self._stopping = threading.Event()
        self._deadline = 0.0
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Stop listening, answer what was asked, then close."""
        self._deadline = time.monotonic() + seconds
        self._stopping.set()
        self._server.pull_trigger()
        self._thread.join(seconds + POLL_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._turn(POLL_SECONDS)
        self._server.del_channel()
        self._server.socket.close()
        while self._busy() and time.monotonic() < self._deadline:
            self._turn(0.05)
        self._server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._sockets, ignore_all=True)

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, map=self._sockets, use_poll=True, count=1)

    def _busy(self) -> bool:
        channels = self._server.active_channels.values()
        return any(channel.requests or channel.total_outbufs_len for channel in channels)


def _bound(app: "WSGIApplication", port: int, sockets: dict[int, Any]) -> Any:
    try:
        return waitress.create_server(
            app,
            sockets,
            host="127.0.0.1",
            port=port,
            threads=THREADS,
            backlog=BACKLOG,
            ident=None,
            clear_untrusted_proxy_headers=True,
            max_request_body_size=MAX_BODY,
        )
    except OSError as error:
        raise InvalidSettings(f"RINGBACK_PORT: cannot listen on {port}: {error.strerror}.") from error
