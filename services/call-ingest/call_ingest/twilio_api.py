"""Twilio's REST API (twilio.com/docs/usage/api, version 2010-04-01), as much of it as call-ingest asks.

All of it is reading, so whatever fails is tried again. The library sends the requests; the records are read here,
because its own classes raise on an odd date and keep Retry-After to themselves.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, TypeVar

import requests
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from call_ingest.facts import whole_characters
from ringback.errors import Invalid, NotFound, UpstreamRefused, UpstreamUnavailable

API_URL = "https://api.twilio.com"
VERSION = "2010-04-01"
LARGEST_PAGE = 1000
CHUNK_BYTES = 64 * 1024
LONGEST_PAUSE_SECONDS = 30.0

SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}")
WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
AUDIO = re.compile(r"audio/[a-z0-9.+-]+")
# Several ranges would come as a multipart answer, which is no audio: such a header is left out, as a server may.
ONE_RANGE = re.compile(r"bytes=(?:[0-9]+-[0-9]*|-[0-9]+)")

SENT = (200, 206)
TOKEN_REFUSED = (401, 403)
TRY_AGAIN = (408, 429)
# The library would take them from the environment and send the requests to another host.
NO_REGION = {"TWILIO_EDGE": "", "TWILIO_REGION": ""}

Payload = dict[str, Any]
Pause = Callable[[float], None]
Result = TypeVar("Result")


class TwilioUnavailable(UpstreamUnavailable):
    """No answer, or none that can be used, however often it was tried; `retry_after` seconds if Twilio said so."""

    code = "twilio_unavailable"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TwilioRefused(UpstreamRefused):
    """Twilio takes none of our tokens, or not this request: a person has to look."""

    code = "twilio_refused"


@dataclass(frozen=True, slots=True)
class TwilioCall:
    """twilio.com/docs/voice/api/call-resource; texts are blank where Twilio says nothing."""

    sid: str
    parent_sid: str | None
    from_: str = field(repr=False)
    to: str = field(repr=False)
    direction: str
    status: str
    started_at: datetime | None
    ended_at: datetime | None
    duration_seconds: int | None
    caller_name: str | None = field(repr=False)
    forwarded_from: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class TwilioMessage:
    """twilio.com/docs/messaging/api/message-resource; `media` counts its attachments."""

    sid: str
    from_: str = field(repr=False)
    to: str = field(repr=False)
    body: str = field(repr=False)
    direction: str
    status: str
    error_code: int | None
    sent_at: datetime | None
    created_at: datetime | None
    media: int


class Answer(Protocol):
    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


AnswerType = TypeVar("AnswerType", bound=Answer)


class RecordingStream:
    """A recording, or the part of it that was asked for, while it is still arriving. To be closed in any case."""

    def __init__(self, response: requests.Response, content_type: str) -> None:
        self.status = response.status_code
        self.content_type = content_type
        self.content_length = whole_number(response.headers.get("Content-Length"))
        self.content_range = response.headers.get("Content-Range")
        self._response = response

    def chunks(self) -> Iterator[bytes]:
        """At most 64 kB each. Raises TwilioUnavailable when it breaks off: half a recording never looks whole."""
        with closing(self._response), translated_errors():
            yield from self._response.iter_content(CHUNK_BYTES)

    def close(self) -> None:
        self._response.close()


class TwilioApi:
    """Reads one account. Opens nothing before the first request; to be used by one thread at a time.

    Whatever fails in passing is tried `attempts` times, with growing, jittered pauses or as long as Retry-After
    says, 30 s at most. The tokens are tried in turn, the one that worked last first. All methods raise
    TwilioUnavailable and TwilioRefused; those that take a SID raise NotFound when Twilio has no such thing or the
    SID has not a SID's shape, so that none chooses host or path. Proxies and .netrc of the machine are not heeded.
    """

    def __init__(
        self,
        account_sid: str,
        tokens: Sequence[str],
        base_url: str | None = None,
        timeout_seconds: float = 10.0,
        attempts: int = 4,
        pause: Pause = time.sleep,
        page_size: int = LARGEST_PAGE,
    ) -> None:
        http = TwilioHttpClient(timeout=timeout_seconds)
        self._session: requests.Session = http.session
        self._session.trust_env = False
        self._clients = [Client(account_sid, token, http_client=http, environment=NO_REGION) for token in tokens]
        self._base_url = (base_url or API_URL).rstrip("/")
        self._account_url = f"{self._base_url}/{VERSION}/Accounts/{account_sid}"
        self._timeout = timeout_seconds
        self._page_size = page_size
        self._retrying = Retrying(
            stop=stop_after_attempt(attempts),
            wait=pause_seconds,
            retry=retry_if_exception_type(TwilioUnavailable),
            sleep=pause,
            reraise=True,
        )

    def call(self, sid: str) -> TwilioCall:
        """Eventually consistent, says Twilio: a call that just ended may still be under way here."""
        return call_of(self._fetch(f"Calls/{checked(sid, 'CA')}.json"))

    def child_calls(self, parent_sid: str) -> list[TwilioCall]:
        """The legs that a call dialled."""
        filters = {"ParentCallSid": checked(parent_sid, "CA")}
        return [call_of(record) for record in self._records("Calls.json", "calls", filters)]

    def calls_between(self, start: datetime, end: datetime) -> Iterator[TwilioCall]:
        """All that started from `start` to `end` (aware), and maybe some within a second of them."""
        for record in self._records("Calls.json", "calls", window("StartTime", start, end)):
            yield call_of(record)

    def messages_between(self, start: datetime, end: datetime) -> Iterator[TwilioMessage]:
        """As `calls_between`, by the time of sending or receiving: what was never sent is not among them."""
        for record in self._records("Messages.json", "messages", window("DateSent", start, end)):
            yield message_of(record)

    def media_of(self, message_sid: str) -> list[tuple[str, str]]:
        """SID and content type of each attachment of a message."""
        path = f"Messages/{checked(message_sid, 'SM', 'MM')}/Media.json"
        return [(record["sid"], text(record.get("content_type"))) for record in self._records(path, "media_list")]

    def transcription_text(self, transcription_sid: str) -> str | None:
        """None while it is being made, when it failed, and when nothing was understood."""
        payload = self._fetch(f"Transcriptions/{checked(transcription_sid, 'TR')}.json")
        return text(payload.get("transcription_text")) or None

    def recording(self, recording_sid: str, range_header: str | None = None) -> RecordingStream:
        """The MP3, or the part that a Range header names: one range; any other header gets all of it.

        Raises Invalid (`range_not_satisfiable`) for a range beyond its end. Redirects are not followed.
        """
        url = f"{self._account_url}/Recordings/{checked(recording_sid, 'RE')}.mp3"
        headers = {"Accept": "audio/*", "Accept-Encoding": "identity"}
        if range_header and ONE_RANGE.fullmatch(range_header):
            headers["Range"] = range_header

        def send(client: Client) -> requests.Response:
            return self._open(url, headers, client.auth)

        return self._retrying(lambda: stream_of(self._authorized(send)))

    def _open(self, url: str, headers: Mapping[str, str], auth: tuple[str, str]) -> requests.Response:
        response = self._session.get(
            url, headers=headers, auth=auth, stream=True, allow_redirects=False, timeout=self._timeout
        )
        if response.status_code not in SENT:
            response.close()
        return response

    def _fetch(self, path: str) -> Payload:
        return self._json(f"{self._account_url}/{path}")

    def _records(self, path: str, key: str, filters: Mapping[str, str] | None = None) -> Iterator[Payload]:
        page = self._json(f"{self._account_url}/{path}", {**(filters or {}), "PageSize": self._page_size})
        visited: set[str] = set()
        while True:
            yield from records_of(page, key)
            following = text(page.get("next_page_uri"))
            if not following:
                return
            if following in visited:
                raise TwilioUnavailable("Twilio's pages go round in a circle.")
            visited.add(following)
            page = self._json(f"{self._base_url}/{following.lstrip('/')}")

    def _json(self, url: str, params: Mapping[str, object] | None = None) -> Payload:
        def send(client: Client) -> Any:
            return client.request("GET", url, params=params)

        return self._retrying(lambda: payload_of(self._authorized(send)))

    def _authorized(self, send: Callable[[Client], AnswerType]) -> AnswerType:
        for client in tuple(self._clients):
            with translated_errors():
                answer = send(client)
            if answer.status_code not in TOKEN_REFUSED:
                self._prefer(client)
                check(answer)
                return answer
        raise TwilioRefused("Twilio takes none of the tokens for this account.")

    def _prefer(self, client: Client) -> None:
        self._clients = [client, *(other for other in self._clients if other is not client)]


def checked(sid: str, *kinds: str) -> str:
    """`sid`, if it is one of these kinds (its first two letters). Raises NotFound."""
    if not SID.fullmatch(sid) or sid[:2] not in kinds:
        raise NotFound("Twilio has no such SID.")
    return sid


def window(name: str, start: datetime, end: datetime) -> dict[str, str]:
    """Filters of a list. Sent with `=`, the names read `>=` and `<=`; times are in whole seconds.

    Twilio's pages disagree whether `<=` includes the last second, so one more is asked for.
    """
    return {f"{name}>": second(start), f"{name}<": second(end + timedelta(seconds=1))}


def second(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Time-outs and connections that fail or break become TwilioUnavailable."""
    try:
        yield
    except requests.RequestException as error:
        raise TwilioUnavailable(f"Twilio did not answer: {type(error).__name__}.") from error


