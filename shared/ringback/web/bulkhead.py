"""A bulkhead: some requests may take only so many of a server's threads, so that others always find one free."""

import json
import threading
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response
from werkzeug.wsgi import ClosingIterator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

RETRY_SECONDS = "1"


class Bulkhead:
    """A WSGI app that lets at most `most` requests at once into `app`, until their answers are sent or given up.

    One more is told to come again, at once. Paths that begin with one of `always` are not counted.
    """

    def __init__(self, app: "WSGIApplication", most: int, always: Sequence[str]) -> None:
        self._app = app
        self._free = threading.BoundedSemaphore(most)
        self._always = tuple(always)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith(self._always):
            return self._app(environ, start_response)
        if not self._free.acquire(blocking=False):
            return _busy()(environ, start_response)
        try:
            return ClosingIterator(self._app(environ, start_response), [self._free.release])
        except BaseException:
            self._free.release()
            raise


def _busy() -> Response:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    problem = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": "busy",
        "detail": "Too many requests at once: try again in a moment.",
    }
    return Response(
        json.dumps(problem), status, {"Retry-After": RETRY_SECONDS}, content_type="application/problem+json"
    )
