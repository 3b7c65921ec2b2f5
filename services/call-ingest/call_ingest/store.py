"""call-ingest's documents.

`raw_requests`: a webhook as it came, or what Twilio's API told: {_id: digest, kind, target, params: [[name, value],
…], subject: the CallSid or MessageSid it is about, business or None, received_at, known_at: when it came here,
answer: what Twilio was told to do, pending: True until it was folded, fold_at: not before}.
`calls`: what was concluded: {_id: CallSid, business, started_at, caller_kind, caller, caller_name, called, numbers:
[what it is found by], outcome, reason, why, ended_at, duration_seconds, voicemail, recordings, transcripts, due_at,
ask_at, asked: times, in_doubt, missing: [transcriptions without text], told: [event ids]}.
`messages`: {_id: MessageSid, business, direction, status, error_code, at, told: [event ids]}.
`contacts`: whom a text came from or went to, or whom we called: {_id: SID, business, numbers: [E.164], at}.
`erased`: {_id: a keyed hash of business and number, before: what began by then is erased}.
`erasures`: erasures to be worked off: {_id: event id, business, phones, before, due_at: not looked at before, until:
looked at at least that long}.
What was erased has no raw requests: a call has {erased: True, heard: [webhooks without a person]}, a contact
{erased: True, numbers: []}.
`reconciled`: one document, {since, until: what was compared with Twilio}.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate
from typing import Any

import bson
import pymongo
from bson.codec_options import CodecOptions
from pymongo import ASCENDING, DESCENDING, DeleteMany, IndexModel, UpdateMany
from pymongo.errors import BulkWriteError

from call_ingest.journal import Accepted, raw_request_id
from ringback.businesses import Business
from ringback.clock import Clock
from ringback.contracts.envelope import Event
from ringback.errors import StoreUnavailable
from ringback.store.database import Database, Indexes
from ringback.store.mongo import DUPLICATE_KEY, Document, translated_errors
from ringback.store.paging import Page, keyset_page
from ringback.store.unit_of_work import UnitOfWork

CALLS = "calls"
MESSAGES = "messages"
CONTACTS = "contacts"
ERASED = "erased"
ERASURES = "erasures"
RAW_REQUESTS = "raw_requests"
RECONCILED = "reconciled"
# Somebody is on the line, and has to hear an answer within 300 ms. A request may wait for the insert before its own,
# too; after this long each gives way to the spool.
INSERT_SECONDS = 0.12
MOST_MARKED = 2000
LONG_PAST = timedelta(hours=24)
PUT_OFF_SECONDS = (2, 10, 60, 600)
# Sentences of a running transcription come by the second; they are folded together.
FOLD_LATER: Mapping[str, timedelta] = {"transcription-content": timedelta(seconds=5)}
SIDS: Mapping[str, tuple[str, ...]] = {
    "screen": ("ParentCallSid", "CallSid"),
    "sms": ("MessageSid", "SmsSid", "SmsMessageSid"),
    "sms_status": ("MessageSid", "SmsSid", "SmsMessageSid"),
    "rest": ("CallSid", "MessageSid"),
}
NEWEST_FIRST = (("started_at", DESCENDING), ("_id", DESCENDING))
INDEXES: Indexes = {
    RAW_REQUESTS: [
        IndexModel([("pending", ASCENDING), ("fold_at", ASCENDING)], partialFilterExpression={"pending": True}),
        IndexModel([("subject", ASCENDING)]),
    ],
    CALLS: [
        IndexModel([("due_at", ASCENDING)], partialFilterExpression={"due_at": {"$type": "date"}}),
        IndexModel([("ask_at", ASCENDING)], partialFilterExpression={"ask_at": {"$type": "date"}}),
        IndexModel([("business", ASCENDING), *NEWEST_FIRST]),
        IndexModel([("business", ASCENDING), ("outcome", ASCENDING), *NEWEST_FIRST]),
        IndexModel([("business", ASCENDING), ("numbers", ASCENDING), *NEWEST_FIRST]),
    ],
    CONTACTS: [IndexModel([("business", ASCENDING), ("numbers", ASCENDING)])],
    ERASURES: [IndexModel([("due_at", ASCENDING)])],
}
UTC_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)


def raw_request(webhook: Accepted, now: datetime, business: Business | None, answer: str) -> Document:
    subject = webhook.first(*SIDS.get(webhook.kind, ("CallSid",)))
    return {
        "_id": raw_request_id(webhook.target, webhook.params),
        "kind": webhook.kind,
        "target": webhook.target,
        "params": [list(pair) for pair in webhook.params],
        "subject": subject,
        "business": business.key if business else None,
        "received_at": now,
        "known_at": now,
        "fold_at": now + FOLD_LATER.get(webhook.first("TranscriptionEvent"), timedelta()),
        "answer": answer,
        "pending": bool(subject),
    }


@dataclass(frozen=True)
class RawRequests:
    """The journal's and the spool's way into MongoDB, as `journal.Records` has it."""

    database: Database
    clock: Clock
    _inserting: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1, "call-ingest.insert"))

    def insert(self, documents: Sequence[Document]) -> Mapping[str, Document]:
        """Idempotent on `_id`. Raises StoreUnavailable after INSERT_SECONDS: the outcome is then unknown."""
        inserting = self._inserting.submit(self._insert, documents)
        try:
            # The driver's own deadline is no promise: while it knows of no server it looks out for half a second.
            return inserting.result(INSERT_SECONDS)
        except TimeoutError as error:
            raise StoreUnavailable("MongoDB does not answer in time.") from error

    def _insert(self, documents: Sequence[Document]) -> Mapping[str, Document]:
        with translated_errors(), pymongo.timeout(INSERT_SECONDS):
            known = insert_new(self.database, documents)
            if not known:
                return {}
            found = self.database[RAW_REQUESTS].find({"_id": {"$in": known}}, {"answer": 1})
            return {document["_id"]: document for document in found}

    def encode(self, document: Document) -> bytes:
        return bson.encode(document)

    def take_over(self, records: Sequence[bytes]) -> None:
        """What waited in a spool becomes known now, whenever it was received."""
        now = self.clock()
        documents = [bson.decode(record, UTC_AWARE) | {"known_at": now, "fold_at": now} for record in records]
        with translated_errors():
            insert_new(self.database, documents)

    def ping(self) -> object:
        return self.database.ping()


def insert_new(database: Database, documents: Sequence[Document]) -> list[str]:
    """Insert what is not there yet; the ids of what was. Idempotent on `_id`."""
    unique = list({document["_id"]: document for document in documents}.values())
    try:
        database[RAW_REQUESTS].insert_many(unique, ordered=False)
    except BulkWriteError as error:
        failures = error.details.get("writeErrors", ())
        if error.details.get("writeConcernErrors") or any(f["code"] != DUPLICATE_KEY for f in failures):
            raise
        return [unique[failure["index"]]["_id"] for failure in failures]
    return []


def learn(database: Database, documents: Sequence[Document]) -> int:
    """Store raw requests that no webhook brought; how many of them are new."""
    with translated_errors():
        return len(documents) - len(insert_new(database, documents)) if documents else 0


def pending_subjects(database: Database, now: datetime, limit: int) -> list[str]:
    """The calls and messages of the oldest requests that were not folded yet."""
    with translated_errors():
        waiting = database[RAW_REQUESTS].find({"pending": True, "fold_at": {"$lte": now}}, {"subject": 1})
        return list({row["subject"]: None for row in waiting.sort("fold_at", ASCENDING).limit(limit)})


def first_that_fit(database: Database, subjects: Sequence[str], most_rows: int) -> list[str]:
    """The first of these with no more requests than that together; always one."""
    counted: list[dict[str, Any]] = [
        {"$match": {"subject": {"$in": list(subjects)}}},
        {"$group": {"_id": "$subject", "rows": {"$sum": 1}}},
    ]
    with translated_errors():
        rows = {row["_id"]: row["rows"] for row in database[RAW_REQUESTS].aggregate(counted)}
    sums = accumulate(rows.get(subject, 0) for subject in subjects)
    return [subject for subject, total in zip(subjects, sums, strict=True) if total <= most_rows] or list(
        subjects[:1]
    )


def due_calls(database: Database, now: datetime, limit: int) -> list[str]:
    """The calls of which time tells more by now."""
    with translated_errors():
        due = database[CALLS].find({"due_at": {"$type": "date", "$lte": now}}, {"_id": 1})
        return [row["_id"] for row in due.sort("due_at", ASCENDING).limit(limit)]


def calls_to_ask(database: Database, now: datetime, limit: int) -> list[Document]:
    """The calls that Twilio's API is to be asked about by now; what is long past is left to reconciliation."""
    with translated_errors():
        due = database[CALLS].find({"ask_at": {"$type": "date", "$lte": now, "$gte": now - LONG_PAST}})
        return list(due.sort("ask_at", ASCENDING).limit(limit))


