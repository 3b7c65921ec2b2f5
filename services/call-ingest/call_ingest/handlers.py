"""Use case: fold stored raw requests into calls, messages and events."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from call_ingest import store
from call_ingest.documents import by_subject, call_document, is_message, put_aside, webhook_of
from call_ingest.domain import conclude
from call_ingest.erasing import Party, party_of_call, party_of_message
from call_ingest.erasures import erase, erased_among, key_of
from call_ingest.facts import Fact, Identify, Webhook
from call_ingest.messages import conclude_message
from ringback.businesses import Business
from ringback.contracts.envelope import Event, event_id, new_event, traceparent_of
from ringback.errors import Permanent
from ringback.phone import NAMELESS_KINDS, identify
from ringback.seals import Seal
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class _Received:
    """What was received of a call, or of a text, of a business's."""

    sid: str
    business: Business
    of_call: list[Webhook]
    of_message: list[Webhook]
    party: Party

    @property
    def is_contact(self) -> bool:
        """Whether it stands in no call log: a text, or a call that we made."""
        return bool(self.of_message) or self.party.reached

    @property
    def numbers(self) -> list[str]:
        """The telephone numbers of whoever is at the other end, as far as they tell people apart."""
        named = {number for kind, number in self.party.identities if kind not in NAMELESS_KINDS}
        return sorted(named.difference(self.business.numbers) if self.party.reached else named)


@dataclass(frozen=True)
class Folding:
    """Raw requests → calls, messages and events. Idempotent: the same requests always make the same events.

    Nothing is told of who was erased; `seal` is the one that they were noted with.
    """

    businesses: Mapping[str, Business]
    seal: Seal

    def fold(self, work: UnitOfWork, subjects: Sequence[str], now: datetime) -> None:
        """Conclude these calls and messages from all that is stored of them, and tell what was not told yet."""
        requests = by_subject(store.load_subjects(work, subjects))
        erased = {sid for sid in subjects if store.is_erased(work, sid)}
        received = [self._received(sid, requests[sid]) for sid in requests if sid not in erased]
        forgotten = self._forgotten(work, received)
        for one in filter(None, received):
            if one.sid in forgotten:
                _keep_place(work, one)
            else:
                _fold(work, one, now)
        for sid in erased | forgotten:
            erase(work, sid, requests.get(sid, []), now)
        for sid in set(subjects) - requests.keys() - erased:
            _put_aside(work, sid)
        store.mark_folded(work, [one for sid in requests if sid not in erased | forgotten for one in requests[sid]])

    def _forgotten(self, work: UnitOfWork, received: Iterable[_Received | None]) -> set[str]:
        begun = {
            one.sid: (one.party.at, [key_of(self.seal, one.business.key, number) for number in one.numbers])
            for one in received
            if one
        }
        return erased_among(work, begun)

    def _received(self, sid: str, requests: list[Document]) -> _Received | None:
        business = self._business(requests)
        if business is None:
            return None
        of_call = [webhook_of(request) for request in requests if not is_message(request)]
        of_message = [webhook_of(request) for request in requests if is_message(request)]
        understood = identify_in(business)
        party = party_of_message(of_message, understood) if of_message else party_of_call(sid, of_call, understood)
        return _Received(sid, business, of_call, of_message, party)

    def _business(self, requests: Iterable[Document]) -> Business | None:
        """Whose it is; None when nobody's number was called. A telephone that is rung may be another business's."""
        named = [request for request in requests if request["business"]]
        if not named:
            return None
        _, key = min((request["kind"] == "screen", request["business"]) for request in named)
        business = self.businesses.get(key)
        if business is None:
            raise Permanent("The call's business is not configured here.", code="unknown_business")
        return business


def _fold(work: UnitOfWork, received: _Received, now: datetime) -> None:
    if received.is_contact and received.numbers:
        _keep_place(work, received)
    if received.of_message:
        _fold_message(work, received)
    if received.of_call:
        _fold_call(work, received, now)


def _keep_place(work: UnitOfWork, received: _Received) -> None:
    """A document by which it is found, or known again, when somebody is to be forgotten."""
    collection = store.CONTACTS if received.is_contact else store.CALLS
    known = work.get(collection, received.sid) or {"_id": received.sid, "business": received.business.key}
    at = {"numbers": received.numbers, "at": received.party.at} if received.is_contact else {}
    work.save(collection, {**known, **at})


def _fold_call(work: UnitOfWork, received: _Received, now: datetime) -> None:
    sid, business = received.sid, received.business
    call = work.get(store.CALLS, sid)
    told_as = (call["caller_kind"], call["caller"]) if call and call["told"] else None
    conclusion = conclude(sid, received.of_call, identify_in(business), now, told_as)
    if conclusion.outbound:
        _put_aside(work, sid)
        return
    told = _tell(work, business, sid, conclusion.facts, call)
    work.save(store.CALLS, call_document(call, sid, business.key, conclusion, told, now, received.numbers))


def _put_aside(work: UnitOfWork, sid: str) -> None:
    call = work.get(store.CALLS, sid)
    if call:
        work.save(store.CALLS, put_aside(call))


def _fold_message(work: UnitOfWork, received: _Received) -> None:
    sid, business = received.sid, received.business
    message = work.get(store.MESSAGES, sid)
    conclusion = conclude_message(sid, received.of_message, identify_in(business))
    told = _tell(work, business, sid, conclusion.facts, message)
    changed = {
        "business": business.key,
        "direction": conclusion.direction,
        "status": conclusion.status,
        "error_code": conclusion.error_code,
        "at": conclusion.at,
        "told": told,
    }
    work.save(store.MESSAGES, {**(message or {"_id": sid}), **changed})


def _tell(work: UnitOfWork, business: Business, sid: str, facts: Iterable[Fact], known: Document | None) -> list[str]:
    """Emit what was not told yet; the ids of all that was told."""
    told = set(known["told"]) if known else set()
    for fact in facts:
        event = _event(business.key, sid, fact)
        if event.id not in told:
            work.emit(event)
            told.add(event.id)
    return sorted(told)


def identify_in(business: Business) -> Identify:
    def identified(raw: str) -> tuple[str, str]:
        caller = identify(raw, business.country)
        return caller.kind, caller.e164 or raw

    return identified


def _event(business: str, sid: str, fact: Fact) -> Event:
    cause = (sid, *fact.cause)
    return new_event(
        fact.type,
        business=business,
        subject=sid,
        time=fact.at,
        data=fact.data,
        cause=cause,
        traceparent=traceparent_of(sid, event_id(business, fact.type, *cause)),
    )
