"""Accepted, durable voice webhooks a second: call-ingest beside a plain handler and beside an empty one.

All three under gunicorn with the same workers, on one MongoDB and one RabbitMQ; rounds take turns.
"""

import argparse
import itertools
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kombu import Connection, Exchange, Queue

from tests.bench.closed_loop import Load, run
from tests.bench.peers import EXCHANGE, QUEUE
from tests.support.gunicorn import ACCOUNT, APPLICATION, TOKEN, Gunicorn, ingest_environ
from tests.support.mongo import mongo_server
from tests.support.rabbit import rabbit_server
from tests.support.stream import Caller, Webhook

INGEST, ONE, PLAIN, EMPTY = "call-ingest", "plain, one at a time", "plain", "empty"
APPLICATIONS = {
    INGEST: APPLICATION,
    ONE: "tests.bench.peers:plain()",
    PLAIN: "tests.bench.peers:plain()",
    EMPTY: "tests.bench.peers:empty()",
}
WARM_UP_SECONDS = 1.0
# More than one round can take.
FASTEST_PER_SECOND = 6000
# Under the same workers the plain handler is many requests at a time, which is more than what the reach is about.
REACH: dict[str, float | None] = {ONE: 4.0, PLAIN: None, EMPTY: 0.5}


@dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: float
    connections: int
    workers: int
    threads: int
    worker_class: str


@dataclass(frozen=True)
class Calls:
    """Requests of calls that nobody has made yet, signed and written down before they are timed."""

    server: Gunicorn
    numbers: Iterator[int]

    def prepare(self, count: int) -> Iterator[bytes]:
        caller = Caller(ACCOUNT, TOKEN, self.server.url)
        numbers = itertools.islice(self.numbers, count)
        return iter([request_of(caller.voice(number), self.server.port) for number in numbers])


def request_of(webhook: Webhook, port: int) -> bytes:
    headers = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(webhook.body)), **webhook.headers}
    lines = [f"POST {webhook.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + webhook.body


def measure(plan: Plan, folder: Path) -> dict[str, list[Load]]:
    """The rounds of each application."""
    with ExitStack() as ending:
        mongo, rabbit = mongo_server(folder / "mongo"), rabbit_server(folder / "rabbit")
        for server in (mongo, rabbit):
            ending.callback(server.stop)
            server.start()
        make_queue(rabbit.url)
        numbers = itertools.count()
        callers = [
            Calls(start(name, plan, folder / name, mongo.url, rabbit.url, ending), numbers) for name in APPLICATIONS
        ]
        for calls in callers:
            one_round(calls, plan.connections, WARM_UP_SECONDS)
        loads: dict[str, list[Load]] = {name: [] for name in APPLICATIONS}
        for _ in range(plan.rounds):
            for name, calls in zip(APPLICATIONS, callers, strict=True):
                loads[name].append(one_round(calls, plan.connections, plan.seconds))
        return loads


def make_queue(bus_url: str) -> None:
    with Connection(bus_url) as connection:
        exchange = Exchange(EXCHANGE, "topic", durable=True)
        arguments = {"x-queue-type": "quorum"}
        Queue(QUEUE, exchange, "call.started", durable=True, queue_arguments=arguments)(
            connection.channel()
        ).declare()


def start(name: str, plan: Plan, folder: Path, mongo_url: str, bus_url: str, ending: ExitStack) -> Gunicorn:
    folder.mkdir()
    workers, threads = (1, 1) if name == ONE else (plan.workers, plan.threads)
    server = Gunicorn(APPLICATIONS[name], {}, folder / "log", workers, threads, plan.worker_class)
    paths = os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))
    server.environ = ingest_environ(folder, server.url, mongo_url, bus_url) | {"PYTHONPATH": paths}
    ending.callback(server.stop)
    server.start()
    return server


def one_round(calls: Calls, connections: int, seconds: float) -> Load:
    requests = calls.prepare(int(FASTEST_PER_SECOND * seconds))
    return run(calls.server.port, requests, connections, seconds)


def report(loads: dict[str, list[Load]]) -> str:
    lines = [row(name, [load.per_second for load in rounds], "req/s", 0) for name, rounds in loads.items()]
    lines += [latencies(name, rounds) for name, rounds in loads.items()]
    for peer, reach in REACH.items():
        ratios = [
            ours.per_second / theirs.per_second for ours, theirs in zip(loads[INGEST], loads[peer], strict=True)
        ]
        unit = "x" if reach is None else f"x (reach {reach} x)"
        lines.append(row(f"{INGEST} / {peer}", ratios, unit, 2))
    return "\n".join(lines)


def row(name: str, values: Sequence[float], unit: str, digits: int) -> str:
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{name:34} min {low:>7}  median {middle:>7}  max {high:>7}  {unit}"


def latencies(name: str, rounds: Sequence[Load]) -> str:
    cuts = statistics.quantiles((second * 1000 for load in rounds for second in load.seconds), n=100)
    return f"{name:34} p50 {cuts[49]:>7.1f}  p90    {cuts[89]:>7.1f}  p99 {cuts[98]:>7.1f}  ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--worker-class", default="gthread")
    plan = Plan(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory() as folder:
        loads = measure(plan, Path(folder))
    sys.stdout.write(f"{plan}\n{report(loads)}\n")


if __name__ == "__main__":
    main()