def load_subjects(work: UnitOfWork, sids: Sequence[str]) -> list[Document]:
    """What was received of these calls and texts; loads their documents, too."""
    for collection in (CALLS, MESSAGES, CONTACTS):
        work.load(collection, {"_id": {"$in": list(sids)}})
    return work.load(RAW_REQUESTS, {"subject": {"$in": list(sids)}})


def is_erased(work: UnitOfWork, sid: str) -> bool:
    """Of what was loaded."""
    return any((work.get(collection, sid) or {}).get("erased") for collection in (CALLS, CONTACTS))


def remove(work: UnitOfWork, requests: Sequence[Document]) -> None:
    if requests:
        work.write(RAW_REQUESTS, DeleteMany({"_id": {"$in": [request["_id"] for request in requests]}}))


def load_erased(work: UnitOfWork, keys: Iterable[str]) -> dict[str, datetime]:
    """{key: what began by then is erased} of those of these keys that were erased."""
    return {row["_id"]: row["before"] for row in work.load(ERASED, {"_id": {"$in": sorted(set(keys))}})}


def note_erased(work: UnitOfWork, key: str, before: datetime) -> None:
    """`key` was looked for by `load_erased`."""
    known = work.get(ERASED, key) or {"_id": key, "before": before}
    work.save(ERASED, {**known, "before": max(known["before"], before)})


