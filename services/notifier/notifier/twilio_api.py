"""Twilio's Messages API (twilio.com/docs/messaging/api/message-resource, version 2010-04-01): sending and listing.

Messages have no idempotency key, so nothing in here sends a text twice: no transport repeats a request, and redirects
are not followed. Whatever is not surely "not sent" is ambiguous.
"""

import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from notifier.matching import Listed
from notifier.orders import TOO_LATE, Order
from notifier.outcomes import Accepted, Ambiguous, Answer, NotReached, Refused, is_certain
from ringback.clock import Clock
from ringback.errors import UpstreamRefused, UpstreamUnavailable

API_URL = "https://api.twilio.com"
VERSION = "2010-04-01"
TIMEOUT_SECONDS = 10.0  # for connecting, and again for each wait for a part of the answer
# Who was held up for longer between reserving and sending no longer knows whether a person sent it meanwhile.
SEND_WITHIN_SECONDS = 20.0
# ValidityPeriod (the page above): one second to ten hours; five or less are advised against.
SHORTEST_VALIDITY, LONGEST_VALIDITY = 6, 36_000
PAGE_SIZE = 100
MOST_PAGES = 20
# One that waited at Twilio may be listed among those that were made later.
OUT_OF_ORDER = timedelta(days=1)
SID = re.compile(r"(SM|MM)[0-9a-f]{32}")
WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
# The library would take them from the environment and send the requests to another host.
NO_REGION = {"TWILIO_EDGE": "", "TWILIO_REGION": ""}
# Raised before a byte of the request is on its way: no connection, no address, another's certificate.
BEFORE_SENDING = (NewConnectionError, ConnectTimeoutError, ssl.SSLCertVerificationError)

Payload = dict[str, Any]


Send = Callable[[Order], Answer]
"""Hands a text over. Raises nothing that Twilio or the network may be the reason of. For several threads at once."""


@dataclass(frozen=True)
class TwilioMessages:
    """One account. Opens nothing before the first request; each thread has connections of its own.

    The tokens are tried in turn when one is refused (401: nothing was done). `callback_url` is where Twilio tells how
    a message got on. Proxies and .netrc of the machine are not heeded.
    """

    account_sid: str
    tokens: Sequence[str]
    callback_url: str
    clock: Clock
    base_url: str | None = None
    timeout_seconds: float = TIMEOUT_SECONDS
    _local: threading.local = field(default_factory=threading.local)

    def send(self, order: Order) -> Answer:
        """As `Send` has it."""
        if (self.clock() - order.slot).total_seconds() > SEND_WITHIN_SECONDS:
            return NotReached(TOO_LATE)
        answer: Answer = Refused(401, None)
        for client in self._clients():
            answer = self._post(client, self._form(order))
            if not isinstance(answer, Refused) or answer.http_status != 401:
                return answer
        return answer

    def listed(self, to: str, since: datetime) -> list[Listed]:
        """Messages to a number, at least those created since then. Raises UpstreamUnavailable and UpstreamRefused."""
        found: list[Listed] = []
        for payload in self._records({"To": to, "PageSize": str(PAGE_SIZE)}):
            listed = _listed_of(payload)
            if listed.created_at is not None and listed.created_at < since - OUT_OF_ORDER:
                break
            found.append(listed)
        return found

    # Sending.

    def _form(self, order: Order) -> dict[str, str]:
        left = int((order.expires_at - self.clock()).total_seconds())
        sender = "MessagingServiceSid" if order.sender.startswith("MG") else "From"
        return {
            "To": order.to,
            sender: order.sender,
            "Body": order.body,
            "StatusCallback": f"{self.callback_url}?{urlencode({'request_id': order.request_id})}",
            "ValidityPeriod": str(min(max(left, SHORTEST_VALIDITY), LONGEST_VALIDITY)),
        }

    def _post(self, client: Client, form: dict[str, str]) -> Answer:
        try:
            response = client.request("POST", self._messages_url, data=form)
        except requests.RequestException as error:
            name = type(error).__name__
            return NotReached(name) if _was_before_sending(error) else Ambiguous(name)
        return answer_of(int(response.status_code), response.text, response.headers.get("Retry-After"))

    # Listing.

    def _records(self, filters: dict[str, str]) -> Iterator[Payload]:
        url, params = self._messages_url, filters
        for _ in range(MOST_PAGES):
            page = self._page(url, params)
            yield from (one for one in page.get("messages", ()) if isinstance(one, dict))
            following = page.get("next_page_uri")
            if not following:
                return
            url, params = f"{self._base}/{str(following).lstrip('/')}", {}

    def _page(self, url: str, params: dict[str, str]) -> Payload:
        for client in self._clients():
            try:
                response = client.request("GET", url, params=params)
            except requests.RequestException as error:
                raise UpstreamUnavailable(f"Twilio did not answer: {type(error).__name__}.") from error
            if response.status_code != 401:
                return _page_of(int(response.status_code), response.text)
        raise UpstreamRefused("Twilio takes none of the tokens for this account.")

    # Both.

    @property
    def _base(self) -> str:
        return (self.base_url or API_URL).rstrip("/")

    @property
    def _messages_url(self) -> str:
        return f"{self._base}/{VERSION}/Accounts/{self.account_sid}/Messages.json"

    def _clients(self) -> Sequence[Client]:
        """The library keeps the last answer in the client: one for each thread."""
        clients: Sequence[Client] | None = getattr(self._local, "clients", None)
        if clients is None:
            clients = self._local.clients = [self._client(token) for token in self.tokens]
        return clients

    def _client(self, token: str) -> Client:
        http = TwilioHttpClient(timeout=self.timeout_seconds)
        http.session.trust_env = False
        for scheme in ("https://", "http://"):
            http.session.mount(scheme, HTTPAdapter(max_retries=0))
        return Client(self.account_sid, token, http_client=http, environment=NO_REGION)


