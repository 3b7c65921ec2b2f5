"""Use case: fold stored raw requests into calls, messages and events."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from urllib.parse import parse_qsl

from call_ingest import store
from call_ingest.domain import Conclusion, conclude, next_ask_of
from call_ingest.facts import Fact, Identify, Webhook
from call_ingest.journal import first_values
from call_ingest.messages import conclude_message
from call_ingest.outcomes import REST
from ringback.businesses import Business
from ringback.contracts.envelope import Event, event_id, new_event, traceparent_of
from ringback.errors import Permanent
from ringback.phone import identify
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork

MESSAGE_KINDS = frozenset({"sms", "sms_status"})


@dataclass(frozen=True)
class Folding:
    """Raw requests → calls, messages and events. Idempotent: the same requests always make the same events."""

    businesses: Mapping[str, Business]

    def fold(self, work: UnitOfWork, subjects: Sequence[str], now: datetime) -> None:
        """Conclude these calls and messages from all that is stored of them, and tell what was not told yet."""
        requests = work.load(store.RAW_REQUESTS, {"subject": {"$in": list(subjects)}})
        calls = work.load(store.CALLS, {"_id": {"$in": list(subjects)}})
        work.load(store.MESSAGES, {"_id": {"$in": list(subjects)}})
        by_subject = _by_subject(requests)
        for subject, received in by_subject.items():
            self._fold(work, subject, received, now)
        for call in calls:
            if call["_id"] not in by_subject:
                _put_aside(work, call)
        store.mark_folded(work, requests)

    def _fold(self, work: UnitOfWork, subject: str, requests: list[Document], now: datetime) -> None:
        business = self._business(requests)
        if business is None:
            return
        of_message = [request for request in requests if _is_message(request)]
        of_call = [request for request in requests if not _is_message(request)]
        if of_message:
            _fold_message(work, subject, of_message, business)
        if of_call:
            _fold_call(work, subject, of_call, business, now)

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


def _fold_call(work: UnitOfWork, sid: str, requests: list[Document], business: Business, now: datetime) -> None:
    call = work.get(store.CALLS, sid)
    told_as = (call["caller_kind"], call["caller"]) if call and call["told"] else None
    conclusion = conclude(sid, map(webhook_of, requests), _identify_in(business), now, told_as)
    if conclusion.outbound:
        if call:
            _put_aside(work, call)
        return
    told = _tell(work, business, sid, conclusion.facts, call)
    work.save(store.CALLS, _call(call, sid, business, conclusion, told, now))


def _put_aside(work: UnitOfWork, call: Document) -> None:
    """A call that is nobody's after all: it stands in no call log, and is not looked for any more."""
    work.save(store.CALLS, {**call, "business": None, "due_at": None, "ask_at": None})


def _fold_message(work: UnitOfWork, sid: str, requests: list[Document], business: Business) -> None:
    message = work.get(store.MESSAGES, sid)
    conclusion = conclude_message(sid, map(webhook_of, requests), _identify_in(business))
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


def _is_message(request: Document) -> bool:
    """What Twilio's API told says by its parameters what it is about."""
    told = request["kind"] == REST and any(name == "MessageSid" for name, _ in request["params"])
    return told or request["kind"] in MESSAGE_KINDS


def _by_subject(requests: Iterable[Document]) -> dict[str, list[Document]]:
    grouped: defaultdict[str, list[Document]] = defaultdict(list)
    for request in requests:
        grouped[request["subject"]].append(request)
    return grouped


def webhook_of(request: Document) -> Webhook:
    """A stored raw request as the rules see it; the parameters of our own address come with those of the form."""
    query = dict(parse_qsl(request["target"].partition("?")[2]))
    params = query | first_values(request["params"])
    return Webhook(request["kind"], request["received_at"], request["known_at"], params, request["answer"])


def _identify_in(business: Business) -> Identify:
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


def _call(
    known: Document | None, sid: str, business: Business, conclusion: Conclusion, told: list[str], now: datetime
) -> Document:
    call = known or {"_id": sid, "asked": 0}
    kind, caller = conclusion.identity or (None, None)
    return {
        **call,
        **_ending(conclusion),
        "business": business.key,
        "started_at": conclusion.started_at,
        "caller_kind": kind,
        "caller": caller,
        "caller_name": conclusion.caller_name,
        "called": conclusion.called,
        "numbers": sorted({number for number in (caller, conclusion.called) if number}),
        "recordings": [asdict(recording) for recording in conclusion.recordings],
        "transcripts": [asdict(transcript) for transcript in conclusion.transcripts],
        "missing": list(conclusion.missing),
        "in_doubt": conclusion.in_doubt,
        "due_at": conclusion.due_at,
        "ask_at": next_ask_of(conclusion, call["asked"], now),
        "put_offs": 0,
        "told": told,
    }


def _ending(conclusion: Conclusion) -> Document:
    outcome = conclusion.outcome
    return {
        "outcome": outcome.kind if outcome else None,
        "reason": outcome.reason if outcome else None,
        "why": outcome.why if outcome else None,
        "ended_at": outcome.at if outcome else None,
        "duration_seconds": outcome.seconds if outcome else None,
        "voicemail": bool(outcome and outcome.voicemail),
    }