def check(answer: Answer) -> None:
    """Raises what a status other than success means."""
    status = answer.status_code
    if status in SENT:
        return
    if status == 404:
        raise NotFound("Twilio has no such thing.")
    if status == 416:
        raise Invalid("It ends before this range.", code="range_not_satisfiable")
    if 400 <= status < 500 and status not in TRY_AGAIN:
        raise TwilioRefused(f"Twilio refuses the request: HTTP {status}.")
    retry_after = whole_number(answer.headers.get("Retry-After"))
    raise TwilioUnavailable(f"Twilio answered HTTP {status}.", retry_after=retry_after)


BACK_OFF = wait_exponential(multiplier=0.5, max=LONGEST_PAUSE_SECONDS) + wait_random(0, 0.5)


def pause_seconds(state: RetryCallState) -> float:
    """Before the next attempt. Retry-After counts in seconds; a date would need a clock that agrees with Twilio's."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, TwilioUnavailable) and error.retry_after is not None:
        return min(error.retry_after, LONGEST_PAUSE_SECONDS)
    return BACK_OFF(state)


def payload_of(answer: Any) -> Payload:
    try:
        payload = json.loads(answer.text)
    except (ValueError, RecursionError):
        # Not chained: the error holds the whole answer.
        raise TwilioUnavailable("Twilio's answer is no JSON.") from None
    if not isinstance(payload, dict):
        raise TwilioUnavailable("Twilio's answer is no JSON object.")
    return payload


def stream_of(response: requests.Response) -> RecordingStream:
    """Of audio only: what else came under this address would be shown to a person's browser."""
    content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not AUDIO.fullmatch(content_type):
        response.close()
        raise TwilioUnavailable("Twilio's answer is no recording.")
    return RecordingStream(response, content_type)