def answer_of(http_status: int, body: str, retry_after: str | None) -> Answer:
    """What an answer to a text that was handed over means. One that cannot be read says nothing."""
    payload = _json_of(body)
    if http_status in {200, 201}:
        sid = payload.get("sid")
        if isinstance(sid, str) and SID.fullmatch(sid):
            return Accepted(sid, str(payload.get("status") or "queued"))
        return Ambiguous("unreadable_answer")
    if is_certain(http_status):
        return Refused(http_status, _whole(payload.get("code")), _whole(retry_after))
    return Ambiguous(f"http_{http_status}")


def _was_before_sending(error: BaseException) -> bool:
    """Whether the error, or one that it was made from, is of before the request."""
    return any(isinstance(one, BEFORE_SENDING) for one in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error with its reason, as urllib3 has it, or what it was raised with."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [part for part in (*one.args, getattr(one, "reason", None)) if isinstance(part, BaseException)]


def _page_of(http_status: int, body: str) -> Payload:
    if http_status != 200:
        error = UpstreamRefused if is_certain(http_status) and http_status != 429 else UpstreamUnavailable
        raise error(f"Twilio answered HTTP {http_status}.")
    payload = _json_of(body)
    if not isinstance(payload.get("messages"), list):
        raise UpstreamUnavailable("Twilio's answer is no page.")
    return payload


def _listed_of(payload: Payload) -> Listed:
    return Listed(
        sid=str(payload.get("sid") or ""),
        to=str(payload.get("to") or ""),
        from_=str(payload.get("from") or ""),
        body=str(payload.get("body") or ""),
        direction=str(payload.get("direction") or ""),
        status=str(payload.get("status") or ""),
        error_code=_whole(payload.get("error_code")),
        created_at=_moment(payload.get("date_created")),
        messaging_service_sid=payload.get("messaging_service_sid") or None,
    )


def _json_of(body: str) -> Payload:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _whole(value: object) -> int | None:
    return int(str(value)) if WHOLE_NUMBER.fullmatch(str(value)) else None


def _moment(value: object) -> datetime | None:
    """RFC 2822, in UTC; one without a zone is UTC already."""
    try:
        parsed = parsedate_to_datetime(str(value))
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def dry_run(_order: Order) -> Answer:
    """A `Send` for installations without an account: nothing leaves the house."""
    return Accepted(None, "sent")
