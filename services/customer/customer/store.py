"""The customer service's documents.

`customers`: a record, {_id, business, merged_into, members: [ids], own: {facts}, version}; a root has its view, too:
what domain.py's `viewed` makes of it, and what it is found by (`search`, `found_by`, `same_email`, `same_name`).
`timeline`: {_id, business, customer_id, kind, at, …}; `customer_id` is the record's for ever, None while the entry
`awaits` a call or a number. Nothing waits for ever: MongoDB removes it after `waits_until`, which no other entry
has. Of an appointment's `changes` tells appointments.py. `links`: {_id: code, business, customer_id, url, made_at,
clicks}. `erased` and `opt_outs`: keyed hashes, see seals.py. `erased_totals`: {_id: business:month:currency, total,
visits, customers}. Money is in minor units, times are UTC.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations, combinations_with_replacement
from typing import Any

import pymongo
from pymongo import (
    ASCENDING,
    DESCENDING,
    DeleteMany,
    DeleteOne,
    IndexModel,
    InsertOne,
    ReplaceOne,
    UpdateOne,
)

from customer.alike import email_key, name_key
from customer.domain import Document
from customer.user_store import USER_INDEXES
from ringback.phone import NAMELESS_KINDS, digits_of
from ringback.seals import Seal
from ringback.store.database import Database, Indexes
from ringback.store.idempotency import KEY_INDEXES, KEYS
from ringback.store.mongo import translated_errors
from ringback.store.paging import keyset_page
from ringback.store.unit_of_work import UnitOfWork

CUSTOMERS = "customers"
TIMELINE = "timeline"
LINKS = "links"
ERASED = "erased"
ERASED_TOTALS = "erased_totals"
OPT_OUTS = "opt_outs"
EXACT_TOTAL = 10_000
UNSHOWN = {"own": 0, "search": 0, "found_by": 0}
EVER = datetime(1, 1, 1, tzinfo=UTC)
LAST_CHARACTER = "\U0010ffff"
VISIT_FIELDS = ("status", "currency", "price")
LATEST_FIRST = (("last_activity_at", DESCENDING), ("_id", DESCENDING))
FILTERS = ("segment", "source", "pipeline_stage")
# From so many matches on, reading the customers one by one costs more than passing over those who do not match.
MANY_FOUND = 1000
BEGINNING = 3
TELLING_DIGITS = 5
Keys = list[tuple[str, int]]


def listed_by(filters: Iterable[str]) -> Keys:
    """The index of a list with these filters: each combination has its own, so that no list is longer to read than
    the page, and what there is can be counted without a document."""
    chosen = [(name, ASCENDING) for name in FILTERS if name in set(filters)]
    return [("business", ASCENDING), *chosen, *LATEST_FIRST]


BY_WORD: Keys = [("business", ASCENDING), ("search", ASCENDING)]
BY_TEXT: Keys = [*listed_by(()), ("found_by", ASCENDING)]
INDEXES: Indexes = {
    **USER_INDEXES,
    CUSTOMERS: [
        IndexModel(
            [("business", ASCENDING), ("phones", ASCENDING)],
            unique=True,
            partialFilterExpression={"phone": {"$type": "string"}},
        ),
        IndexModel(
            [("business", ASCENDING), ("created_at", DESCENDING)],
            partialFilterExpression={"created_at": {"$type": "date"}},
        ),
        *(
            IndexModel(listed_by(chosen))
            for count in range(1, len(FILTERS) + 1)
            for chosen in combinations(FILTERS, count)
        ),
        IndexModel(BY_TEXT),
        IndexModel(BY_WORD),
        *(
            IndexModel(
                [("business", ASCENDING), (name, ASCENDING), ("_id", ASCENDING)],
                partialFilterExpression={name: {"$type": "string"}},
            )
            for name in ("same_email", "same_name")
        ),
        IndexModel([("segment_due_at", ASCENDING)], partialFilterExpression={"segment_due_at": {"$type": "date"}}),
    ],
    TIMELINE: [
        IndexModel([("customer_id", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("customer_id", ASCENDING), ("kind", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel(
            [("business", ASCENDING), ("at", ASCENDING), *((name, ASCENDING) for name in VISIT_FIELDS)],
            partialFilterExpression={"kind": "appointment"},
        ),
        IndexModel([("awaits", ASCENDING)], partialFilterExpression={"awaits": {"$type": "string"}}),
        IndexModel(
            [("waits_until", ASCENDING)],
            expireAfterSeconds=0,
            partialFilterExpression={"waits_until": {"$type": "date"}},
        ),
        IndexModel([("other_id", ASCENDING)], partialFilterExpression={"other_id": {"$type": "string"}}),
    ],
    LINKS: [IndexModel([("customer_id", ASCENDING)])],
    KEYS: KEY_INDEXES,
}


def load_records(work: UnitOfWork, phones: Mapping[str, Iterable[str]], ids: Iterable[str]) -> list[Document]:
    """The records of these numbers (by business) and ids."""
    query = records_query(phones, ids)
    return work.load(CUSTOMERS, query) if query else []


def records_query(phones: Mapping[str, Iterable[str]], ids: Iterable[str]) -> dict[str, Any] | None:
    """One query for all of these, each part served by an index; None when nothing is asked for."""
    numbers = {business: sorted(known) for business, known in sorted(phones.items())}
    parts: list[dict[str, Any]] = [_with_phone(business, known) for business, known in numbers.items() if known]
    if wanted_ids := sorted(ids):
        parts.append({"_id": {"$in": wanted_ids}})
    if len(parts) > 1:
        return {"$or": parts}
    return parts[0] if parts else None


def load_entries(work: UnitOfWork, ids: Iterable[str], awaited: Iterable[str]) -> list[Document]:
    """Entries of the timeline by id, and those that wait for one of these."""
    wanted: list[dict[str, Any]] = []
    if wanted_ids := sorted(ids):
        wanted.append({"_id": {"$in": wanted_ids}})
    if keys := sorted(awaited):
        wanted.append({"awaits": {"$in": keys, "$type": "string"}})
    return work.load(TIMELINE, {"$or": wanted}) if wanted else []


def load_appointments(work: UnitOfWork, record_id: str) -> list[Document]:
    """All appointments of a record, those that this unit of work changed included."""
    return work.load(TIMELINE, {"customer_id": record_id, "kind": "appointment"})


def searchable(profile: Document) -> Document:
    """The profile with what it can be found by: words of the name, the number with and without its country.

    `search`: what a word that is looked for has to begin, and the beginnings of each two words. `found_by`: all of it
    in one text.
    """
    words = folded(profile["name"] or "").split()
    numbers = [digits for phone in profile["phones"] for digits in digits_of(phone)]
    endings = [number[start:] for number in numbers for start in range(len(number) - 3)]
    email = [folded(profile["email"])] if profile["email"] else []
    return {
        **profile,
        "search": sorted({*words, *endings, *email, *_pairs([*words, *email])}),
        "found_by": " ".join([*words, *email, *numbers]),
    }


def _pairs(words: Iterable[str]) -> set[str]:
    """The beginnings of each two, of one with itself too, as it may be what two words that are looked for begin.

    Many have one word of a name, few two of them. What is looked for never begins with a space.
    """
    beginnings = sorted({word[:BEGINNING] for word in words if len(word) >= BEGINNING})
    return {f" {one} {other}" for one, other in combinations_with_replacement(beginnings, 2)}


def pair_of(words: Sequence[str]) -> list[str]:
    """The pair that a customer has who is found by these words, in a list; an empty one when that takes none, or
    when a number among the words tells more."""
    if any(word.isdigit() and len(word) >= TELLING_DIGITS for word in words):
        return []
    longest = sorted({word for word in words if not word[0].isdigit()}, key=lambda word: (len(word), word))[-2:]
    one, *others = sorted(word[:BEGINNING] for word in longest) or [""]
    return [f" {one} {other}" for other in others if len(one) == len(other) == BEGINNING]


def folded(text: str) -> str:
    """Text as it is searched: the same for any case and any way of writing a character, composed or not.

    Normalized before as well, or an accent that stands apart would be folded apart (Unicode, section 3.13.5).
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def comparable(profile: Document) -> Document:
    """The profile with what likely duplicates share, see suggestions.py; nothing of one that no number identifies."""
    somebody = profile["phone"] is not None or profile["phone_kind"] not in NAMELESS_KINDS
    return {
        **profile,
        "same_email": email_key(profile["email"]) if somebody else None,
        "same_name": name_key(profile["name"]) if somebody else None,
    }


