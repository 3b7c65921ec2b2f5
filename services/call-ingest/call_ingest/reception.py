"""The use case on the line: decide what Twilio is to do, store the raw request, then speak."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs

import structlog

from call_ingest import store, twiml
from call_ingest.journal import Accepted, Journal
from call_ingest.outcomes import RING, RING_AS_US, TAKE_MESSAGE, TURN_AWAY, ringing_failed_by
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.phone import nameless_kind, to_e164
from ringback.settings import Settings

# Which parameters may hold the number of ours that it is about. None of a telephone that is rung: that one may be
# another business's, and our address names the business.
OUR_NUMBER: Mapping[str, tuple[str, ...]] = {"sms": ("To", "From"), "sms_status": ("From", "To"), "screen": ()}
ACCEPT_KEY = "1"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Reception:
    """Answers Twilio. One insert, no other I/O, so that the caller waits for nothing else."""

    settings: Settings
    journal: Journal
    clock: Clock
    _documents: dict[tuple[str, str], str] = field(default_factory=dict)

    def answer(self, webhook: Accepted) -> str:
        """The TwiML; a repeated request has the answer that it had. Once this returns the request is durable.

        Raises StoreUnavailable when it may not be.
        """
        now = self.clock()
        business = self._business(webhook)
        document = store.raw_request(webhook, now, business, DECISIONS[webhook.kind](webhook, business, now))
        if not document["subject"]:
            log.warning("webhook.without_sid", kind=webhook.kind)
        stored = self.journal.append(document)
        return self._document(stored["answer"], business)

    def _document(self, answer: str, business: Business | None) -> str:
        """Made once: nothing in it is the caller's."""
        key = (answer, business.key if business else "")
        if key not in self._documents:
            self._documents[key] = twiml.render(answer, twiml.Scene(business, self.settings.public_url))
        return self._documents[key]

    def _business(self, webhook: Accepted) -> Business | None:
        """By the number of ours, else by the address that we gave Twilio, else the only one there is."""
        numbers = [webhook.first(name) for name in OUR_NUMBER.get(webhook.kind, ("To", "Called"))]
        found = next((b for b in map(self.settings.business_of, numbers) if b), None) or self._named(webhook)
        return found or (self._only() if not any(numbers) or webhook.first("MessagingServiceSid") else None)

    def _named(self, webhook: Accepted) -> Business | None:
        key = parse_qs(webhook.target.partition("?")[2]).get("business", [""])[0]
        return self.settings.businesses.get(key)

    def _only(self) -> Business | None:
        businesses = list(self.settings.businesses.values())
        return businesses[0] if len(businesses) == 1 else None


def _voice(webhook: Accepted, business: Business | None, now: datetime) -> str:
    if business is None:
        log.warning("webhook.unknown_number", call_sid=webhook.first("CallSid"))
        return "reject"
    caller = webhook.first("From", "Caller")
    if business.blocked and to_e164(caller, business.country) in business.blocked:
        return TURN_AWAY
    if not business.forward_to or not business.is_open(now):
        return _message(business)
    return RING_AS_US if nameless_kind(caller) else RING


def _dial(webhook: Accepted, business: Business | None, _now: datetime) -> str:
    return "nothing" if ringing_failed_by(webhook.values) is None else _message(business)


def _message(business: Business | None) -> str:
    return TAKE_MESSAGE if business and business.voicemail else "apologize"


def _screen(webhook: Accepted, _business: Business | None, _now: datetime) -> str:
    pressed = webhook.first("Digits")
    if not pressed:
        return "screen"
    return "put_through" if pressed == ACCEPT_KEY else "hang_up"


def _recording(webhook: Accepted, _business: Business | None, _now: datetime) -> str:
    """The caller hears the answer to `<Record>`'s action; nobody hears that to a status callback."""
    return "nothing" if webhook.first("RecordingStatus") else "thank"


def _nothing(_webhook: Accepted, _business: Business | None, _now: datetime) -> str:
    return "nothing"


DECISIONS: Mapping[str, Callable[[Accepted, Business | None, datetime], str]] = {
    "voice": _voice,
    "dial": _dial,
    "screen": _screen,
    "status": _nothing,
    "recording": _recording,
    "transcription": _nothing,
    "sms": _nothing,
    "sms_status": _nothing,
}
