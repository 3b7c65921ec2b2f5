"""When somebody was spoken to at a number, whoever has it. Pure, and free of order: a function of the set of facts.

{_id, business, phone, times: {call: […], text: […]}, holders: [customer ids], waiting_since}. Leads come and go,
late or merged; what was said at a number stays with the number, and counts for who has it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pipeline.domain import Mark
from pipeline.stages import CONTACTED

Document = dict[str, Any]

CALL, TEXT = "call", "text"
# Of a number the first and so many of the latest calls and texts count: a document has its bounds.
MOST_TIMES = 100


def number_id_of(business: str, phone: str) -> str:
    return f"{business}:{phone}"


def new_number(business: str, phone: str) -> Document:
    return {
        "_id": number_id_of(business, phone),
        "business": business,
        "phone": phone,
        "times": {CALL: [], TEXT: []},
        "holders": [],
    }


def with_contact(number: Document, fact: str, at: datetime) -> Document:
    """The number after it was spoken to. Commutative and idempotent."""
    times = sorted({*number["times"][fact], at})
    return {**number, "times": {**number["times"], fact: [*times[:1], *times[1:][-MOST_TIMES:]]}}


def held_by(number: Document, customer_id: str) -> Document:
    return {**number, "holders": sorted({*number["holders"], customer_id})}


def let_go_by(number: Document, customer_id: str) -> Document:
    return {**number, "holders": [holder for holder in number["holders"] if holder != customer_id]}


def after(number: Document, since: datetime) -> Document:
    """The number with what was later than that."""
    return {**number, "times": {fact: [at for at in times if at > since] for fact, times in number["times"].items()}}


def contacts_at(numbers: Iterable[Document]) -> list[Mark]:
    return [
        Mark(CONTACTED.key, at, fact) for number in numbers for fact, times in number["times"].items() for at in times
    ]
