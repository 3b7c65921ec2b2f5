"""Use cases: accept a webhook and answer it; fold stored webhooks into events."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from call_ingest import store, twiml
from call_ingest.domain import (
    DIAL_OUTCOMES,
    Conclusion,
    Fact,
    Identify,
    Webhook,
    conclude,
    dial_status,
)
from call_ingest.journal import Accepted, Journal, first_values
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.contracts.envelope import Event, event_id, new_event, traceparent_of
from ringback.errors import Permanent
from ringback.phone import identify
from ringback.settings import Settings
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Reception:
    """Answers Twilio: decides, stores the raw request, then speaks. One insert, no other I/O."""

    settings: Settings
    journal: Journal
    clock: Clock

    def answer(self, webhook: Accepted) -> str:
        """The TwiML. Once this returns the request is durable.

        Raises StoreUnavailable when it may not be.
        """
        now = self.clock()
        business = self.settings.business_of(webhook.first("To", "Called"))
        rang = bool(business and business.forward_to and business.is_open(now))
        voicemail = bool(business and business.voicemail)
        self.journal.append(store.raw_request(webhook, now, business, rang=rang, voicemail=voicemail))
        return ANSWERS[webhook.kind](self, webhook, business, rang)

    def voice(self, webhook: Accepted, business: Business | None, rang: bool) -> str:
        if business is None:
            log.warning("webhook.unknown_number", call_sid=webhook.first("CallSid"))
            return twiml.reject()
        if rang:
            return twiml.ring(business, self.settings.public_url)
        return self.take_message(business)

    def dial(self, webhook: Accepted, business: Business | None, _rang: bool) -> str:
        if DIAL_OUTCOMES[dial_status({"DialCallStatus": webhook.first("DialCallStatus")})] is None:
            return twiml.nothing()
        return self.take_message(business)

    def take_message(self, business: Business | None) -> str:
        if business is None or not business.voicemail:
            return twiml.apologize(business)
        return twiml.take_message(business, self.settings.public_url)

    def status(self, _webhook: Accepted, _business: Business | None, _rang: bool) -> str:
        return twiml.nothing()

    def recording(self, _webhook: Accepted, _business: Business | None, _rang: bool) -> str:
        return twiml.thank()


ANSWERS = {
    "voice": Reception.voice,
    "dial": Reception.dial,
    "status": Reception.status,
    "recording": Reception.recording,
}


@dataclass(frozen=True)
class Folding:
    """Raw requests → calls and events. Idempotent: the same requests always make the same events."""

    businesses: Mapping[str, Business]

    def fold(self, work: UnitOfWork, call_sids: Sequence[str], now: datetime) -> None:
        """Conclude these calls from all that is stored of them, and tell what was not told yet."""
        requests = work.load(store.RAW_REQUESTS, {"call_sid": {"$in": list(call_sids)}})
        calls = work.load(store.CALLS, {"_id": {"$in": list(call_sids)}})
        by_call = _by_call(requests)
        for call_sid, webhooks in by_call.items():
            self._fold_call(work, call_sid, webhooks, now)
        for call in calls:
            if call["_id"] not in by_call:
                work.save(store.CALLS, {**call, "due_at": None})
        store.mark_folded(work, requests)

    def _fold_call(self, work: UnitOfWork, call_sid: str, requests: list[Document], now: datetime) -> None:
        business = self._business(requests)
        if business is None:
            return
        call = work.get(store.CALLS, call_sid)
        told = set(call["told"]) if call else set()
        told_as = (call["caller_kind"], call["caller"]) if call and told else None
        conclusion = conclude(call_sid, map(_webhook, requests), _identify_in(business), now, told_as)
        for fact in conclusion.facts:
            event = _event(business.key, call_sid, fact)
            if event.id not in told:
                work.emit(event)
                told.add(event.id)
        work.save(store.CALLS, _call(call, call_sid, business.key, conclusion, told))

    def _business(self, requests: Iterable[Document]) -> Business | None:
        """Whose call it is; None when nobody's number was called."""
        keys = sorted({request["business"] for request in requests if request["business"]})
        if not keys:
            return None
        business = self.businesses.get(keys[0])
        if business is None:
            raise Permanent("The call's business is not configured here.", code="unknown_business")
        return business


def _by_call(requests: Iterable[Document]) -> dict[str, list[Document]]:
    grouped: defaultdict[str, list[Document]] = defaultdict(list)
    for request in requests:
        grouped[request["call_sid"]].append(request)
    return grouped


def _webhook(request: Document) -> Webhook:
    params = first_values(request["params"])
    return Webhook(request["kind"], request["received_at"], params, request["rang"], request["voicemail"])


def _identify_in(business: Business) -> Identify:
    def identified(raw: str) -> tuple[str, str]:
        caller = identify(raw, business.country)
        return caller.kind, caller.e164 or raw

    return identified


def _event(business: str, call_sid: str, fact: Fact) -> Event:
    cause = (call_sid, *fact.cause)
    return new_event(
        fact.type,
        business=business,
        subject=call_sid,
        time=fact.at,
        data=fact.data,
        cause=cause,
        traceparent=traceparent_of(call_sid, event_id(business, fact.type, *cause)),
    )


def _call(known: Document | None, call_sid: str, business: str, conclusion: Conclusion, told: set[str]) -> Document:
    return {
        **(known or {"_id": call_sid}),
        "business": business,
        "started_at": conclusion.started_at,
        "caller_kind": conclusion.identity[0] if conclusion.identity else None,
        "caller": conclusion.identity[1] if conclusion.identity else None,
        "outcome": conclusion.outcome,
        "reason": conclusion.reason,
        "due_at": conclusion.due_at,
        "told": sorted(told),
    }
