"""A Twilio to test against: the REST API of 2010-04-01 over real HTTP, with a state, and with faults on demand.

What the library sends it understands, anything else is a 400: a fake that shrugs would hide a misspelt filter.
"""

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from ringback.clock import Clock, system_clock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ACCOUNT = "AC" + "1" * 32
TOKEN = "a-token-of-twilio"
ACCOUNTS = "/2010-04-01/Accounts"
LARGEST_PAGE = 1000
LONGEST_BODY = 1600
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Payload = dict[str, Any]
Proceed = Callable[[], Response]
Found = TypeVar("Found")

MESSAGES_OF_STATUS = {
    401: (20003, "Authenticate"),
    404: (20404, "The requested resource was not found"),
    405: (20004, "Method not allowed"),
    429: (20429, "Too Many Requests"),
    500: (20500, "An internal server error has occurred"),
    503: (20503, "Service unavailable"),
}
PAGING = frozenset({"PageSize", "Page", "PageToken"})
CALL_FILTERS = {"To": "to", "From": "from", "Status": "status", "ParentCallSid": "parent_call_sid"}
MESSAGE_FILTERS = {"To": "to", "From": "from"}
MESSAGE_PARAMETERS = frozenset(
    {"To", "From", "MessagingServiceSid", "Body", "MediaUrl", "StatusCallback", "ValidityPeriod"}
)
LONGEST_VALIDITY = 36_000


@dataclass(frozen=True)
class Asked:
    """A request as it came, also one that met a fault."""

    method: str
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass
class Record:
    payload: Payload
    at: datetime | None = None
    """What date filters go by."""
    content: bytes = b""


@dataclass(frozen=True)
class Fault:
    act: Callable[[Proceed], Response]
    method: str | None = None


