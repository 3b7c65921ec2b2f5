"""The board over 100,000 leads beside the board over 1,000: `python -m tests.bench.board`.

Two businesses in one database, asked through the web app in turns: the first page (five columns, counts, money, the
first 20 cards each), a further page of one column, one card's move to the top of its neighbour's column, and the
board of one source. Ratios are of the 99th percentiles and of the medians, large to small; what REACH holds is the
first page's. The leads are told as events, a batch at a time, and that rate is printed, too.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask

from pipeline.app import NAME, create_app
from pipeline.handlers import RecordLeads
from pipeline.stages import STAGES
from pipeline.store import INDEXES
from ringback.businesses import Business
from ringback.clock import system_clock
from ringback.contracts.envelope import Event, new_event
from ringback.seals import seal_with
from ringback.store.database import Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from ringback.web.access import Principal, make_token
from tests.support.mongo import fresh_database, mongo_server
from tests.unit.fakes import SECRET, demo, sample_settings

REACH = 1.5
SMALL, LARGE = "small", "large"
BATCH = 500
SOURCES = ("call", "sms", "manual", "import", "referral")
OPENED = timedelta(days=300)


def businesses() -> dict[str, Business]:
    return {key: replace(demo(), key=key) for key in (SMALL, LARGE)}


def story(business: str, number: int) -> Iterator[Event]:
    """What is told of one lead: half of them stay new, a quarter are booked, a quarter converted."""
    customer_id, phone = f"{business}-{number}", f"+1212{number:07d}"
    moment = system_clock() - OPENED * random.random()
    created = {"revision": "1", "name": f"Anna Novak {number}", "phone": phone, "phones": [phone], "email": None}
    created |= {"customer_id": customer_id, "source": SOURCES[number % len(SOURCES)], "segment": "lead"}
    yield new_event(
        "customer.created", business=business, subject=customer_id, time=moment, data=created, cause=(customer_id,)
    )
    status = (None, "canceled", "booked", "completed")[number % 4]
    if status is None:
        return
    appointment = {"customer_id": customer_id, "appointment_id": customer_id, "starts_at": moment, "service": "Check"}
    appointment |= {"price": 5000, "currency": "USD", "at": moment + timedelta(hours=1), "told_by": customer_id}
    yield new_event(
        f"appointment.{status}",
        business=business,
        subject=customer_id,
        time=moment,
        data=appointment,
        cause=(customer_id,),
    )


def tell(database: Database, business: str, leads: int) -> None:
    """Told as the worker is told, a batch of events in one transaction."""
    record = RecordLeads(businesses(), system_clock, seal_with(SECRET))
    events = [event for number in range(leads) for event in story(business, number)]
    began = time.perf_counter()
    for start in range(0, len(events), BATCH):
        work = UnitOfWork(database, system_clock)
        record(work, events[start : start + BATCH])
        work.commit()
    say(f"{business:6} {leads:7} leads, {len(events) / (time.perf_counter() - began):7.0f} events/s")


@dataclass
class Client:
    """What a person asks for, on one connection."""

    app: Flask

    def __post_init__(self) -> None:
        self._client = self.app.test_client()
        self._headers = {
            business: {"Authorization": f"Bearer {self._token(business)}"} for business in (SMALL, LARGE)
        }
        self._cursors: dict[str, str] = {}
        self._turn = 0

    def board(self, business: str) -> None:
        self._ask(business, "/leads")

    def further_page(self, business: str) -> None:
        cursor = self._cursors.get(business)
        path = "/leads?stage=new_lead" + (f"&cursor={cursor}" if cursor else "")
        self._cursors[business] = self._ask(business, path)["columns"][0]["next"]

    def of_one_source(self, business: str) -> None:
        self._ask(business, "/leads?source=sms")

    def move(self, business: str) -> None:
        """The top card of a column to the top of the next one."""
        self._turn += 1
        stages = list(STAGES)
        stage, following = stages[self._turn % 4], stages[(self._turn + 1) % 4]
        [column] = self._ask(business, f"/leads?stage={stage}&limit=1")["columns"]
        if column["cards"]:
            path = f"/customers/{column['cards'][0]['customer_id']}/move-stage"
            self._answered(self._client.post(path, json={"stage": following}, headers=self._headers[business]))

    def _ask(self, business: str, path: str) -> Any:
        return self._answered(self._client.get(path, headers=self._headers[business]))

    def _answered(self, response: Any) -> Any:
        assert response.status_code == 200, response.text
        return response.json

    def _token(self, business: str) -> str:
        return make_token(SECRET, Principal("bench", business, "owner"), system_clock(), timedelta(days=1))


@contextmanager
def running(small: int, large: int) -> Iterator[Client]:
    with ExitStack() as stack:
        mongo = mongo_server(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "mongo")
        mongo.start()
        stack.callback(mongo.stop)
        url = stack.enter_context(fresh_database(mongo))
        database = stack.enter_context(closing(open_database(url, NAME)))
        database.ensure_indexes(INDEXES)
        tell(database, SMALL, small)
        tell(database, LARGE, large)
        settings = replace(sample_settings(), businesses=businesses())
        yield Client(create_app(settings, database, system_clock))


def compare(ask: Callable[[str], None], rounds: int) -> float:
    """Prints what each side takes and gives the ratio of the 99th percentiles. The sides take turns, in turns."""
    taken: dict[str, list[float]] = {SMALL: [], LARGE: []}
    for number in range(-rounds // 10, rounds):
        for business in (SMALL, LARGE) if number % 2 else (LARGE, SMALL):
            began = time.perf_counter()
            ask(business)
            if number >= 0:  # what comes before fills caches
                taken[business].append(time.perf_counter() - began)
    medians, tails = ({side: percentile(values, share) for side, values in taken.items()} for share in (50, 99))
    ratio = tails[LARGE] / tails[SMALL]
    say(
        f"{ask.__name__:14} p50 {medians[SMALL] * 1000:6.1f} {medians[LARGE] * 1000:6.1f} ms"
        f"  ratio {medians[LARGE] / medians[SMALL]:5.2f}"
        f"   p99 {tails[SMALL] * 1000:6.1f} {tails[LARGE] * 1000:6.1f} ms  ratio {ratio:5.2f}"
    )
    return ratio


def percentile(values: Sequence[float], share: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - its output


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1_000)
    options = parser.parse_args()
    with running(options.small, options.large) as client:
        ratio = compare(client.board, options.rounds)
        for ask in (client.further_page, client.move, client.of_one_source):
            compare(ask, options.rounds // 5)
    return 0 if ratio <= REACH else 1


if __name__ == "__main__":
    sys.exit(main())
