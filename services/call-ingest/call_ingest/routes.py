"""HTTP in from Twilio: it gets TwiML whatever happens; our own error texts would be read to the caller."""

from functools import partial
from http import HTTPStatus

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from call_ingest import twiml
from call_ingest.journal import Accepted
from call_ingest.reception import Reception
from call_ingest.signature import SignatureCheck, path_and_query
from ringback.errors import RingbackError
from ringback.web.access import PUBLIC, Access
from ringback.web.problems import allow, log, report_unexpected, status_of

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
# Twilio signs its requests; a bearer token has no place here.
ACCESS: Access = {f"twilio.{kind}": PUBLIC for kind in WEBHOOKS}
CONTENT_TYPES = frozenset({"application/x-www-form-urlencoded", "application/json"})


class WrongContentType(HTTPException):
    code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


def twilio_blueprint(reception: Reception, signature: SignatureCheck) -> Blueprint:
    twilio = Blueprint("twilio", __name__)

    def accept(kind: str) -> Response:
        if request.mimetype not in CONTENT_TYPES:
            raise WrongContentType
        target = path_and_query(raw_uri())
        params = signature.verify(target, request.get_data(cache=False), request.headers, request.mimetype)
        return _xml(reception.answer(Accepted(kind, target, params)))

    for kind, path in WEBHOOKS.items():
        twilio.add_url_rule(path, kind, partial(accept, kind), methods=["POST"], provide_automatic_options=False)
    return twilio


def raw_uri() -> str:
    """The request line's target as it came, which WSGI's own variables have decoded: gunicorn, then waitress."""
    environ = request.environ
    return str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or request.full_path.rstrip("?"))


def answer_in_twiml(error: Exception) -> Response | None:
    """An empty document with the error's status for Twilio's routes; None for others."""
    if not request.path.startswith(PREFIX):
        return None
    status = _status(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        report_unexpected(error)
    log.warning("webhook.refused", status=int(status), error=type(error).__name__, path=request.path)
    response = _xml(twiml.NOTHING, status)
    allow(response, error)
    return response


def _status(error: Exception) -> int:
    if isinstance(error, RingbackError):
        return status_of(error)
    if isinstance(error, HTTPException) and error.code:
        return error.code
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _xml(document: str, status: int = HTTPStatus.OK) -> Response:
    return Response(document, status, content_type="text/xml; charset=utf-8")