def note_erasure(work: UnitOfWork, event: Event, due_at: datetime, until: datetime) -> None:
    erasure = {"_id": event.id, "business": event.business, "phones": event.data["phones"], "before": event.time}
    work.save(ERASURES, {**erasure, "due_at": due_at, "until": until})


def due_erasure(database: Database, now: datetime) -> Document | None:
    with translated_errors():
        return database[ERASURES].find_one({"due_at": {"$lte": now}}, sort=[("due_at", ASCENDING)])


def to_erase(database: Database, erasure: Document, limit: int) -> list[str]:
    """The calls and texts of the numbers of an erasure, as far as they are not erased yet."""
    phones, until = {"$in": erasure["phones"]}, {"$lte": erasure["before"]}
    # Who called from the business's own number: its other calls were to that number.
    other = [{"called": {"$nin": erasure["phones"]}}, {"caller": phones}]
    calls = {"business": erasure["business"], "numbers": phones, "started_at": until, "$or": other}
    contacts = {"business": erasure["business"], "numbers": phones, "at": until}
    with translated_errors():
        found = [
            row["_id"]
            for collection, query in ((CALLS, calls), (CONTACTS, contacts))
            for row in database[collection].find(query, {"_id": 1}).limit(limit)
        ]
    return found[:limit]


def erasure_due(database: Database, erasure: Document, due_at: datetime) -> None:
    with translated_errors():
        database[ERASURES].update_one({"_id": erasure["_id"]}, {"$set": {"due_at": due_at}})


def erasure_done(database: Database, erasure: Document) -> None:
    with translated_errors():
        database[ERASURES].delete_one({"_id": erasure["_id"]})


def erased_of(database: Database, sids: Sequence[str]) -> set[str]:
    """Those of these calls and texts that were erased."""
    erased = {"_id": {"$in": list(sids)}, "erased": True}
    with translated_errors():
        return {row["_id"] for name in (CALLS, CONTACTS) for row in database[name].find(erased, {"_id": 1})}


def mark_folded(work: UnitOfWork, requests: Sequence[Document]) -> None:
    """No more of them than a transaction has time for: the rest is folded again."""
    ids = [request["_id"] for request in requests if request["pending"]][:MOST_MARKED]
    if ids:
        work.write(RAW_REQUESTS, UpdateMany({"_id": {"$in": ids}}, {"$set": {"pending": False}}))


def put_off(database: Database, subject: str, now: datetime) -> None:
    """Take a call that cannot be folded now out of the way, for longer each time; nothing of it is dropped."""
    with translated_errors():
        waiting = {"subject": subject, "pending": True}
        request = database[RAW_REQUESTS].find_one(waiting, sort=[("put_offs", DESCENDING)]) or {}
        call = database[CALLS].find_one({"_id": subject}) or {}
        times = max(request.get("put_offs", 0), call.get("put_offs", 0))
        until = now + timedelta(seconds=PUT_OFF_SECONDS[min(times, len(PUT_OFF_SECONDS) - 1)])
        database[RAW_REQUESTS].update_many(waiting, {"$set": {"fold_at": until, "put_offs": times + 1}})
        overdue = {"_id": subject, "due_at": {"$type": "date", "$lt": until}}
        change = {"$set": {"due_at": until}, "$inc": {"version": 1, "put_offs": 1}}
        database[CALLS].update_one(overdue, change)


