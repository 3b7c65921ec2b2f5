"""Customers for benchmarks: a pure function of their number, so that nobody has to remember who there is.

Names are unevenly spread, as people's are: the most frequent first name is that of one in sixty, the most frequent
surname that of one in two hundred and fifty. The documents are those that the service's own functions make.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate, product

from customer import store, texts
from customer.appointments import AppointmentFact, entry_id_of, merged, totals
from customer.calls import CallFact, merged_call
from customer.domain import Document, new_own, new_record, noted, viewed
from customer.schemas import SOURCES
from customer.segments import Rules
from ringback.callers import customer_id_of
from ringback.contracts.leads import STAGES
from tests.support.events import call_sid

BUSINESS = "demo"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
RULES = Rules(vip_appointments=10, inactive_months=6)
ENTRIES = 5
FIRST_NAMES, SURNAMES = 400, 5000
AREAS = (212, 312, 415, 503, 602, 617, 702, 713, 773, 818, 206, 214, 303, 404, 512, 619, 704, 786, 901, 917)
LINES = len(AREAS) * 800 * 10_000
# Shares no divisor with LINES: no two people get the same number.
STRIDE = 104_395_301
SYLLABLES = [consonant + vowel for consonant, vowel in product("bdfgklmnprstvz", "aeiou")]


@dataclass(frozen=True, slots=True)
class Person:
    number: int
    name: str
    phone: str
    email: str | None

    @property
    def id(self) -> str:
        return customer_id_of(BUSINESS, self.phone, "")


def person(number: int) -> Person:
    chance = random.Random(number)
    first, last = _names(FIRST_NAMES, 2, 20).one(chance), _names(SURNAMES, 3, 50).one(chance)
    email = f"{first}.{last}{number}@example.com".lower() if chance.random() < 0.6 else None
    return Person(number, f"{first} {last}", _phone(number), email)


def documents(number: int) -> tuple[Document, list[Document]]:
    """A customer with their view, and their timeline of ENTRIES."""
    one, chance = person(number), random.Random(-number - 1)
    last_at = NOW - timedelta(days=chance.expovariate(1 / 250), seconds=chance.random() * 86_400)
    times = sorted(last_at - timedelta(days=chance.random() * 200) for _ in range(ENTRIES - 1))
    entries = _history(one, [*times, last_at], chance)
    own = new_own(one.phone, "mobile", chance.choices(SOURCES, (60, 15, 10, 12, 3))[0], times[0])
    for entry in entries:
        own = noted(own, None, entry, entry["at"], contact=True)
    booked = totals(entry for entry in entries if entry["kind"] == "appointment")
    if chance.random() < 0.02:
        booked["total_appointments"] += RULES.vip_appointments  # from before what the timeline holds
    own |= {"name": one.name, "email": one.email, "stage": chance.choices(STAGES, (30, 25, 15, 20, 10))[0], **booked}
    view = viewed(new_record(one.id, BUSINESS, own), [], "USD", RULES, NOW)
    return {**store.comparable(store.searchable(view)), "version": 1}, entries


def _history(one: Person, times: Sequence[datetime], chance: random.Random) -> list[Document]:
    started, called, wrote, booked, again = times
    first_call, second_call = (_call(one, index, at) for index, at in ((0, started), (1, called)))
    message = {"message_sid": f"SM{one.number:032x}", "at": wrote, "media": [], "consent": None}
    text = texts.received(BUSINESS, one.id, message | {"body": "Could you call me back this afternoon, please?"})
    last = _appointment(one, booked) if chance.random() < 0.5 else _call(one, 2, booked)
    return [{**entry, "version": 1} for entry in (first_call, second_call, text, last, _call(one, 3, again))]


def _call(one: Person, index: int, at: datetime) -> Document:
    sid = call_sid(one.number * 4 + index)
    fact = CallFact(BUSINESS, sid, one.phone, "mobile", one.name, at, direction="inbound")
    ended = CallFact(
        BUSINESS, sid, one.phone, "mobile", None, at + timedelta(seconds=40), outcome="missed", reason="no-answer"
    )
    return merged_call(merged_call(None, fact, one.id), ended, one.id)


def _appointment(one: Person, at: datetime) -> Document:
    appointment_id = f"booking-{one.number}"
    fact = AppointmentFact(appointment_id, at, "Cleaning", 9000, "USD", "completed", at, "calendar")
    return merged(None, fact, entry_id=entry_id_of(BUSINESS, appointment_id), business=BUSINESS, owner=one.id)


@dataclass(frozen=True, slots=True)
class _Names:
    names: Sequence[str]
    weights: Sequence[float]

    def one(self, chance: random.Random) -> str:
        return chance.choices(self.names, cum_weights=self.weights)[0]


@cache
def _names(count: int, syllables: int, evenness: int) -> _Names:
    """So many names, by falling frequency: that of rank r is as frequent as 1 / (r + evenness)."""
    chance = random.Random(syllables)
    every = {"".join(chance.choices(SYLLABLES, k=syllables)).capitalize() for _ in range(count * 3)}
    names = chance.sample(sorted(every), count)
    return _Names(names, list(accumulate(1 / (rank + evenness) for rank in range(count))))


def _phone(number: int) -> str:
    line = number * STRIDE % LINES
    area, rest = divmod(line, 800 * 10_000)
    return f"+1{AREAS[area]}{200 + rest // 10_000}{rest % 10_000:04}"
