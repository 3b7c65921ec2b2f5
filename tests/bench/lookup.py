"""Lookups a second over RabbitMQ beside a bare pika echo: `python -m tests.bench.lookup`.

Both have one server process and one client process on the same broker, and take turns in short rounds. The echo is
pika's own RPC tutorial with direct reply-to: a blocking connection that sends each body back and acknowledges, and
a blocking connection in each client thread. A lookup reads the customer from MongoDB on the way: what that takes
alone, from the client process, is the third number. Ratios are lookups to echoes, taken round by round; the median
has to reach REACH with every number of threads.

One thread alone measures latency, and there the read counts in full: with a lookup's transport as fast as the echo
the ratio would be reads / (reads + echoes).
"""

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pika

from customer.domain import new_own, new_record
from customer.lookups import find, lookup_loops
from customer.people import People
from customer.store import INDEXES
from ringback.clock import system_clock
from ringback.rpc import LookupClient, LookupUnavailable
from ringback.rpc.caller import REPLIES
from ringback.rpc.codec import BY_PHONE, Question
from ringback.store.database import Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from ringback.worker.runtime import Worker, run_until_signal
from tests.support.mongo import fresh_database, mongo_server
from tests.support.rabbit import VirtualHosts, rabbit_server
from tests.support.waiting import eventually
from tests.unit.fakes import demo

REACH = 0.6
CUSTOMERS = 1000
DEADLINE = 30.0
ECHO_QUEUE = "echo"
BODY = b'{"business":"demo","phone":"+12125550123"}'


class Asker(Protocol):
    """What one thread asks with; `number` varies the question."""

    def ask(self, number: int) -> None: ...
    def close(self) -> None: ...


class Lookups:
    """All threads share one client."""

    def __init__(self, client: LookupClient) -> None:
        self._client = client

    def ask(self, number: int) -> None:
        assert self._client.by_phone("demo", phone(number), deadline=DEADLINE) is not None

    def close(self) -> None: ...


class Echoes:
    """A connection of this thread's own: pika's may not be shared."""

    def __init__(self, url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        self._channel.basic_consume(REPLIES, self._on_answer, auto_ack=True)
        self._awaited: str | None = None

    def ask(self, number: int) -> None:
        self._awaited = str(number)
        properties = pika.BasicProperties(reply_to=REPLIES, correlation_id=self._awaited)
        self._channel.basic_publish("", ECHO_QUEUE, BODY, properties)
        while self._awaited is not None:
            self._connection.process_data_events(time_limit=DEADLINE)

    def close(self) -> None:
        self._connection.close()

    def _on_answer(self, _channel: Any, _method: Any, properties: Any, _body: bytes) -> None:
        if properties.correlation_id == self._awaited:
            self._awaited = None


class Reads:
    """What a lookup asks of MongoDB, and nothing else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, number: int) -> None:
        assert find(self._database, [Question("demo", BY_PHONE, phone(number))])

    def close(self) -> None: ...


def phone(number: int) -> str:
    return f"+1212555{number % CUSTOMERS:04}"


def serve_echoes(url: str) -> None:
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.queue_declare(ECHO_QUEUE, durable=True)

    def echo(_channel: Any, method: Any, properties: Any, body: bytes) -> None:
        answered = pika.BasicProperties(correlation_id=properties.correlation_id)
        channel.basic_publish("", properties.reply_to, body, answered)
        channel.basic_ack(method.delivery_tag)

    channel.basic_qos(prefetch_count=50)
    channel.basic_consume(ECHO_QUEUE, echo)
    channel.start_consuming()


def serve_lookups(url: str, mongo_url: str) -> None:
    with closing(open_database(mongo_url, "customer")) as database:
        run_until_signal(Worker(lookup_loops({"demo": demo()}, database, url)))


def add_customers(mongo_url: str) -> None:
    with closing(open_database(mongo_url, "customer")) as database:
        database.ensure_indexes(INDEXES)
        work = UnitOfWork(database, system_clock)
        people = People(work, {"demo": demo()}, system_clock())
        for number in range(CUSTOMERS):
            own = new_own(phone(number), "mobile", "import", system_clock()) | {"name": f"Customer {number}"}
            people.put(new_record(f"customer-{number}", "demo", own))
        work.commit()


def rate(make: Callable[[], Asker], threads: int, seconds: float) -> float:
    """Answers a second; connecting and the first answer do not count."""
    ready, counts = threading.Barrier(threads), [0] * threads
    took = [0.0] * threads

    def work(index: int) -> None:
        with closing(make()) as asker:
            asker.ask(index)
            ready.wait(DEADLINE)
            started = time.perf_counter()
            while time.perf_counter() - started < seconds:
                asker.ask(counts[index] * threads + index)
                counts[index] += 1
            took[index] = time.perf_counter() - started

    workers = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(count / duration for count, duration in zip(counts, took, strict=True))


Sides = dict[str, Callable[[], Asker]]


@contextmanager
def running() -> Iterator[Sides]:
    """Broker, database, both servers and the client."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rabbit, mongo = rabbit_server(folder / "rabbit"), mongo_server(folder / "mongo")
        for server in (rabbit, mongo):
            server.start()
            stack.callback(server.stop)
        url, mongo_url = VirtualHosts(rabbit).take(), stack.enter_context(fresh_database(mongo))
        add_customers(mongo_url)
        for target, arguments in ((serve_echoes, (url,)), (serve_lookups, (url, mongo_url))):
            process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
            process.start()
            stack.callback(process.join)
            stack.callback(process.terminate)
        client = stack.enter_context(LookupClient(url))
        eventually(lambda: is_served(client), 30)
        eventually(lambda: is_echoed(url), 30)
        database = stack.enter_context(closing(open_database(mongo_url, "customer")))
        yield {"lookups": lambda: Lookups(client), "echoes": partial(Echoes, url), "reads": lambda: Reads(database)}


def is_served(client: LookupClient) -> bool:
    try:
        return client.by_phone("demo", phone(0), deadline=DEADLINE) is not None
    except LookupUnavailable:
        return False


def is_echoed(url: str) -> bool:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        try:
            return bool(connection.channel().queue_declare(ECHO_QUEUE, passive=True).method.consumer_count)
        except pika.exceptions.ChannelClosedByBroker:
            return False


def compare(sides: Sides, threads: int, rounds: int, seconds: float) -> float:
    """Prints the rates and gives the median of the rounds' ratios. Each round begins with another side."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            rates[name].append(rate(sides[name], threads, seconds))
    ratios = [lookups / echoes for lookups, echoes in zip(rates["lookups"], rates["echoes"], strict=True)]
    for name, values in rates.items():
        show(threads, f"{name}/s", values, ".0f")
    show(threads, "ratio", ratios, ".2f")
    return statistics.median(ratios)


def show(threads: int, name: str, values: list[float], form: str) -> None:
    spread = "  ".join(format(value, form) for value in (min(values), statistics.median(values), max(values)))
    print(f"{threads:3} threads  {name:10} min median max  {spread}", flush=True)  # noqa: T201 - its output


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each side in each round")
    options = parser.parse_args()
    with running() as sides:
        reached = [compare(sides, threads, options.rounds, options.seconds) for threads in options.threads]
    return 0 if min(reached) >= REACH else 1


if __name__ == "__main__":
    sys.exit(main())
