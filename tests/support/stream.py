"""A stream of signed webhooks, sent at a steady rate however slowly they are answered."""

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode, urlsplit

from twilio.request_validator import RequestValidator

from tests.support.events import CALLED, call_sid

VOICE = "/twilio/voice"
DIAL = "/twilio/voice/dial"
FORM = "application/x-www-form-urlencoded"
ANSWER_SECONDS = 15.0


@dataclass(frozen=True)
class Webhook:
    call_sid: str
    path: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What became of a webhook; status 0: no answer. `seconds` since it was due, not since it was sent."""

    webhook: Webhook
    status: int
    text: str
    seconds: float


@dataclass(frozen=True)
class Caller:
    """Twilio, as far as it signs: the account, its token and the address that it was given."""

    account: str
    token: str
    url: str

    def voice(self, number: int, **params: str) -> Webhook:
        """The first webhook of a call, with what an American caller's usually brings."""
        return self._webhook(VOICE, voice_params(self.account, number) | params)

    def dial(self, number: int) -> Webhook:
        """Nobody took that call."""
        return self._webhook(DIAL, voice_params(self.account, number) | {"DialCallStatus": "no-answer"})

    def calls(self, first: int, count: int) -> list[Webhook]:
        """Both webhooks of each."""
        return [one for n in range(first, first + count) for one in (self.voice(n), self.dial(n))]

    def _webhook(self, path: str, params: dict[str, str]) -> Webhook:
        signature = RequestValidator(self.token).compute_signature(self.url + path, params)
        headers = {"X-Twilio-Signature": signature, "Content-Type": FORM}
        return Webhook(params["CallSid"], path, urlencode(params).encode(), headers)


def voice_params(account: str, number: int) -> dict[str, str]:
    caller = f"+1415555{number % 10_000:04d}"
    place = {"City": "SAN FRANCISCO", "State": "CA", "Zip": "94105", "Country": "US"}
    places = {f"{end}{name}": value for end in ("From", "To", "Caller", "Called") for name, value in place.items()}
    return {
        "CallSid": call_sid(number),
        "AccountSid": account,
        "ApiVersion": "2010-04-01",
        "Direction": "inbound",
        "CallStatus": "ringing",
        "From": caller,
        "Caller": caller,
        "To": CALLED,
        "Called": CALLED,
        "CallerName": "ANNA SMITH",
        "StirVerstat": "TN-Validation-Passed-A",
        **places,
    }


@dataclass
class Stream:
    """`start`, then `join`; each thread has one connection, which it keeps."""

    url: str
    webhooks: Sequence[Webhook]
    per_second: float
    threads: int = 20
    answers: list[Answer] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _running: list[threading.Thread] = field(default_factory=list)

    def start(self) -> "Stream":
        began = time.monotonic()
        for offset in range(self.threads):
            thread = threading.Thread(target=self._send, args=(offset, began), daemon=True)
            self._running.append(thread)
            thread.start()
        return self

    def join(self) -> list[Answer]:
        for thread in self._running:
            thread.join()
        return self.answers

    def stop(self) -> list[Answer]:
        """Send no more than what is on its way."""
        self._ended.set()
        return self.join()

    def accepted(self) -> list[Answer]:
        return [answer for answer in list(self.answers) if answer.status == 200]

    def _send(self, offset: int, began: float) -> None:
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=ANSWER_SECONDS)
        for index in range(offset, len(self.webhooks), self.threads):
            due = began + index / self.per_second
            if self._ended.wait(max(0.0, due - time.monotonic())):
                break
            status, text = post(connection, self.webhooks[index])
            self.answers.append(Answer(self.webhooks[index], status, text, time.monotonic() - due))
        connection.close()


def post(connection: HTTPConnection, webhook: Webhook) -> tuple[int, str]:
    try:
        connection.request("POST", webhook.path, webhook.body, dict(webhook.headers))
        response = connection.getresponse()
        return response.status, response.read().decode()
    except (OSError, HTTPException):
        connection.close()
        return 0, ""


def percentile(answers: Sequence[Answer], share: float) -> float:
    """Seconds within which that share of the answers came (nearest rank)."""
    seconds = sorted(answer.seconds for answer in answers)
    return seconds[math.ceil(share * len(seconds)) - 1]