class BadRequest(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Tests read `requests` instead."""

    def connection_dropped(self, error: BaseException, environ: "WSGIEnvironment | None" = None) -> None:
        """A view that raises ConnectionResetError ends here: the peer gets a reset, and no word."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


@dataclass
class FakeTwilio:
    """Serves on a free port of 127.0.0.1 while it is entered. Safe to call from any thread.

    `tokens` are those it takes, `accepted` the messages it took on, `callbacks` where it would tell of each, by SID,
    `requests` all that was asked of it. Each answer takes `latency` seconds. Faults wait in one line; each hits one
    request, those `after_accepting` only a POST.
    """

    account_sid: str = ACCOUNT
    tokens: tuple[str, ...] = (TOKEN,)
    clock: Clock = system_clock
    latency: float = 0.0
    requests: list[Asked] = field(default_factory=list)
    accepted: list[Payload] = field(default_factory=list)
    callbacks: dict[str, str] = field(default_factory=dict)
    _calls: dict[str, Record] = field(default_factory=dict)
    _messages: dict[str, Record] = field(default_factory=dict)
    _media: dict[str, list[Record]] = field(default_factory=dict)
    _recordings: dict[str, Record] = field(default_factory=dict)
    _transcriptions: dict[str, Record] = field(default_factory=dict)
    _refused: dict[str, tuple[int, int]] = field(default_factory=dict)
    _faults: deque[Fault] = field(default_factory=deque)
    _numbers: Any = field(default_factory=count)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _closing: threading.Event = field(default_factory=threading.Event)
    _server: BaseWSGIServer | None = None
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True, request_handler=QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="twilio", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._closing.set()
        self._server.shutdown()
        self._thread.join()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_port}"

    # What there is. `odd` goes over the record's fields as they are, to serve what Twilio should not.

    def add_call(
        self,
        *,
        sid: str | None = None,
        from_: str = "+12125550123",
        to: str = "+15558675310",
        status: str = "completed",
        direction: str = "inbound",
        started_at: datetime | None = None,
        seconds: int | None = None,
        parent_sid: str | None = None,
        **odd: Any,
    ) -> str:
        """The call's SID. It ended `seconds` after its start."""
        sid = sid or self._new_sid("CA")
        ended_at = started_at + timedelta(seconds=seconds) if started_at and seconds is not None else None
        payload = {
            "sid": sid,
            "account_sid": self.account_sid,
            "parent_call_sid": parent_sid,
            "from": from_,
            "to": to,
            "status": status,
            "direction": direction,
            "start_time": rfc2822(started_at),
            "end_time": rfc2822(ended_at),
            "duration": None if seconds is None else str(seconds),
            "date_created": rfc2822(started_at),
            "caller_name": None,
            "forwarded_from": None,
            "api_version": "2010-04-01",
            "uri": f"{ACCOUNTS}/{self.account_sid}/Calls/{sid}.json",
        }
        return self._add(self._calls, sid, Record(payload | odd, started_at))

    def add_message(
        self,
        *,
        sid: str | None = None,
        from_: str = "+12125550123",
        to: str = "+15558675310",
        body: str = "",
        status: str = "received",
        direction: str = "inbound",
        sent_at: datetime | None = None,
        media: Iterable[str] = (),
        **odd: Any,
    ) -> str:
        """The message's SID; `media` are the content types of its attachments."""
        media = list(media)
        sid = sid or self._new_sid("MM" if media else "SM")
        payload = {
            "sid": sid,
            "account_sid": self.account_sid,
            "messaging_service_sid": None,
            "from": from_,
            "to": to,
            "body": body,
            "status": status,
            "direction": direction,
            "date_created": rfc2822(sent_at or self.clock()),
            "date_sent": rfc2822(sent_at),
            "num_media": str(len(media)),
            "num_segments": "1",
            "error_code": None,
            "error_message": None,
            "api_version": "2010-04-01",
            "uri": f"{ACCOUNTS}/{self.account_sid}/Messages/{sid}.json",
        }
        with self._lock:
            self._media[sid] = [Record(self._medium(sid, content_type)) for content_type in media]
        return self._add(self._messages, sid, Record(payload | odd, sent_at))

    def add_recording(self, content: bytes, *, sid: str | None = None, content_type: str = "audio/mpeg") -> str:
        sid = sid or self._new_sid("RE")
        return self._add(self._recordings, sid, Record({"content_type": content_type}, content=content))

    def add_transcription(
        self, text: str | None, *, sid: str | None = None, status: str = "completed", **odd: Any
    ) -> str:
        sid = sid or self._new_sid("TR")
        payload = {"sid": sid, "account_sid": self.account_sid, "status": status, "transcription_text": text}
        return self._add(self._transcriptions, sid, Record(payload | odd))

    def update(self, sid: str, **fields: Any) -> None:
        """Change a record's fields, named as in Twilio's JSON."""
        with self._lock:
            record = self._calls.get(sid) or self._messages.get(sid) or self._transcriptions[sid]
            record.payload |= fields

    def sids_by_request(self) -> dict[str, list[str]]:
        """What was sent for each request id that a callback's address names."""
        sent: dict[str, list[str]] = {}
        for sid, url in list(self.callbacks.items()):
            [request_id] = parse_qs(urlsplit(url).query)["request_id"]
            sent.setdefault(request_id, []).append(sid)
        return sent

    # What goes wrong.

    def refuse_number(self, to: str, code: int, status: int = 400) -> None:
        """Take no message to this number."""
        self._refused[to] = status, code

    def fail_next(
        self, n: int = 1, status: int = 503, *, code: int | None = None, retry_after: int | str | None = None
    ) -> None:
        """Answer with an error of Twilio's, `code` instead of the usual one; nothing is done."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self._plan(n, lambda _proceed: error_response(status, code, headers=headers))

    def answer_next(self, body: bytes, *, n: int = 1, status: int = 200, **headers: str) -> None:
        """Answer this instead; of the headers' names `_` is read as `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._plan(n, lambda _proceed: Response(body, status, named))

    def hang_next(self, n: int = 1, seconds: float = 60.0) -> None:
        """Stay silent for so long, then do and answer what was asked."""

        def hang(proceed: Proceed) -> Response:
            self._closing.wait(seconds)
            return proceed()

        self._plan(n, hang)

    def drop_next(self, n: int = 1) -> None:
        """Reset the connection; nothing is done."""
        self._plan(n, reset)

    def break_off_next(self, n: int = 1, after: int = 1000) -> None:
        """Do what was asked, and end the answer after so many bytes of more."""

        def break_off(proceed: Proceed) -> Response:
            response = proceed()
            body = response.get_data()
            response.response = iter([body[:after]])
            response.content_length = len(body)
            return response

        self._plan(n, break_off)

    def time_out_after_accepting(self, n: int = 1) -> None:
        """Do what is posted, and never answer."""

        def accept_in_silence(proceed: Proceed) -> Response:
            proceed()
            self._closing.wait()
            raise ConnectionResetError

        self._plan(n, accept_in_silence, "POST")

    def reset_after_accepting(self, n: int = 1) -> None:
        """Do what is posted, and reset the connection."""

        def accept_and_reset(proceed: Proceed) -> Response:
            proceed()
            raise ConnectionResetError

        self._plan(n, accept_and_reset, "POST")

    def fail_after_accepting(self, n: int = 1, status: int = 500) -> None:
        """Do what is posted, and answer with an error."""

        def accept_and_fail(proceed: Proceed) -> Response:
            proceed()
            return error_response(status)

        self._plan(n, accept_and_fail, "POST")

    def answer_after_accepting(self, body: bytes, n: int = 1, status: int = 201) -> None:
        """Do what is posted, and answer this."""

        def accept_and_answer(proceed: Proceed) -> Response:
            proceed()
            return Response(body, status)

        self._plan(n, accept_and_answer, "POST")

    def forget_faults(self) -> None:
        """What was to go wrong and did not yet."""
        with self._lock:
            self._faults.clear()

    def _plan(self, n: int, act: Callable[[Proceed], Response], method: str | None = None) -> None:
        with self._lock:
            self._faults.extend([Fault(act, method)] * n)

    def _next_fault(self, method: str) -> Fault | None:
        with self._lock:
            fault = next((fault for fault in self._faults if fault.method in (None, method)), None)
            if fault is not None:
                self._faults.remove(fault)
            return fault

    def _add(self, records: dict[str, Record], sid: str, record: Record) -> str:
        with self._lock:
            records[sid] = record
        return sid

    def _new_sid(self, kind: str) -> str:
        return f"{kind}{next(self._numbers):032x}"

    def _medium(self, message_sid: str, content_type: str) -> Payload:
        return {"sid": self._new_sid("ME"), "parent_sid": message_sid, "content_type": content_type}

    # Who asks what.

    def _serve(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        with self._lock:
            self.requests.append(asked(request))
        proceed = partial(self._answer, request)
        self._closing.wait(self.latency)
        fault = self._next_fault(request.method)
        response = fault.act(proceed) if fault else proceed()
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if not self._authorized(request):
            return error_response(401)
        try:
            view, arguments = ROUTES.bind_to_environ(request.environ).match()
            with self._lock:
                response: Response = view(self, request, **arguments)
                return response
        except BadRequest as error:
            return error_response(400, error.code, str(error))
        except HTTPException as error:
            return error_response(error.code or 500)

    def _authorized(self, request: Request) -> bool:
        given = request.authorization
        return given is not None and given.username == self.account_sid and given.password in self.tokens

    # The views.

    def list_calls(self, request: Request) -> Response:
        return page(request, "calls", matching(request, self._calls.values(), CALL_FILTERS, "StartTime"))

    def list_messages(self, request: Request) -> Response:
        return page(request, "messages", matching(request, self._messages.values(), MESSAGE_FILTERS, "DateSent"))

    def list_media(self, request: Request, sid: str) -> Response:
        return page(request, "media_list", matching(request, found(self._media, sid), {}, "DateCreated"))

    def call(self, _request: Request, sid: str) -> Response:
        return json_response(found(self._calls, sid).payload)

    def message(self, _request: Request, sid: str) -> Response:
        return json_response(found(self._messages, sid).payload)

    def transcription(self, _request: Request, sid: str) -> Response:
        return json_response(found(self._transcriptions, sid).payload)

    def recording(self, request: Request, sid: str) -> Response:
        record = found(self._recordings, sid)
        response = Response(record.content, content_type=record.payload["content_type"])
        return response.make_conditional(request, accept_ranges=True, complete_length=len(record.content))

    def create_message(self, request: Request) -> Response:
        """What Twilio checks first: twilio.com/docs/api/errors, 21602 to 21617."""
        form = request.form
        refuse_unless(set(form) <= MESSAGE_PARAMETERS, 20001, f"Unknown: {sorted(set(form) - MESSAGE_PARAMETERS)}")
        refuse_unless(form.get("To"), 21604, "A 'To' phone number is required.")
        refuse_unless(form["To"].startswith(("+", "whatsapp:")), 21211, "Invalid 'To' Phone Number")
        refuse_unless(
            form.get("From") or form.get("MessagingServiceSid"), 21603, "A 'From' phone number is required."
        )
        refuse_unless(form.get("Body") or form.get("MediaUrl"), 21602, "Message body is required.")
        refuse_unless(len(form.get("Body", "")) <= LONGEST_BODY, 21617, "The body exceeds the 1600 character limit.")
        validity = form.get("ValidityPeriod", LONGEST_VALIDITY, int)
        refuse_unless(1 <= validity <= LONGEST_VALIDITY, 30036, "Validity Period Expired")
        if form["To"] in self._refused:
            status, code = self._refused[form["To"]]
            return error_response(status, code)
        sid = self.add_message(
            from_=form.get("From", ""),
            to=form["To"],
            body=form.get("Body", ""),
            status="queued",
            direction="outbound-api",
            media=["application/octet-stream"] * len(form.getlist("MediaUrl")),
            messaging_service_sid=form.get("MessagingServiceSid"),
        )
        self.accepted.append(self._messages[sid].payload)
        if form.get("StatusCallback"):
            self.callbacks[sid] = form["StatusCallback"]
        return json_response(self._messages[sid].payload, 201)


OF_OUR_ACCOUNT = f"{ACCOUNTS}/<account>"
VIEWS: tuple[tuple[str, str, Callable[..., Response]], ...] = (
    ("GET", "Calls.json", FakeTwilio.list_calls),
    ("GET", "Calls/<sid>.json", FakeTwilio.call),
    ("GET", "Messages.json", FakeTwilio.list_messages),
    ("POST", "Messages.json", FakeTwilio.create_message),
    ("GET", "Messages/<sid>.json", FakeTwilio.message),
    ("GET", "Messages/<sid>/Media.json", FakeTwilio.list_media),
    ("GET", "Recordings/<sid>.mp3", FakeTwilio.recording),
    ("GET", "Transcriptions/<sid>.json", FakeTwilio.transcription),
)


def of_account(view: Callable[..., Response]) -> Callable[..., Response]:
    """Another account's things are not there."""

    def viewed(twilio: FakeTwilio, request: Request, account: str, **arguments: str) -> Response:
        if account != twilio.account_sid:
            return error_response(404)
        return view(twilio, request, **arguments)

    return viewed


ROUTES = Map(
    [Rule(f"{OF_OUR_ACCOUNT}/{path}", methods=[method], endpoint=of_account(view)) for method, path, view in VIEWS]
)


def asked(request: Request) -> Asked:
    return Asked(
        request.method, request.path, request.args.to_dict(), request.form.to_dict(), dict(request.headers.items())
    )


def reset(_proceed: Proceed) -> Response:
    raise ConnectionResetError


def found(records: Mapping[str, Found], sid: str) -> Found:
    if sid not in records:
        raise NotFound
    return records[sid]


def refuse_unless(fine: object, code: int, message: str) -> None:
    if not fine:
        raise BadRequest(code, message)


def matching(request: Request, records: Iterable[Record], fields: Mapping[str, str], date: str) -> list[Payload]:
    """Newest added first, as Twilio lists. `date>` and `date<` include their second."""
    known = {*fields, f"{date}>", f"{date}<", *PAGING}
    refuse_unless(set(request.args) <= known, 20001, f"Unknown: {sorted(set(request.args) - known)}")
    wanted = {name: request.args[parameter] for parameter, name in fields.items() if parameter in request.args}
    earliest, latest = moment(request.args.get(f"{date}>")), moment(request.args.get(f"{date}<"))
    found = [
        record.payload
        for record in records
        if all(record.payload[name] == value for name, value in wanted.items()) and within(record, earliest, latest)
    ]
    return found[::-1]


def within(record: Record, earliest: datetime | None, latest: datetime | None) -> bool:
    if record.at is None:
        return earliest is None and latest is None
    at = record.at.replace(microsecond=0)
    return (earliest is None or at >= earliest) and (latest is None or at <= latest)


def moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(20001, "Not a date.") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def page(request: Request, key: str, payloads: list[Payload]) -> Response:
    """A page goes on after the record that its token names, so that what is added meanwhile moves nothing."""
    size = min(request.args.get("PageSize", 50, int), LARGEST_PAGE)
    number = request.args.get("Page", 0, int)
    start = start_of(request, payloads)
    shown = payloads[start : start + size]
    more = start + size < len(payloads)
    document = {
        key: shown,
        "page": number,
        "page_size": size,
        "start": start,
        "end": start + len(shown) - 1,
        "uri": request.full_path,
        "first_page_uri": uri(request, PageSize=size, Page=0),
        "next_page_uri": uri(request, PageSize=size, Page=number + 1, PageToken=token(shown[-1])) if more else None,
        "previous_page_uri": None,
    }
    return json_response(document)


def start_of(request: Request, payloads: list[Payload]) -> int:
    wanted = request.args.get("PageToken")
    if wanted is None:
        refuse_unless(request.args.get("Page", "0") == "0", 20006, "A page needs its token.")
        return 0
    tokens = [token(payload) for payload in payloads]
    refuse_unless(wanted in tokens, 20006, "Unknown page token.")
    return tokens.index(wanted) + 1


def token(payload: Payload) -> str:
    return f"PA{payload['sid']}"


def uri(request: Request, **paging: object) -> str:
    filters = {name: value for name, value in request.args.items() if name not in PAGING}
    return f"{request.path}?{urlencode(filters | paging)}"


def json_response(document: Payload, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(document), status, headers, content_type="application/json")


def error_response(
    status: int, code: int | None = None, message: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    usual_code, usual_message = MESSAGES_OF_STATUS.get(status, (status, "Error"))
    code = code or usual_code
    document = {
        "code": code,
        "message": message or usual_message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return json_response(document, status, headers)


def rfc2822(at: datetime | None) -> str | None:
    return None if at is None else format_datetime(at.astimezone(UTC))
