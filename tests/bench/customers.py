"""Lists, search, profiles and lookups at many customers beside few: `python -m tests.bench.customers`.

One private MongoDB holds both, in a database each, with five timeline entries a customer. Every request goes through
the service's own web app (Flask's test client, with a token), and the two sizes take turns request by request. The
ratio of the p99s is to stay within REACH, wherever both sizes answer with as much. What finds more the more there are
is shown as well: its ratio is that of a full page to a few rows, too, and does not count.
"""

import argparse
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask.testing import FlaskClient
from pymongo import MongoClient

from customer.app import create_app
from customer.lookups import Answers
from customer.store import CUSTOMERS, INDEXES, TIMELINE
from ringback.clock import system_clock
from ringback.rpc.codec import BY_PHONE, Question, encode_question
from ringback.store.database import Database
from ringback.web.access import Principal, make_token
from tests.bench.crowd import BUSINESS, NOW, Person, documents, person
from tests.support.mongo import mongo_server
from tests.unit.fakes import SECRET, sample_settings

REACH = 1.5
FEW = 10_000
CHUNK = 1000
SEEDERS = 2
PROFILED = 20
DRAW = 7

Ask = Callable[[Person], str]


def search(text: str) -> str:
    return f"/customers?q={quote(text)}"


QUERIES: Mapping[str, Ask] = {
    "list": lambda _: "/customers",
    "list segment": lambda _: "/customers?segment=vip",
    "list source": lambda _: "/customers?source=referral",
    "list stage": lambda _: "/customers?stage=lost",
    "list segment, source": lambda _: "/customers?segment=lead&source=sms",
    "list segment, stage": lambda _: "/customers?segment=inactive&stage=lost",
    "list source, stage": lambda _: "/customers?source=manual&stage=contacted",
    "list all three": lambda _: "/customers?segment=inactive&source=call&stage=converted",
    "search name, digits": lambda one: search(f"{one.name} {one.phone[-7:]}"),
    "search number": lambda one: search(one.phone),
    "search seven digits": lambda one: search(one.phone[-7:]),
    "search e-mail": lambda one: search(one.email or one.phone),
    "profile": lambda one: f"/customers/{one.id}",
    "timeline": lambda one: f"/customers/{one.id}/timeline?kind=call",
    "lookup": lambda one: f"/customers/lookup?phone={quote(one.phone)}",
}
FINDS_MORE: Mapping[str, Ask] = {
    "search whole name": lambda one: search(one.name),
    "search two beginnings": lambda one: search(" ".join(word[:3] for word in one.name.split())),
    "search first name": lambda one: search(one.name.split()[0]),
    "search surname": lambda one: search(one.name.split()[1]),
    "search four digits": lambda one: search(one.phone[-4:]),
    "search name, segment": lambda one: f"{search(one.name)}&segment=lead",
    "list of rare filters": lambda _: "/customers?segment=vip&source=referral",
}
RPC = "lookup over RPC, answer"
COUNTED = (*QUERIES, RPC)


@dataclass(frozen=True)
class Side:
    """One size. `ask` takes a query's name and a person."""

    size: int
    database: Database
    client: FlaskClient
    answers: Answers
    headers: Mapping[str, str]

    def ask(self, query: str, one: Person) -> None:
        if query == RPC:
            question = encode_question(Question(BUSINESS, BY_PHONE, one.phone))
            assert b'"found":true' in self.answers([question])[0]
            return
        path = (QUERIES.get(query) or FINDS_MORE[query])(one)
        answer = self.client.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text

    def somebody(self, chance: random.Random) -> Person:
        return person(chance.randrange(self.size))


def side(client: MongoClient[dict[str, Any]], size: int) -> Side:
    database = Database(client, f"bench_{size}_customer")
    settings = sample_settings()
    app = create_app(settings, database, lambda: NOW)
    token = make_token(SECRET, Principal("olga", BUSINESS, "owner"), system_clock(), timedelta(hours=2))
    answers = Answers(settings.businesses, database)
    return Side(size, database, app.test_client(), answers, {"Authorization": f"Bearer {token}"})


# Seeding: bulk inserts, then the indexes; what is measured is reading.