def records_of(page: Payload, key: str) -> list[Payload]:
    """The records of a page that have a SID: nothing can be done with one that has none."""
    records = page.get(key)
    if not isinstance(records, list):
        raise TwilioUnavailable("Twilio's answer is no page.")
    return [record for record in records if isinstance(record, dict) and text(record.get("sid"))]


def call_of(payload: Payload) -> TwilioCall:
    return TwilioCall(
        sid=text(payload.get("sid")),
        parent_sid=text(payload.get("parent_call_sid")) or None,
        from_=text(payload.get("from")),
        to=text(payload.get("to")),
        direction=text(payload.get("direction")),
        status=text(payload.get("status")),
        started_at=moment(payload.get("start_time")),
        ended_at=moment(payload.get("end_time")),
        duration_seconds=whole_number(payload.get("duration")),
        caller_name=text(payload.get("caller_name")) or None,
        forwarded_from=text(payload.get("forwarded_from")) or None,
    )


def message_of(payload: Payload) -> TwilioMessage:
    return TwilioMessage(
        sid=text(payload.get("sid")),
        from_=text(payload.get("from")),
        to=text(payload.get("to")),
        body=text(payload.get("body")),
        direction=text(payload.get("direction")),
        status=text(payload.get("status")),
        error_code=whole_number(payload.get("error_code")),
        sent_at=moment(payload.get("date_sent")),
        created_at=moment(payload.get("date_created")),
        media=whole_number(payload.get("num_media")) or 0,
    )


def text(value: object) -> str:
    return whole_characters(value) if isinstance(value, str) else ""


def whole_number(value: object) -> int | None:
    """Twilio sends most numbers as text."""
    return int(str(value)) if WHOLE_NUMBER.fullmatch(str(value)) else None


def moment(value: object) -> datetime | None:
    """RFC 2822, in UTC; one without a zone is UTC already."""
    try:
        parsed = parsedate_to_datetime(text(value))
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