@dataclass(frozen=True)
class Page:
    """`total` is exact up to EXACT_TOTAL, beyond that it is EXACT_TOTAL and `total_is_floor`."""

    items: list[Document]
    next: str | None
    total: int
    total_is_floor: bool


def find_customer(database: Database, business: str, customer_id: str) -> Document | None:
    with translated_errors():
        return database[CUSTOMERS].find_one({"_id": {"$eq": customer_id}, "business": business})


def find_root(database: Database, business: str, customer_id: str) -> Document | None:
    """The customer with this id, or the one that it was merged into."""
    found = find_customer(database, business, customer_id)
    if found is None or not found["merged_into"]:
        return found
    return find_customer(database, business, found["merged_into"])


def find_by_phone(database: Database, business: str, phone: str) -> Document | None:
    with translated_errors():
        return database[CUSTOMERS].find_one(_with_phone(business, [phone]))


@contextmanager
def answered_within(seconds: float) -> Iterator[None]:
    """Reads inside raise StoreUnavailable when they take longer, all together."""
    with translated_errors(), pymongo.timeout(seconds):
        yield


def looked_up(database: Database, phones: Mapping[str, Iterable[str]], ids: Iterable[str]) -> list[Document]:
    """The records of these numbers (by business) and ids, as far as a lookup shows them."""
    query = records_query(phones, ids)
    with translated_errors():
        return list(database[CUSTOMERS].find(query, UNSHOWN)) if query else []


