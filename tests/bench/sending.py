"""How fast two notifiers side by side send what waits: `python -m tests.bench.sending`.

The requests of one business wait, its sender may send so many segments a second, and Twilio (the fake of the tests,
over HTTP) takes a while for each answer. Two worker processes send. Measured is from the first slot to the last: the
ratio to the sender's limit has to be within REACH, and the fake's own ledger has to hold one message
for each request.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from notifier.app import NAME
from notifier.store import INDEXES, MESSAGES
from notifier.worker import sending_loops
from ringback.clock import system_clock
from ringback.settings import Settings, load_settings
from ringback.store.database import Database, open_database
from ringback.worker.runtime import Worker, run_until_signal
from tests.support.fake_twilio import ACCOUNT, TOKEN, FakeTwilio
from tests.support.mongo import fresh_database, mongo_server
from tests.support.waiting import eventually
from tests.unit.notifier.shop import Shop, requested

# Late workers may catch up a fifth of a second.
REACH = (0.95, 1.01)
BATCH = 500
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Course:
    """`requests` in all, `limit` segments a second, `latency` seconds that Twilio takes, `workers` processes."""

    requests: int
    limit: float
    latency: float
    workers: int


def settings_of(twilio_url: str, course: Course) -> Settings:
    environ = {
        "RINGBACK_SECRET_KEY": "s" * 40,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_API_BASE_URL": twilio_url,
    }
    settings = load_settings(environ)
    demo = settings.businesses["demo"]
    most = course.requests
    texting = replace(demo.texting, per_second=course.limit, most_a_day=most, most_segments_a_day=most)
    return replace(settings, businesses={"demo": replace(demo, texting=texting)})


def serve(mongo_url: str, twilio_url: str, course: Course, number: int) -> None:
    """A worker process, until SIGTERM."""
    database = open_database(mongo_url, NAME)
    loops = sending_loops(settings_of(twilio_url, course), database, system_clock, f"worker {number}", 0.05)
    run_until_signal(Worker(loops))


def request_all(database: Database, course: Course) -> None:
    shop = Shop(database, now=system_clock())
    for start in range(0, course.requests, BATCH):
        numbers = range(start, min(start + BATCH, course.requests))
        shop.happen(*(requested(f"r{one}", f"+1212{5550000 + one:07d}", shop.now) for one in numbers))


def measure(mongo_url: str, twilio: FakeTwilio, course: Course) -> float:
    """Texts a second. Raises RuntimeError when the ledger does not hold each once."""
    database = open_database(mongo_url, NAME)
    database.ensure_indexes(INDEXES)
    request_all(database, course)
    twilio.latency = course.latency
    workers = [
        SPAWN.Process(target=serve, args=(mongo_url, twilio.url, course, number)) for number in range(course.workers)
    ]
    for worker in workers:
        worker.start()
    seconds = course.requests / course.limit * 3 + 60
    eventually(lambda: database[MESSAGES].count_documents({"state": "sent"}) == course.requests, seconds, 1.0)
    for worker in workers:
        worker.terminate()
        worker.join(30)
    check(twilio, course)
    slots = sorted(row["attempted_at"] for row in database[MESSAGES].find({}, {"attempted_at": 1}))
    database.close()
    return (course.requests - 1) / float((slots[-1] - slots[0]).total_seconds())


def check(twilio: FakeTwilio, course: Course) -> None:
    sent = Counter({name: len(sids) for name, sids in twilio.sids_by_request().items()})
    if len(sent) != course.requests or set(sent.values()) != {1}:
        raise RuntimeError(f"{len(sent)} requests of {course.requests} were sent, {sent.most_common(3)} most often.")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--limit", type=float, default=100)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def main() -> int:
    course = Course(**vars(arguments()))
    with tempfile.TemporaryDirectory() as folder, FakeTwilio() as twilio:
        server: Any = mongo_server(Path(folder))
        server.start()
        began = time.monotonic()
        try:
            with fresh_database(server) as url:
                rate = measure(url, twilio, course)
        finally:
            server.stop()
    ratio = rate / course.limit
    print(f"{course.requests} texts by {course.workers} workers: {rate:.1f}/s, {ratio:.3f} of the limit")  # noqa: T201 - its output
    print(f"{time.monotonic() - began:.0f} s in all; each request once in Twilio's ledger")  # noqa: T201 - its output
    return 0 if REACH[0] <= ratio <= REACH[1] else 1


if __name__ == "__main__":
    sys.exit(main())
