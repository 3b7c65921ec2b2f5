"""The answers to lookups over RabbitMQ: whose number or id is this? Those that wait together share one query."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from customer import store
from customer.domain import Document
from customer.schemas import CustomerSchema
from ringback.businesses import Business
from ringback.errors import Invalid
from ringback.phone import E164, to_e164
from ringback.rpc.codec import (
    BY_ID,
    BY_PHONE,
    NOT_FOUND,
    QUEUE,
    Question,
    decode_question,
    encode_error,
    encode_found,
)
from ringback.rpc.link import is_rabbitmq
from ringback.rpc.server import RpcServer
from ringback.store.database import Database
from ringback.worker.runtime import Loop

# A caller waits, and everybody behind: better no answer than one too late.
READ_SECONDS = 0.5

CUSTOMER = CustomerSchema()

Asked = Question | Invalid
"""What was asked, or why it cannot be answered."""


def lookup_loops(businesses: Mapping[str, Business], database: Database, bus_url: str) -> list[Loop]:
    """The loop that answers, in a worker; none with a bus that is not RabbitMQ."""
    if not is_rabbitmq(bus_url):
        return []
    return [RpcServer(QUEUE, bus_url, QUEUE, Answers(businesses, database))]


@dataclass(frozen=True)
class Answers:
    """Questions in, answers out, as JSON and in order. Raises StoreUnavailable when MongoDB does not answer."""

    businesses: Mapping[str, Business]
    database: Database

    def __call__(self, bodies: Sequence[bytes]) -> list[bytes]:
        asked = [self._understood(body) for body in bodies]
        with store.answered_within(READ_SECONDS):
            found = find(self.database, filter(_is_as_kept, _questions(asked)))
            read = [question if question in found else self._read(question) for question in asked]
            found |= find(self.database, set(_questions(read)).difference(asked))
        return [_answer(question, found) for question in read]

    def _understood(self, body: bytes) -> Asked:
        try:
            question = decode_question(body)
        except Invalid as error:
            return error
        if question.business not in self.businesses:
            return Invalid("There is no such business.", code="unknown_business")
        return question

    def _read(self, question: Asked) -> Asked:
        """With the number in E.164, as HTTP reads it."""
        if isinstance(question, Invalid) or question.key == BY_ID:
            return question
        phone = to_e164(question.value, self.businesses[question.business].country)
        return replace(question, value=phone) if phone else Invalid("Not a phone number.")


def _questions(asked: Iterable[Asked]) -> Iterator[Question]:
    return (question for question in asked if isinstance(question, Question))


def _is_as_kept(question: Question) -> bool:
    """An id, or a number that looks like E.164: if somebody has it, it need not be read, which takes longer than
    finding it."""
    return question.key == BY_ID or E164.fullmatch(question.value) is not None


def _answer(question: Asked, found: Mapping[Question, Document]) -> bytes:
    if isinstance(question, Invalid):
        return encode_error(question.code, question.message)
    customer = found.get(question)
    return encode_found(CUSTOMER.dump(customer)) if customer else NOT_FOUND


def find(database: Database, questions: Iterable[Question]) -> dict[Question, Document]:
    """The customers asked for: those that other records were merged into stand for these."""
    wanted = set(questions)
    if not wanted:
        return {}
    records = store.looked_up(database, *_keys_of(wanted))
    merged_into = {record["merged_into"] for record in records if record["merged_into"]}
    roots = store.looked_up(database, {}, merged_into)
    return _by_question(wanted, records, {root["_id"]: root for root in roots})


def _keys_of(questions: Iterable[Question]) -> tuple[dict[str, set[str]], set[str]]:
    """The numbers asked for, by business, and the ids."""
    phones: dict[str, set[str]] = {}
    ids: set[str] = set()
    for question in questions:
        (ids if question.key == BY_ID else phones.setdefault(question.business, set())).add(question.value)
    return phones, ids


def _by_question(
    questions: Iterable[Question], records: Iterable[Document], roots: Mapping[str, Document]
) -> dict[Question, Document]:
    known: dict[Question, Document] = {}
    for record in records:
        shown = roots.get(record["merged_into"]) if record["merged_into"] else record
        if shown is not None:
            known |= dict.fromkeys(_questions_for(record), shown)
    return {question: known[question] for question in questions if question in known}


def _questions_for(record: Document) -> list[Question]:
    by_phone = [Question(record["business"], BY_PHONE, phone) for phone in record.get("phones", ())]
    return [Question(record["business"], BY_ID, record["_id"]), *by_phone]
