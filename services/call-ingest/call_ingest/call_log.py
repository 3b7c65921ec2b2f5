"""HTTP in from people and services: the call log. Every route is for the caller's own business only."""

from collections.abc import Callable
from itertools import chain
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from call_ingest import store
from call_ingest.schemas import OPEN, CallSchema, CallsQuery, RecordingQuery, dump_webhook
from call_ingest.twilio_api import RecordingStream, TwilioApi
from ringback.errors import Invalid, NotFound
from ringback.phone import to_e164
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.store.mongo import Document
from ringback.web.access import EVERY_ROLE, Access, principal
from ringback.web.queries import load

CALL_LOG_ACCESS: Access = {
    "calls.list_calls": EVERY_ROLE,
    "calls.show": EVERY_ROLE,
    "calls.recording": EVERY_ROLE,
}
CALL = CallSchema()


def call_log_blueprint(settings: Settings, database: Database, make_api: Callable[[], TwilioApi]) -> Blueprint:
    calls = Blueprint("calls", __name__)

    @calls.get("/calls")
    def list_calls() -> Response:
        """Calls, newest first."""
        query = load(CallsQuery(), request.args)
        cursor, limit = query.pop("cursor"), query.pop("limit")
        page = store.list_calls(database, principal().business, _filters(query, settings), cursor, limit)
        return jsonify({"items": CALL.dump(page.items, many=True), "next": page.next})

    @calls.get("/calls/<call_sid>")
    def show(call_sid: str) -> Response:
        """A call with every webhook received of it, and what was concluded from it; of one whose caller was erased
        without webhooks."""
        call = _existing(call_sid)
        received = [] if call.get("erased") else store.requests_of(database, call["_id"])
        webhooks = [dump_webhook(request) for request in received]
        return jsonify(CALL.dump(call) | {"webhooks": webhooks})

    @calls.get("/calls/<call_sid>/recording")
    def recording(call_sid: str) -> Response:
        """The call's recording (its first, unless one is named), streamed from Twilio; ranges are passed on."""
        sid = _recording_sid(_existing(call_sid), load(RecordingQuery(), request.args)["recording_sid"])
        if not settings.twilio_account_known:
            raise NotFound("No Twilio account is configured.", code="no_twilio_account")
        stream = _opened(make_api(), sid, request.headers.get("Range"))
        chunks = stream.chunks()
        begun = chain([next(chunks, b"")], chunks)  # what fails before anything was sent is still a problem
        response = Response(begun, stream.status, content_type=stream.content_type)
        response.call_on_close(stream.close)
        _describe(response, stream.content_length, stream.content_range, sid)
        return response

    def _existing(call_sid: str) -> Document:
        found = store.find_call(database, principal().business, call_sid)
        if found is None:
            raise NotFound("There is no such call.")
        return found

    return calls


def _opened(api: TwilioApi, sid: str, range_header: str | None) -> RecordingStream:
    try:
        return api.recording(sid, range_header)
    except Invalid as error:
        raise RequestedRangeNotSatisfiable from error


def _filters(query: dict[str, Any], settings: Settings) -> dict[str, Any]:
    filters = dict(query)
    if filters.get("outcome") == OPEN:
        filters["outcome"] = None
    if "number" in filters:
        region = settings.businesses[principal().business].country
        filters["number"] = to_e164(filters["number"], region) or filters["number"]
    return filters


def _recording_sid(call: Document, wanted: str | None) -> str:
    sids = [recording["sid"] for recording in call["recordings"]]
    if not sids or (wanted is not None and wanted not in sids):
        raise NotFound("There is no such recording of this call.")
    return wanted or str(sids[0])


def _describe(response: Response, length: int | None, content_range: str | None, sid: str) -> None:
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Content-Disposition"] = f'inline; filename="{sid}.mp3"'
    response.headers["Cache-Control"] = "private, no-store"
    if length is not None:
        response.headers["Content-Length"] = str(length)
    if content_range:
        response.headers["Content-Range"] = content_range