def asked(database: Database, call: Document, ask_at: datetime | None) -> None:
    """Note that Twilio was asked, unless the call was folded meanwhile: then that said when to ask next."""
    with translated_errors():
        change = {"$set": {"ask_at": ask_at, "asked": call["asked"] + 1}, "$inc": {"version": 1}}
        database[CALLS].update_one({"_id": call["_id"], "version": call["version"]}, change)


def subjects_heard_of(database: Database, sids: Sequence[str]) -> set[str]:
    with translated_errors():
        return set(database[RAW_REQUESTS].distinct("subject", {"subject": {"$in": list(sids)}}))


def ended_calls(database: Database, sids: Sequence[str]) -> set[str]:
    """Those whose end Twilio need not be asked about any more."""
    ended = {"_id": {"$in": list(sids)}, "outcome": {"$ne": None}, "in_doubt": False}
    with translated_errors():
        return {call["_id"] for call in database[CALLS].find(ended, {"_id": 1})}


def message_statuses(database: Database, sids: Sequence[str]) -> dict[str, str]:
    with translated_errors():
        found = database[MESSAGES].find({"_id": {"$in": list(sids)}}, {"status": 1})
        return {message["_id"]: message["status"] for message in found}


def reconciled(database: Database) -> tuple[datetime, datetime] | None:
    """Since when this installation compares, and up to when it has; None before the first time."""
    with translated_errors():
        state = database[RECONCILED].find_one({"_id": RECONCILED})
        return (state["since"], state["until"]) if state else None


def note_reconciled(database: Database, until: datetime) -> None:
    """What is noted first is the beginning."""
    change = {"$set": {"until": until}, "$setOnInsert": {"since": until}}
    with translated_errors():
        database[RECONCILED].update_one({"_id": RECONCILED}, change, upsert=True)


def list_calls(database: Database, business: str, filters: Mapping[str, Any], cursor: str | None, limit: int) -> Page:
    """A business's calls, newest first. `filters`: outcome (None: not ended), number, since, until."""
    query: dict[str, Any] = {"business": business}
    if "outcome" in filters:
        query["outcome"] = {"$eq": filters["outcome"]}
    if "number" in filters:
        query["numbers"] = {"$eq": filters["number"]}
    moments = {operator: filters[name] for name, operator in MOMENTS.items() if name in filters}
    if moments:
        query["started_at"] = moments
    with translated_errors():
        return keyset_page(database[CALLS], query, "started_at", cursor, limit)


MOMENTS = {"since": "$gte", "until": "$lt"}


def count_calls(database: Database, business: str, since: datetime, until: datetime, zone: str) -> list[Document]:
    """Calls by hour of that zone and outcome: {hour, outcome, count}. Out of an index alone."""
    begun = {"business": business, "outcome": {"$in": list(COUNTED)}, "started_at": {"$gte": since, "$lt": until}}
    hour = {"$dateTrunc": {"date": "$started_at", "unit": "hour", "timezone": zone}}
    stages: list[dict[str, Any]] = [
        {"$match": begun},
        {"$group": {"_id": {"hour": hour, "outcome": "$outcome"}, "count": {"$sum": 1}}},
        {"$sort": {"_id.hour": 1, "_id.outcome": 1}},
    ]
    with translated_errors():
        return [row["_id"] | {"count": row["count"]} for row in database[CALLS].aggregate(stages)]


# Who was turned away is no caller; None is a call that has not ended.
COUNTED = ("completed", "missed", None)


def find_call(database: Database, business: str, call_sid: str) -> Document | None:
    with translated_errors():
        return database[CALLS].find_one({"_id": {"$eq": call_sid}, "business": business})


def requests_of(database: Database, subject: str) -> list[Document]:
    """Everything that was received about a call, oldest first; of its sentences the first thousand."""
    of_call = {"subject": {"$eq": subject}}
    with translated_errors():
        others = database[RAW_REQUESTS].find({**of_call, "kind": {"$ne": "transcription"}}).limit(MOST_REQUESTS)
        spoken = database[RAW_REQUESTS].find({**of_call, "kind": "transcription"}).sort("received_at", ASCENDING)
        found = [*others, *spoken.limit(MOST_REQUESTS)]
    return sorted(found, key=lambda request: (request["received_at"], request["_id"]))


MOST_REQUESTS = 1000
