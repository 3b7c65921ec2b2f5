"""Stored raw requests as the rules see them, and a concluded call as it is stored."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from urllib.parse import parse_qsl

from call_ingest.domain import Conclusion, next_ask_of
from call_ingest.facts import Webhook
from call_ingest.journal import first_values
from call_ingest.outcomes import REST
from ringback.store.mongo import Document

MESSAGE_KINDS = frozenset({"sms", "sms_status"})


def webhook_of(request: Document) -> Webhook:
    """A stored raw request as the rules see it; the parameters of our own address come with those of the form."""
    query = dict(parse_qsl(request["target"].partition("?")[2]))
    params = query | first_values(request["params"])
    return Webhook(request["kind"], request["received_at"], request["known_at"], params, request["answer"])


def is_message(request: Document) -> bool:
    """What Twilio's API told says by its parameters what it is about."""
    told = request["kind"] == REST and any(name == "MessageSid" for name, _ in request["params"])
    return told or request["kind"] in MESSAGE_KINDS


def by_subject(requests: Iterable[Document]) -> dict[str, list[Document]]:
    grouped: defaultdict[str, list[Document]] = defaultdict(list)
    for request in requests:
        grouped[request["subject"]].append(request)
    return grouped


def call_document(
    known: Document | None,
    sid: str,
    business: str,
    conclusion: Conclusion,
    told: list[str],
    now: datetime,
    numbers: Iterable[str] = (),
) -> Document:
    """The call as it was concluded; `known` is its document until now, `numbers` more that it is found by."""
    call = {"asked": 0, **(known or {"_id": sid})}
    kind, caller = conclusion.identity or (None, None)
    return {
        **call,
        **_ending(conclusion),
        "business": business,
        "started_at": conclusion.started_at,
        "caller_kind": kind,
        "caller": caller,
        "caller_name": conclusion.caller_name,
        "called": conclusion.called,
        "numbers": sorted({number for number in (caller, conclusion.called, *numbers) if number}),
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


# What a call's document says of who called, as it stands when it says nothing.
NOBODY: Document = {
    "caller_kind": None,
    "caller": None,
    "caller_name": None,
    "recordings": [],
    "transcripts": [],
    "missing": [],
    "in_doubt": False,
    "ask_at": None,
    "told": [],
}


def without_person(call: Document) -> Document:
    """The call as it counts: when it was, which number was called, how it ended."""
    called = call.get("called")
    return {**call, **NOBODY, "numbers": [called] if called else []}


def put_aside(call: Document) -> Document:
    """A call that is nobody's after all: it stands in no call log, and is not looked for any more."""
    return {**without_person(call), "business": None, "due_at": None}