def _with_phone(business: str, phones: Sequence[str]) -> dict[str, Any]:
    """Worded so that the unique index serves it: a partial index needs its condition in the query."""
    return {"business": business, "phones": {"$in": list(phones)}, "phone": {"$type": "string"}}


def list_customers(
    database: Database,
    business: str,
    filters: Mapping[str, str],
    words: list[str],
    cursor: str | None,
    limit: int,
) -> Page:
    """Customers with the latest activity first; `words` must each begin something that the profile is found by."""
    query, index = _matching(business, filters, words), _index_for(filters, words)
    with translated_errors():
        total = _count(database, query, index)
        if words and total >= MANY_FOUND:
            query, index = _passing_over(query, words), BY_TEXT
        items, following = keyset_page(database[CUSTOMERS], query, "last_activity_at", cursor, limit, hint=index)
    return Page(items, following, min(total, EXACT_TOTAL), total > EXACT_TOTAL)


def _matching(business: str, filters: Mapping[str, str], words: Sequence[str]) -> dict[str, Any]:
    query: dict[str, Any] = {"business": business, **{name: {"$eq": value} for name, value in filters.items()}}
    if words:
        # Not $gte and $lt: for these MongoDB looks into the documents, a beginning it reads off the index.
        # Numbers first, then the longest: a plan that MongoDB keeps goes by the place of what it began with.
        telling = sorted(words, key=lambda word: (not word[0].isdigit(), -len(word)))
        beginnings = [{"search": {"$regex": f"^{_literally(word)}"}} for word in telling]
        query["$and"] = [*({"search": pair} for pair in pair_of(words)), *beginnings]
    elif not filters:
        # A record that is part of another has no activity of its own, nor anything to be filtered or found by.
        query["last_activity_at"] = {"$gt": EVER}
    return query


def _index_for(filters: Mapping[str, str], words: Sequence[str]) -> Keys:
    if words:
        return BY_WORD
    return listed_by(filters) if filters else BY_TEXT


