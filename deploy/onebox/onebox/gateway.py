"""One address for several services: the first whose own routes know the path answers.

So there is no second table of routes. Health of the whole box is answered here.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import RequestRedirect
from werkzeug.test import Client

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NOT_ROUTED = frozenset({"/healthz", "/readyz", "/metrics"})
TWILIO = "/twilio/"


class Gateway:
    """A WSGI app over `services`; `box` answers health, and what nobody knows. Only `twilio` may answer under
    /twilio/, so that Twilio gets TwiML even for a path that is not there."""

    def __init__(self, box: Flask, twilio: Flask, services: Sequence[Flask]) -> None:
        self._box = box
        self._twilio = twilio
        self._services = services

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return self._choose(environ)(environ, start_response)

    def _choose(self, environ: "WSGIEnvironment") -> "WSGIApplication":
        path, method = environ.get("PATH_INFO", "/"), environ["REQUEST_METHOD"]
        if path in NOT_ROUTED:
            return self._box
        for service in self._services:
            if knows(service, path, method):
                return service
        return self._twilio if path.startswith(TWILIO) else self._box


def fetch_in_process(app: "WSGIApplication", path: str, headers: Mapping[str, str]) -> str:
    """The body of a 200. Raises NotFound for any other answer."""
    # A client that keeps cookies of its own would leave out those that are given.
    answer = Client(app, use_cookies=False).get(path, headers=headers, buffered=True)
    if answer.status_code != HTTPStatus.OK:
        raise NotFound(f"{path} answered {answer.status_code}")
    return answer.text


def knows(app: Flask, path: str, method: str) -> bool:
    try:
        app.url_map.bind("").match(path, method)
    except NotFound:
        return False
    except (MethodNotAllowed, RequestRedirect):
        return True
    except HTTPException:
        return False
    return True
