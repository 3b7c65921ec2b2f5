"""HTTP in from Twilio: it gets TwiML whatever happens; our own error texts would be read to the caller.

A WSGI application around the Flask app, since a webhook needs neither Flask's routing nor its request, and both
take longer than all that is done with a webhook (docs/adr/0026).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, UnsupportedMediaType
from werkzeug.wsgi import get_input_stream

from call_ingest import twiml
from call_ingest.journal import Accepted
from call_ingest.signature import FORM, JSON, SignatureCheck, path_and_query
from ringback.errors import RingbackError
from ringback.web.app import request_id_of
from ringback.web.problems import report_unexpected, status_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/twilio/"
# Kind of webhook → where Twilio posts it: a call came in, what came of ringing, the telephone that is rung was
# picked up, the call's status changed, something was recorded, something was put into words, a text came in, the
# status of a text of ours changed.
WEBHOOKS = {
    "voice": "/twilio/voice",
    "dial": "/twilio/voice/dial",
    "screen": "/twilio/voice/screen",
    "status": "/twilio/voice/status",
    "recording": "/twilio/voice/recording",
    "transcription": "/twilio/voice/transcription",
    "sms": "/twilio/sms",
    "sms_status": "/twilio/sms/status",
}
KINDS = {path: kind for kind, path in WEBHOOKS.items()}
METHOD = "POST"
# A transcript of 64 kB, URL-encoded, with room for everything else.
MAX_BODY = 768 << 10
OK = "200 OK"
SAID_OF_EACH = [
    ("Content-Type", "text/xml; charset=utf-8"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Webhooks:
    """Answers all under PREFIX; the rest is `app`'s.

    `answer` gives the TwiML once the webhook is durable. Twilio signs its requests; a bearer token has no place here.
    """

    app: "WSGIApplication"
    signature: SignatureCheck
    answer: Callable[[Accepted], str]

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX):
            return self.app(environ, start_response)
        request_id = request_id_of(environ.get("HTTP_X_REQUEST_ID", ""))
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status, document, headers = self._answered(path, environ)
        body = document.encode()
        said = [("Content-Length", str(len(body))), ("X-Request-Id", request_id), *headers]
        start_response(status, SAID_OF_EACH + said)
        return [body]

    def _answered(self, path: str, environ: "WSGIEnvironment") -> tuple[str, str, list[tuple[str, str]]]:
        try:
            return OK, self.answer(self._accepted(path, environ)), []
        except Exception as error:
            return _refused(path, error)

    def _accepted(self, path: str, environ: "WSGIEnvironment") -> Accepted:
        """Raises HTTPException for what is no request of Twilio's, Unsigned for what it did not sign."""
        kind = KINDS.get(path) or KINDS.get(path.removesuffix("/"))
        if kind is None:
            raise NotFound
        if environ["REQUEST_METHOD"] != METHOD:
            raise MethodNotAllowed([METHOD])
        mimetype = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        if mimetype not in {FORM, JSON}:
            raise UnsupportedMediaType
        body = get_input_stream(environ, max_content_length=MAX_BODY).read()
        target = path_and_query(raw_uri(environ))
        params = self.signature.verify(target, body, EnvironHeaders(environ), mimetype)
        return Accepted(kind, target, params)


def raw_uri(environ: "WSGIEnvironment") -> str:
    """The request line's target as it came, which WSGI's own variables have decoded: gunicorn's, then waitress's.

    Raises KeyError under a server that tells neither: no signature could be checked.
    """
    return str(environ.get("RAW_URI") or environ["REQUEST_URI"])


def _refused(path: str, error: Exception) -> tuple[str, str, list[tuple[str, str]]]:
    """An empty document with the error's status."""
    status = _status(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        report_unexpected(error)
    log.warning("webhook.refused", status=int(status), error=type(error).__name__, path=path)
    allowed = [("Allow", METHOD)] if isinstance(error, MethodNotAllowed) else []
    return f"{status.value} {status.phrase}", twiml.NOTHING, allowed


def _status(error: Exception) -> HTTPStatus:
    if isinstance(error, RingbackError):
        return status_of(error)
    if isinstance(error, HTTPException) and error.code:
        return HTTPStatus(error.code)
    return HTTPStatus.INTERNAL_SERVER_ERROR