def _passing_over(query: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """The same, worded so that those who do not match are told from the index, without their documents."""
    return {"$and": [query, *({"found_by": {"$regex": _literally(word)}} for word in words)]}


def _literally(word: str) -> str:
    # MongoDB takes no NUL within an expression.
    return re.escape(word).replace("\0", r"\x00")


def _count(database: Database, query: Mapping[str, Any], index: Keys) -> int:
    """Up to one more than EXACT_TOTAL. By `count`: what count_documents makes of it takes three times as long."""
    counting = {"count": CUSTOMERS, "query": query, "limit": EXACT_TOTAL + 1, "hint": dict(index)}
    return int(database[CUSTOMERS].database.command(counting)["n"])


def due_segments(database: Database, now: datetime, limit: int) -> list[str]:
    """The customers whose segment time may have changed by now, those that are due longest first."""
    with translated_errors():
        due = database[CUSTOMERS].find({"segment_due_at": {"$type": "date", "$lte": now}}, {"_id": 1})
        return [row["_id"] for row in due.sort("segment_due_at", ASCENDING).limit(limit)]


def put_off_segment(database: Database, customer_id: str, until: datetime) -> None:
    with translated_errors():
        change = {"$set": {"segment_due_at": until}, "$inc": {"version": 1}}
        database[CUSTOMERS].update_one({"_id": customer_id}, change)


def record_ids(database: Database, after: str, limit: int) -> list[str]:
    """The ids of records, in their order, after one."""
    with translated_errors():
        rows = database[CUSTOMERS].find({"_id": {"$gt": after}}, {"_id": 1}).sort("_id", ASCENDING)
        return [row["_id"] for row in rows.limit(limit)]


def put_link(work: UnitOfWork, code: str, business: str, customer_id: str, url: str, now: datetime) -> None:
    """A short address of ours that leads to `url` and counts who follows it."""
    link = {"_id": code, "business": business, "customer_id": customer_id, "url": url, "made_at": now, "clicks": 0}
    work.write(LINKS, InsertOne(link))


def follow_link(database: Database, code: str, now: datetime) -> str | None:
    """Where a short address leads; counts the click."""
    change = {"$inc": {"clicks": 1}, "$set": {"last_clicked_at": now}}
    with translated_errors():
        link = database[LINKS].find_one_and_update({"_id": {"$eq": code}}, change, {"url": 1})
        return str(link["url"]) if link else None


def entry_counts(database: Database, record_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """What the entries of these records add up to: {record: {total_calls, missed_calls, total_texts}}."""
    missed = {"$and": [{"$eq": ["$kind", "call"]}, {"$eq": ["$outcome", "missed"]}]}
    counted = {
        "_id": "$customer_id",
        "total_calls": {"$sum": {"$cond": [{"$eq": ["$kind", "call"]}, 1, 0]}},
        "missed_calls": {"$sum": {"$cond": [missed, 1, 0]}},
        "total_texts": {"$sum": {"$cond": [{"$eq": ["$kind", "sms"]}, 1, 0]}},
    }
    stages: list[dict[str, Any]] = [{"$match": {"customer_id": {"$in": list(record_ids)}}}, {"$group": counted}]
    with translated_errors():
        return {row.pop("_id"): row for row in database[TIMELINE].aggregate(stages)}


def erased_of(work: UnitOfWork, seal: Seal, ids: Iterable[str]) -> frozenset[str]:
    """Those of these records and entries that were erased."""
    sealed = {seal(one): one for one in ids}
    return frozenset(sealed[row["_id"]] for row in work.load(ERASED, {"_id": {"$in": sorted(sealed)}}))


def entries_to_erase(database: Database, record_ids: Sequence[str], awaited: Sequence[str]) -> list[Document]:
    """What there is of these records, and what waits for one of these numbers, without what was said."""
    whose = [{"customer_id": {"$in": list(record_ids)}}, {"awaits": {"$in": list(awaited), "$type": "string"}}]
    kept = dict.fromkeys(("kind", "status", "starts_at", "price", "currency"), 1)
    with translated_errors():
        return list(database[TIMELINE].find({"$or": whose}, kept))


def load_merges_with(work: UnitOfWork, record_ids: Sequence[str]) -> list[Document]:
    """Entries that tell of a merge with one of these records."""
    return work.load(TIMELINE, {"other_id": {"$in": list(record_ids), "$type": "string"}})


def erase_entries(work: UnitOfWork, entry_ids: Sequence[str]) -> None:
    work.write(TIMELINE, DeleteMany({"_id": {"$in": list(entry_ids)}}))


def erase_records(work: UnitOfWork, records: Sequence[Document]) -> None:
    """Remove records with all that is theirs; ConcurrentUpdate at commit when one was changed meanwhile."""
    for record in records:
        # A unit of work compares the versions of what it replaces, not of what it deletes.
        at_version = {"_id": record["_id"], "version": record["version"]}
        work.write(CUSTOMERS, ReplaceOne(at_version, {"_id": record["_id"]}))
        work.write(CUSTOMERS, DeleteOne({"_id": record["_id"]}))
    theirs = {"customer_id": {"$in": [record["_id"] for record in records]}}
    work.write(TIMELINE, DeleteMany(theirs))
    work.write(LINKS, DeleteMany(theirs))


def refuse(work: UnitOfWork, seal: Seal, ids: Iterable[str], now: datetime) -> None:
    """Records and entries that must not come back are kept as keyed hashes, for ever."""
    for one in ids:
        work.write(ERASED, UpdateOne({"_id": seal(one)}, {"$set": {"at": now}}, upsert=True))


def add_totals(work: UnitOfWork, totals: Mapping[str, Mapping[str, int]]) -> None:
    for key, amounts in totals.items():
        work.write(ERASED_TOTALS, UpdateOne({"_id": key}, {"$inc": dict(amounts)}, upsert=True))


def find_records(database: Database, ids: Sequence[str]) -> list[Document]:
    """Each of these as it was before it was merged: its own facts."""
    with translated_errors():
        found = database[CUSTOMERS].find({"_id": {"$in": list(ids)}}, {"own": 1, "merged_into": 1})
        return sorted(found, key=lambda record: ids.index(record["_id"]))


def all_entries(database: Database, record_ids: Sequence[str]) -> list[Document]:
    """The whole history of these records."""
    with translated_errors():
        return list(database[TIMELINE].find({"customer_id": {"$in": list(record_ids)}}))


def links_of(database: Database, record_ids: Sequence[str]) -> list[Document]:
    with translated_errors():
        return list(database[LINKS].find({"customer_id": {"$in": list(record_ids)}}))


def load_opt_outs(work: UnitOfWork, ids: Iterable[str]) -> None:
    work.load(OPT_OUTS, {"_id": {"$in": sorted(set(ids))}})


def find_opt_outs(database: Database, ids: Iterable[str]) -> list[Document]:
    with translated_errors():
        return list(database[OPT_OUTS].find({"_id": {"$in": sorted(ids)}}))


def count_records(database: Database) -> int:
    """About how many there are."""
    with translated_errors():
        return database[CUSTOMERS].estimated_document_count()


def count_segment(database: Database, business: str, segment: str, most: int) -> int:
    """How many customers are in a segment, counted up to `most`."""
    with translated_errors():
        return database[CUSTOMERS].count_documents({"business": business, "segment": segment}, limit=most)


def newest_customers(database: Database, business: str, limit: int) -> list[Document]:
    made = {"business": business, "created_at": {"$type": "date"}}
    with translated_errors():
        return list(database[CUSTOMERS].find(made, UNSHOWN).sort("created_at", DESCENDING).limit(limit))


def count_made_since(database: Database, business: str, since: datetime, most: int) -> int:
    """How many became customers since then, counted up to `most`."""
    made = {"business": business, "created_at": {"$type": "date", "$gte": since}}
    with translated_errors():
        return database[CUSTOMERS].count_documents(made, limit=most)


def appointments_between(database: Database, business: str, since: datetime, until: datetime) -> list[Document]:
    """Appointments by state and currency: {status, currency, count, total}. Out of an index alone."""
    of_business = {"business": business, "kind": "appointment", "at": {"$gte": since, "$lt": until}}
    shown = {"_id": {name: f"${name}" for name in ("status", "currency")}}
    stages: list[dict[str, Any]] = [
        {"$match": of_business},
        {"$group": shown | {"count": {"$sum": 1}, "total": {"$sum": "$price"}}},
        {"$sort": {"_id.currency": 1, "_id.status": 1}},
    ]
    with translated_errors():
        return [row.pop("_id") | row for row in database[TIMELINE].aggregate(stages)]


def totals_of_erased(database: Database, business: str, month: str) -> list[Document]:
    """What the appointments of people who were erased since came to in a month (YYYY-MM): {currency, total}."""
    begin = f"{business}:{month}:"
    with translated_errors():
        found = database[ERASED_TOTALS].find({"_id": {"$gte": begin, "$lt": begin + LAST_CHARACTER}})
        return [{"currency": row["_id"].removeprefix(begin), "total": row["total"]} for row in found]


def all_customers(database: Database, business: str) -> Iterator[Document]:
    """A business's customers, the latest active first, one by one."""
    shown = {"business": business, "segment": {"$exists": True}}
    with translated_errors():
        yield from database[CUSTOMERS].find(shown).sort(list(LATEST_FIRST)).batch_size(500)
