"""Posts webhooks as Twilio does: signed, form-encoded, 15 s to answer, one retry of a failed connect."""

from dataclasses import dataclass
from threading import Lock, local
from time import perf_counter
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

from requests import Response, Session
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3.util.retry import Retry

from onebox.simulate.ledger import Ledger
from onebox.simulate.model import Webhook
from onebox.simulate.sign import HEADER, Signer
from onebox.simulate.twiml import DUE_AT, is_twiml

CONNECT_SECONDS, ANSWER_SECONDS = 5, 15
# Twilio's default is rc=1, rp=ct: what may have reached the server is never sent again.
CONNECT_ONCE_MORE = Retry(total=1, connect=1, read=0, redirect=0, status=0, other=0)
HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
    "User-Agent": "TwilioProxy/1.1",
    "Accept": "*/*",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `outcome` is the HTTP status, or the name of the error when there was no answer."""

    outcome: str
    accepted: bool
    valid_twiml: bool
    seconds: float

    @property
    def ok(self) -> bool:
        return self.accepted and self.valid_twiml


class Sender:
    """For many threads, each with its own connection. `public_url` is what the server checks against."""

    def __init__(
        self, base_url: str, token: str, public_url: str | None = None, ledger: Ledger | None = None
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._signer = Signer(public_url or base_url, token)
        self._ledger = ledger
        self._thread = local()
        self._sessions: list[Session] = []
        self._lock = Lock()

    def post(self, webhook: Webhook) -> Answer:
        """Sends one copy. Never raises for what the network or the server does."""
        started = perf_counter()
        try:
            response = self._send(webhook)
        except RequestException as error:
            return Answer(type(error).__name__, False, True, perf_counter() - started)
        seconds = perf_counter() - started
        answer = _answer(webhook, response, seconds)
        if answer.accepted and self._ledger:
            self._ledger.record(webhook, response.status_code)
        return answer

    def close(self) -> None:
        for session in self._sessions:
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, webhook: Webhook) -> Response:
        return self._session().post(
            self._base_url + webhook.path,
            data=urlencode(webhook.params),
            headers={HEADER: self._signer.sign(webhook)},
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            allow_redirects=False,  # a signed webhook that is sent elsewhere is a fault to report
        )

    def _session(self) -> Session:
        if not hasattr(self._thread, "session"):
            self._thread.session = _new_session()
            with self._lock:
                self._sessions.append(self._thread.session)
        session: Session = self._thread.session
        return session


def _new_session() -> Session:
    session = Session()
    session.trust_env = False  # no proxy and no .netrc between the simulator and the address it was given
    session.headers.update(HEADERS)
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=CONNECT_ONCE_MORE))
    return session


def _answer(webhook: Webhook, response: Response, seconds: float) -> Answer:
    accepted = 200 <= response.status_code < 300
    valid = not accepted or webhook.path not in DUE_AT or is_twiml(response.content)
    return Answer(str(response.status_code), accepted, valid, seconds)
