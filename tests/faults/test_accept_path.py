"""The accept path while the servers behind it are frozen, dead or full: every caller is answered, nothing is lost."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from defusedxml import ElementTree

from call_ingest.spool import LIMIT_BYTES
from ringback.bus.connection import Bus, discard
from ringback.bus.consumer import BatchConsumer
from ringback.store.database import LEASES, OUTBOX, Database, open_database
from tests.support.box import Box
from tests.support.gunicorn import ACCOUNT, TOKEN, Ingest
from tests.support.mongo import MongoServer
from tests.support.rabbit import RabbitServer
from tests.support.stream import DIAL, VOICE, Answer, Caller, Stream, Webhook, percentile, post
from tests.support.waiting import eventually

pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]

# As much as two busy cores take besides the servers, so that what is measured is the waiting.
PER_SECOND = 60
CALLS = 180
SECONDS_BEFORE_FAULT = 1.5
P99_SECONDS = 0.3
HEAL_SECONDS = 60
FIRST_VERB = {VOICE: "Dial", DIAL: "Say"}
EVENTS = ("call.started", "call.missed")

MongoFault = tuple[Callable[[MongoServer], None], Callable[[MongoServer], None]]
RabbitFault = tuple[Callable[[RabbitServer], None], Callable[[RabbitServer], None]]
MONGO_FAULTS: dict[str, MongoFault] = {
    "frozen": (lambda server: server.pause(), lambda server: server.resume()),
    "killed": (lambda server: server.kill(), lambda server: server.start()),
}
RABBIT_FAULTS: dict[str, RabbitFault] = {
    "frozen": (lambda server: server.pause(), lambda server: server.resume()),
    "killed": (lambda server: server.kill(), lambda server: server.start()),
}


@dataclass
class Line:
    """call-ingest, and what is beyond both its ends."""

    ingest: Ingest
    database: Database
    bus: Bus

    @property
    def caller(self) -> Caller:
        return Caller(ACCOUNT, TOKEN, self.ingest.web.url)

    def stream(self, first: int = 0, calls: int = CALLS) -> Stream:
        return Stream(self.ingest.web.url, self.caller.calls(first, calls), PER_SECOND)

    def post(self, webhook: Webhook) -> Answer:
        began = time.monotonic()
        with closing(HTTPConnection(urlsplit(self.ingest.web.url).netloc, timeout=10)) as connection:
            status, text = post(connection, webhook)
        return Answer(webhook, status, text, time.monotonic() - began)

    def readyz(self) -> tuple[int, float]:
        answer = requests.get(f"{self.ingest.web.url}/readyz", timeout=10)
        return answer.status_code, answer.elapsed.total_seconds()

    def stored(self) -> Counter[tuple[str, str]]:
        """How often each webhook is in MongoDB."""
        return Counter((row["subject"], row["target"]) for row in self.database["raw_requests"].find())

    def events(self, expected: set[tuple[str, str]]) -> dict[tuple[str, str], set[str]]:
        """The ids of each (type, call) that reached a consumer, once all that are expected have come."""
        found: dict[tuple[str, str], set[str]] = {}
        connection = self.bus.connect("test")
        consumer = BatchConsumer(connection, "customer")

        def take() -> int:
            batch = consumer.receive(timeout=0.2)
            for event in (json.loads(delivery.body) for delivery in batch):
                found.setdefault((event["type"], event["subject"]), set()).add(event["id"])
            consumer.ack(batch)
            return len(batch)

        def all_came() -> bool:
            take()
            return expected <= found.keys()

        try:
            eventually(all_came, HEAL_SECONDS)
            eventually(lambda: self.database[OUTBOX].count_documents({}) == 0, HEAL_SECONDS)
            eventually(lambda: not take())
        finally:
            discard(connection)
        return found

    def spooled_bytes(self) -> int:
        """One file of each process, without anything in it, is nothing that waits."""
        return sum(path.stat().st_size for path in self.ingest.spool.glob("*.spool"))

    def assert_nothing_lost(self, accepted: Sequence[Answer]) -> None:
        """Every accepted webhook is stored once and every call with both of its webhooks was concluded once."""
        promised = {(answer.webhook.call_sid, answer.webhook.path) for answer in accepted}
        eventually(lambda: promised <= self.stored().keys(), HEAL_SECONDS)
        eventually(lambda: not self.spooled_bytes(), HEAL_SECONDS)
        assert set(self.stored().values()) == {1}
        whole = {sid for sid, path in promised if path == VOICE and (sid, DIAL) in promised}
        events = self.events({(kind, sid) for kind in EVENTS for sid in whole})
        assert {len(ids) for ids in events.values()} == {1}
        assert {kind for kind, _ in events} == set(EVENTS)


@pytest.fixture
def line(tmp_path: Path, mongo_url: str, rabbit_url: str) -> Iterator[Line]:
    ingest = Ingest(tmp_path, mongo_url, rabbit_url)
    with closing(open_database(mongo_url, "call-ingest")) as database, closing(ingest):
        ingest.start_worker()
        ingest.web.start()
        # One that is started while MongoDB is away ends, and is started again by whoever runs it.
        eventually(lambda: database[LEASES].find_one({}), seconds=30)
        yield Line(ingest, database, Bus(rabbit_url))


def wait_for_traffic(stream: Stream) -> None:
    eventually(lambda: len(stream.answers) >= SECONDS_BEFORE_FAULT * stream.per_second, seconds=30)


def assert_all_answered(answers: Sequence[Answer], sent: int) -> None:
    """Every one in time, and as if nothing had happened."""
    assert Counter(answer.status for answer in answers) == {200: sent}
    for answer in answers:
        assert first_verb(answer) == FIRST_VERB[answer.webhook.path]
    assert percentile(answers, 0.99) < P99_SECONDS, summary(answers)


def first_verb(answer: Answer) -> str:
    document = ElementTree.fromstring(answer.text)
    assert document.tag == "Response"
    return str(document[0].tag)


def summary(answers: Sequence[Answer]) -> str:
    shares = (0.5, 0.9, 0.99, 1.0)
    return ", ".join(f"p{share:.0%} {percentile(answers, share) * 1000:.0f} ms" for share in shares)


@pytest.mark.parametrize("fault", MONGO_FAULTS)
def test_callers_do_not_notice_that_mongodb_is_away(line: Line, mongo_server: MongoServer, fault: str) -> None:
    breaks, heals = MONGO_FAULTS[fault]
    stream = line.stream().start()
    wait_for_traffic(stream)
    breaks(mongo_server)
    answers = stream.join()
    heals(mongo_server)
    assert_all_answered(answers, 2 * CALLS)
    line.assert_nothing_lost(answers)


@pytest.mark.parametrize("fault", RABBIT_FAULTS)
def test_callers_do_not_notice_that_rabbitmq_is_away(line: Line, rabbit_server: RabbitServer, fault: str) -> None:
    breaks, heals = RABBIT_FAULTS[fault]
    stream = line.stream().start()
    wait_for_traffic(stream)
    breaks(rabbit_server)
    answers = stream.join()
    heals(rabbit_server)
    assert_all_answered(answers, 2 * CALLS)
    line.assert_nothing_lost(answers)


def test_kill_9_of_the_whole_web_while_mongodb_is_frozen_loses_nothing_accepted(
    line: Line, mongo_server: MongoServer
) -> None:
    stream = line.stream().start()
    wait_for_traffic(stream)
    mongo_server.pause()
    before = len(stream.accepted())
    eventually(lambda: len(stream.accepted()) >= before + 100, seconds=30)
    line.ingest.web.kill()
    stream.stop()
    assert line.spooled_bytes(), "what was accepted meanwhile is on this disk only"
    line.ingest.web.start("/readyz")
    answers = line.stream(first=CALLS, calls=20).start().join()
    assert_all_answered(answers, 40)
    mongo_server.resume()
    line.assert_nothing_lost(stream.accepted() + answers)


@pytest.fixture(params=["full", "no folder"])
def broken_spool(request: pytest.FixtureRequest, line: Line) -> Path:
    """What has to be removed to mend it."""
    if request.param == "full":
        line.ingest.spool.mkdir(parents=True)
        taken = line.ingest.spool / "000000000001-other.spool.damaged"
        with taken.open("wb") as file:
            file.truncate(LIMIT_BYTES)  # takes no room on the disk
        return taken
    line.ingest.spool.parent.write_text("no folder")
    return line.ingest.spool.parent


def test_what_can_be_kept_nowhere_is_refused_at_once_and_accepted_again_when_it_can(
    line: Line, mongo_server: MongoServer, broken_spool: Path
) -> None:
    mongo_server.pause()
    answers = line.stream(calls=50).start().join()
    assert Counter(answer.status for answer in answers) == {503: 100}
    assert {len(ElementTree.fromstring(answer.text)) for answer in answers} == {0}
    assert percentile(answers, 0.99) < P99_SECONDS, summary(answers)
    assert line.readyz()[0] == 503
    broken_spool.unlink()
    spooled = [line.post(line.caller.voice(100)), line.post(line.caller.dial(100))]
    assert [answer.status for answer in spooled] == [200, 200]
    mongo_server.resume()
    line.assert_nothing_lost(spooled)


def test_mongodb_that_comes_back_is_enough_while_the_spool_stays_broken(
    line: Line, mongo_server: MongoServer, broken_spool: Path
) -> None:
    mongo_server.pause()
    refused = line.stream(calls=20).start().join()
    assert Counter(answer.status for answer in refused) == {503: 40}
    mongo_server.resume()
    answers = eventually(lambda: all_accepted(line.stream(calls=20).start().join()), HEAL_SECONDS) or ()
    line.assert_nothing_lost(answers)
    assert broken_spool.exists()


def all_accepted(answers: Sequence[Answer]) -> Sequence[Answer] | None:
    return answers if all(answer.status == 200 for answer in answers) else None


def test_the_web_is_ready_without_mongodb_before_and_after_the_first_webhook(
    line: Line, mongo_server: MongoServer
) -> None:
    assert line.readyz()[0] == 200
    mongo_server.pause()
    checks = [line.readyz() for _ in range(5)]
    answers = [line.post(webhook) for webhook in line.caller.calls(0, 5)]
    checks += [line.readyz() for _ in range(5)]
    mongo_server.resume()
    assert [status for status, _ in checks] == [200] * 10
    assert max(seconds for _, seconds in checks) < 1.0
    line.assert_nothing_lost(answers)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    box.start()
    yield box
    box.close()


def test_callers_of_the_box_do_not_notice_that_its_mongodb_is_frozen(box: Box) -> None:
    mongod = box._mongod_pid()
    assert mongod is not None
    caller = Caller(box.secret("twilio_account_sid"), box.secret("twilio_auth_token"), box.url)
    stream = Stream(box.url, caller.calls(0, CALLS), PER_SECOND).start()
    wait_for_traffic(stream)
    os.kill(mongod, signal.SIGSTOP)
    try:
        answers = stream.join()
    finally:
        os.kill(mongod, signal.SIGCONT)
    assert_all_answered(answers, 2 * CALLS)
    token = box.token()
    expected = {answer.webhook.call_sid for answer in answers}
    eventually(lambda: expected <= set(box.timeline_calls(token)), HEAL_SECONDS, every=0.5)
    assert Counter(box.timeline_calls(token)) == dict.fromkeys(expected, 1)