def seed(url: str, one: Side) -> None:
    began = time.perf_counter()
    chunks = [(url, one.database.name, first, min(first + CHUNK, one.size)) for first in range(0, one.size, CHUNK)]
    with multiprocessing.get_context("spawn").Pool(SEEDERS) as pool:
        for done, _ in enumerate(pool.imap_unordered(_insert, chunks), 1):
            if done % 100 == 0:
                say(f"{done * CHUNK} of {one.size} customers after {time.perf_counter() - began:.0f} s")
    inserted = time.perf_counter()
    one.database.ensure_indexes(INDEXES)
    say(f"{one.size} customers: {inserted - began:.0f} s, indexes {time.perf_counter() - inserted:.0f} s")


def _insert(chunk: tuple[str, str, int, int]) -> None:
    url, name, first, end = chunk
    pairs = [documents(number) for number in range(first, end)]
    with MongoClient[dict[str, Any]](url, w=1) as client:
        client[name][CUSTOMERS].insert_many([customer for customer, _ in pairs], ordered=False)
        client[name][TIMELINE].insert_many([entry for _, entries in pairs for entry in entries], ordered=False)


# Measuring.


def measured(sides: Sequence[Side], query: str, samples: int) -> list[list[float]]:
    """Milliseconds of each side, asked in turns."""
    chance, taken = random.Random(query), [list[float]() for _ in sides]
    for _ in range(samples):
        for one, times in zip(sides, taken, strict=True):
            somebody = one.somebody(chance)
            began = time.perf_counter()
            one.ask(query, somebody)
            times.append((time.perf_counter() - began) * 1000)
    return taken


def examined(one: Side, query: str) -> str:
    """What the server's profiler says of some requests, all their queries together: keys and documents a request."""
    mongo, chance = one.database.client[one.database.name], random.Random(DRAW)
    mongo.command("profile", 0)
    mongo.drop_collection("system.profile")
    mongo.command("profile", 2)
    for _ in range(PROFILED):
        one.ask(query, one.somebody(chance))
    mongo.command("profile", 0)
    collections = {"$in": [f"{one.database.name}.{name}" for name in (CUSTOMERS, TIMELINE)]}
    seen = list(mongo["system.profile"].find({"ns": collections}, {"execStats": 0}))
    assert all("COLLSCAN" not in row.get("planSummary", "") for row in seen)
    totals = (
        sum(row.get(name, 0) for row in seen) / PROFILED for name in ("keysExamined", "docsExamined", "nreturned")
    )
    return "  ".join(f"{total:8.0f}" for total in totals)


def compare(sides: Sequence[Side], samples: int) -> float:
    """Prints a line a query, and gives the highest ratio of p99s that counts."""
    say(f"{'':26}  {'p50':>15}  {'p99':>15}   p50 x  p99 x   keys, documents examined, returned a request: few; many")
    worst = max([line(sides, query, samples) for query in COUNTED])
    say("what finds more the more there are:")
    for query in FINDS_MORE:
        line(sides, query, samples)
    return worst


def line(sides: Sequence[Side], query: str, samples: int) -> float:
    few, many = (statistics.quantiles(times, n=100) for times in measured(sides, query, samples))
    half, most = many[49] / few[49], many[98] / few[98]
    costs = ";  ".join(examined(one, query) for one in sides)
    times = f"{few[49]:7.2f} {many[49]:7.2f}  {few[98]:7.2f} {many[98]:7.2f}"
    say(f"{query:26}  {times}  {half:6.2f} {most:6.2f}   {costs}")
    return most


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - its output


@contextmanager
def seeded(sizes: Sequence[int]) -> Iterator[list[Side]]:
    with ExitStack() as ending:
        server = mongo_server(Path(ending.enter_context(tempfile.TemporaryDirectory())))
        ending.callback(server.stop)
        server.start()
        client = ending.enter_context(MongoClient[dict[str, Any]](server.url, tz_aware=True))
        sides = [side(client, size) for size in sizes]
        for one in sides:
            seed(server.url, one)
        yield sides


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, default=500, help="requests of each size and query")
    options = parser.parse_args()
    with seeded((FEW, options.customers)) as sides:
        for query in (*COUNTED, *FINDS_MORE):
            measured(sides, query, 20)
        worst = compare(sides, options.samples)
    say(f"the highest ratio of p99s: {worst:.2f} (reach {REACH})")
    return 0 if worst <= REACH else 1


if __name__ == "__main__":
    sys.exit(main())
