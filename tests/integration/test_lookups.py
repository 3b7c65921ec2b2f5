"""Lookups over RabbitMQ, from the client in `shared` through a real broker to the customer service's documents."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pika
import pytest

from customer.app import create_app
from customer.domain import Document, hidden, new_own, new_record
from customer.lookups import Answers, lookup_loops
from customer.people import Needs, People
from customer.store import CUSTOMERS, INDEXES, records_query
from ringback.businesses import Business
from ringback.clock import system_clock
from ringback.rpc import LookupClient, LookupRefused, LookupTimedOut, LookupUnavailable
from ringback.rpc.caller import Caller
from ringback.rpc.codec import NOT_FOUND, QUEUE, decode_answer
from ringback.rpc.server import RpcServer
from ringback.store.database import Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from ringback.web.access import Principal, make_token
from ringback.worker.runtime import Worker
from tests.support.mongo import MongoServer
from tests.support.rabbit import RabbitServer
from tests.support.waiting import eventually
from tests.unit.fakes import SECRET, demo, sample_settings

PATIENT = 20.0
EXAMPLE = Path(__file__).parents[2] / "docs" / "lookups.md"


class Office:
    """The customer service's database, with customers in it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.businesses: dict[str, Business] = {"demo": demo(), "other": replace(demo(), key="other", country="GB")}
        self.answers = Answers(self.businesses, database)

    def add(self, name: str, phone: str, business: str = "demo") -> Document:
        people = self._people()
        own = new_own(phone, "mobile", "import", people.now) | {"name": name}
        added = people.put(new_record(f"id-of-{name}", business, own))
        people.work.commit()
        return added

    def merge(self, root: Document, other: Document) -> None:
        people = self._people()
        people.load(Needs(records={root["_id"], other["_id"]}))
        people.work.save(CUSTOMERS, hidden(other, root["_id"]))
        people.put({**root, "members": [other["_id"]]})
        people.work.commit()

    def _people(self) -> People:
        return People(UnitOfWork(self.database, system_clock), self.businesses, system_clock())


class Servers:
    """Lookup servers in workers, stopped at the end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._workers: list[Worker] = []

    def start(self, answer: Callable[[Sequence[bytes]], Sequence[bytes]]) -> Worker:
        worker = Worker([RpcServer(QUEUE, self._url, QUEUE, answer)])
        worker.start()
        self._workers.append(worker)
        eventually(lambda: self.count() >= len(self._workers))
        return worker

    def stop(self) -> None:
        stopped = [worker.stop() for worker in self._workers]
        assert all(stopped)
        self._workers = []

    def count(self) -> int:
        """Consumers of the queue; it is looked at, not declared."""
        try:
            return int(self._declared().consumer_count)
        except pika.exceptions.ChannelClosedByBroker:
            return 0

    def waiting(self) -> int:
        return int(self._declared().message_count)

    def _declared(self) -> Any:
        with pika.BlockingConnection(pika.URLParameters(self._url)) as connection:
            return connection.channel().queue_declare(QUEUE, passive=True).method


@pytest.fixture
def office(mongo_url: str) -> Iterator[Office]:
    database = open_database(mongo_url, "customer")
    database.ensure_indexes(INDEXES)
    yield Office(database)
    database.close()


@pytest.fixture
def servers(rabbit_url: str) -> Iterator[Servers]:
    servers = Servers(rabbit_url)
    yield servers
    servers.stop()


@pytest.fixture
def client(rabbit_url: str) -> Iterator[LookupClient]:
    with LookupClient(rabbit_url) as client:
        yield client


@pytest.fixture
def caller(rabbit_url: str) -> Iterator[Caller]:
    caller = Caller(rabbit_url, QUEUE, "test")
    yield caller
    caller.close()


def nobody(bodies: Sequence[bytes]) -> list[bytes]:
    return [NOT_FOUND] * len(bodies)


def answers_again(client: LookupClient) -> bool:
    try:
        return client.by_phone("demo", "+12125550123", deadline=1.0) is None
    except (LookupUnavailable, LookupTimedOut):
        return False


# What is answered.


def test_the_answer_is_the_one_of_http(office: Office, servers: Servers, client: LookupClient) -> None:
    ann = office.add("Ann", "+12125550123")
    servers.start(office.answers)
    settings = sample_settings()
    app = create_app(settings, office.database, system_clock)
    token = make_token(SECRET, Principal("test", "demo", "service"), system_clock(), timedelta(hours=1))
    response = app.test_client().get(
        "/customers/lookup?phone=%2B12125550123", headers={"Authorization": f"Bearer {token}"}
    )
    by_phone = client.by_phone("demo", "(212) 555-0123", deadline=PATIENT)
    assert response.json == {"found": True, "customer": by_phone}
    assert client.by_id("demo", ann["_id"], deadline=PATIENT) == by_phone
    assert by_phone is not None
    assert by_phone["name"] == "Ann"


def test_who_is_not_there_or_another_business_s_is_not_found(
    office: Office, servers: Servers, client: LookupClient
) -> None:
    theirs = office.add("Theirs", "+442079460123", "other")
    servers.start(office.answers)
    assert client.by_phone("demo", "+12125550199", deadline=PATIENT) is None
    assert client.by_phone("demo", "+442079460123", deadline=PATIENT) is None
    assert client.by_id("demo", theirs["_id"], deadline=PATIENT) is None
    assert client.by_id("demo", "nobody", deadline=PATIENT) is None
    found = client.by_phone("other", "020 7946 0123", deadline=PATIENT)
    assert found is not None
    assert found["id"] == theirs["_id"]


def test_a_merged_customer_is_answered_with_the_one_it_became(
    office: Office, servers: Servers, client: LookupClient
) -> None:
    ann, anne = office.add("Ann", "+12125550123"), office.add("Anne", "+12125550124")
    office.merge(ann, anne)
    servers.start(office.answers)
    by_old_id = client.by_id("demo", anne["_id"], deadline=PATIENT)
    assert by_old_id is not None
    assert (by_old_id["id"], by_old_id["phones"]) == (ann["_id"], ["+12125550123", "+12125550124"])
    assert client.by_phone("demo", "+12125550124", deadline=PATIENT) == by_old_id


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid"),
        (b"\xff\xfe", "invalid"),
        (b"[" * 4000, "invalid"),
        (b'{"business": "demo"}', "invalid"),
        (b'{"business": "demo", "phone": {"$gt": ""}}', "invalid"),
        (b'{"business": "demo", "customer_id": {"$gt": ""}}', "invalid"),
        (b'{"business": {"$gt": ""}, "phone": "+12125550123"}', "invalid"),
        (b'{"business": "demo", "phone": "+12125550123", "customer_id": "x"}', "invalid"),
        (b'{"business": "demo", "phone": "+12125550123", "more": 1}', "invalid"),
        (b'{"business": "demo", "customer_id": "\\ud800"}', "invalid"),
        (b'{"business": "demo", "phone": "not a number"}', "invalid"),
        (b'{"business": "demo", "phone": "' + b"1" * 100_000 + b'"}', "invalid"),
        (b'{"business": "nowhere", "phone": "+12125550123"}', "unknown_business"),
    ],
)
def test_a_bad_question_is_refused_with_a_code(
    office: Office, servers: Servers, caller: Caller, body: bytes, code: str
) -> None:
    servers.start(office.answers)
    with pytest.raises(LookupRefused) as refused:
        decode_answer(caller.call(body, PATIENT))
    assert refused.value.code == code
    assert refused.value.message


def test_no_query_scans_the_collection(office: Office) -> None:
    for number in range(200):
        office.database[CUSTOMERS].insert_one(
            {"_id": f"c{number}", "business": "demo", "phones": [f"+1{number}"], "phone": f"+1{number}"}
        )
    asked: list[tuple[dict[str, list[str]], list[str]]] = [
        ({"demo": ["+17"]}, []),
        ({"demo": ["+17"], "other": ["+18"]}, ["c3"]),
        ({}, ["c3"]),
    ]
    for phones, ids in asked:
        query = records_query(phones, ids)
        assert query is not None
        plan = office.database[CUSTOMERS].find(query).explain()
        assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"])
        assert plan["executionStats"]["totalDocsExamined"] <= len(phones) + len(ids)


def test_the_documented_example_works(
    office: Office, servers: Servers, rabbit_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    office.add("Ann", "+12125550123")
    servers.start(office.answers)
    [example] = re.findall(r"```python\n(.*?)```", EXAMPLE.read_text(), re.DOTALL)
    assert len([line for line in example.splitlines() if line]) == 3
    exec(compile(example, EXAMPLE.name, "exec"), {"amqp_url": rabbit_url})  # noqa: S102 - it is our own document
    assert capsys.readouterr().out == "Ann\n"


def test_lookups_are_served_on_rabbitmq_only(office: Office) -> None:
    assert lookup_loops(office.businesses, office.database, "mongodb://127.0.0.1/ringback") == []
    [loop] = lookup_loops(office.businesses, office.database, "amqp://127.0.0.1")
    assert loop.name == QUEUE


# Many at once.


def test_threads_share_a_client_and_each_gets_its_own_answer(
    office: Office, servers: Servers, client: LookupClient
) -> None:
    numbers = [f"+12125550{number}" for number in range(100, 140)]
    ids = {number: office.add(number, number)["_id"] for number in numbers}
    servers.start(office.answers)

    def look_up(number: str) -> bool:
        found = client.by_phone("demo", number, deadline=PATIENT)
        return found is not None and found["id"] == ids[number] and found["phone"] == number

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(look_up, numbers * 10))


def test_several_servers_share_the_load(servers: Servers, client: LookupClient) -> None:
    seen: list[set[bytes]] = [set(), set()]

    def seeing(mine: set[bytes]) -> Callable[[Sequence[bytes]], list[bytes]]:
        def answer(bodies: Sequence[bytes]) -> list[bytes]:
            mine.update(bodies)
            return nobody(bodies)

        return answer

    for mine in seen:
        servers.start(seeing(mine))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: client.by_id("demo", f"c{number}", deadline=PATIENT), range(100)))
    assert len(seen[0] | seen[1]) == 100
    assert not seen[0] & seen[1]
    assert min(map(len, seen)) >= 20


def test_what_a_dying_server_held_another_answers(servers: Servers, client: LookupClient, rabbit_url: str) -> None:
    held = threading.Event()

    class Dying(BaseException):
        """Ends the thread as kill -9 ends a process: without a word to the broker."""

    def die(_bodies: Sequence[bytes]) -> list[bytes]:
        held.set()
        raise Dying

    dying = RpcServer(QUEUE, rabbit_url, QUEUE, die)

    def serve() -> None:
        with closing(dying):
            with suppress(Dying):
                while True:
                    dying.step()
            servers.start(nobody)

    with ThreadPoolExecutor(1) as threads:
        served = threads.submit(serve)
        eventually(lambda: servers.count() == 1)
        assert client.by_id("demo", "c1", deadline=PATIENT) is None
        assert held.is_set()
        served.result()


# What cannot be answered.


def test_with_nobody_to_answer_the_caller_is_told_at_once(client: LookupClient) -> None:
    started = time.monotonic()
    with pytest.raises(LookupUnavailable, match="Nobody serves"):
        client.by_id("demo", "c1", deadline=60.0)
    assert time.monotonic() - started < 30


def test_what_waited_past_its_deadline_is_never_answered(servers: Servers, client: LookupClient) -> None:
    seen: list[bytes] = []

    def answer(bodies: Sequence[bytes]) -> list[bytes]:
        seen.extend(bodies)
        return nobody(bodies)

    servers.start(nobody)
    servers.stop()
    with pytest.raises(LookupTimedOut):
        client.by_id("demo", "stale", deadline=0.5)
    servers.start(answer)
    assert client.by_id("demo", "fresh", deadline=PATIENT) is None
    assert [b"fresh" in body for body in seen] == [True]
    assert servers.waiting() == 0


def test_a_slow_server_does_not_hold_the_caller_past_the_deadline(servers: Servers, client: LookupClient) -> None:
    gate = threading.Event()

    def slow(bodies: Sequence[bytes]) -> list[bytes]:
        gate.wait(PATIENT)
        return nobody(bodies)

    servers.start(slow)
    started = time.monotonic()
    with pytest.raises(LookupTimedOut):
        client.by_id("demo", "slow", deadline=0.5)
    assert 0.5 <= time.monotonic() - started < 5
    gate.set()
    # The late answer to the first question is not taken for the second one's.
    assert client.by_id("demo", "next", deadline=PATIENT) is None


def test_a_poison_question_hurts_nobody_else(servers: Servers, caller: Caller) -> None:
    def choosy(bodies: Sequence[bytes]) -> list[bytes]:
        if b"poison" in bodies:
            raise RuntimeError("does not go down")
        return list(bodies)

    servers.start(choosy)

    def ask(body: bytes) -> bytes:
        return caller.call(body, PATIENT)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, [b"a", b"poison", b"b", b"c"] * 10))
    assert [answer for answer in answers if b"internal" not in answer] == [b"a", b"b", b"c"] * 10
    with pytest.raises(LookupUnavailable) as failed:
        decode_answer(ask(b"poison"))
    assert failed.value.code == "internal"


@pytest.mark.parametrize("reply_to", [None, "", "victim", "amq.rabbitmq.reply-to.made-up"])
def test_a_reply_goes_to_a_caller_and_nowhere_else(
    servers: Servers, client: LookupClient, rabbit_url: str, reply_to: str | None
) -> None:
    servers.start(nobody)
    with pika.BlockingConnection(pika.URLParameters(rabbit_url)) as connection:
        channel = connection.channel()
        channel.queue_declare("victim", durable=True)
        properties = pika.BasicProperties(reply_to=reply_to, expiration=str(int(PATIENT * 1000)))
        channel.basic_publish("", QUEUE, b"{}", properties)
        # Behind it in the queue, so answered after it.
        assert client.by_id("demo", "c1", deadline=PATIENT) is None
        assert channel.queue_declare("victim", passive=True).method.message_count == 0
    eventually(lambda: servers.waiting() == 0)


def test_closing_a_client_ends_what_is_under_way(servers: Servers, rabbit_url: str) -> None:
    asked, gate = threading.Event(), threading.Event()

    def slow(bodies: Sequence[bytes]) -> list[bytes]:
        asked.set()
        gate.wait(PATIENT)
        return nobody(bodies)

    servers.start(slow)
    client = LookupClient(rabbit_url)
    with ThreadPoolExecutor(1) as threads:
        lookup = threads.submit(client.by_id, "demo", "c1", deadline=60.0)
        assert asked.wait(PATIENT)
        client.close()
        with pytest.raises(LookupUnavailable):
            lookup.result(PATIENT)
    gate.set()
    with pytest.raises(LookupUnavailable, match="closed"):
        client.by_id("demo", "c1", deadline=1.0)


# Servers that freeze, die and come back.


@pytest.mark.fault
def test_client_and_server_come_back_with_the_broker(
    rabbit_server: RabbitServer, servers: Servers, client: LookupClient
) -> None:
    servers.start(nobody)
    assert answers_again(client)
    rabbit_server.kill()
    started = time.monotonic()
    with pytest.raises(LookupUnavailable):
        client.by_id("demo", "c1", deadline=1.0)
    assert time.monotonic() - started < 5
    rabbit_server.start()
    eventually(lambda: answers_again(client), 60)


def test_a_server_whose_queue_was_deleted_makes_it_again(
    servers: Servers, client: LookupClient, rabbit_url: str
) -> None:
    servers.start(nobody)
    with pika.BlockingConnection(pika.URLParameters(rabbit_url)) as connection:
        connection.channel().queue_delete(QUEUE)
    eventually(lambda: answers_again(client), 30)


@pytest.mark.fault
def test_a_frozen_broker_does_not_hold_the_caller(
    rabbit_server: RabbitServer, servers: Servers, client: LookupClient
) -> None:
    servers.start(nobody)
    assert answers_again(client)
    rabbit_server.pause()
    started = time.monotonic()
    with pytest.raises(LookupTimedOut):
        client.by_id("demo", "c1", deadline=0.5)
    assert time.monotonic() - started < 5
    # Until the silence is noticed and the connection given up; then nobody can be reached at all.
    eventually(lambda: not_even_sent(client), 60)
    rabbit_server.resume()
    eventually(lambda: answers_again(client), 60)


def not_even_sent(client: LookupClient) -> bool:
    try:
        client.by_id("demo", "c1", deadline=0.2)
    except LookupTimedOut:
        return False
    except LookupUnavailable:
        return True
    raise AssertionError("a frozen broker answered")


@pytest.mark.fault
def test_a_frozen_database_is_told_with_its_code(
    mongo_server: MongoServer, office: Office, servers: Servers, client: LookupClient
) -> None:
    office.add("Ann", "+12125550123")
    servers.start(office.answers)
    mongo_server.pause()
    with pytest.raises(LookupUnavailable) as failed:
        client.by_phone("demo", "+12125550123", deadline=PATIENT)
    assert failed.value.code == "store_unavailable"
    mongo_server.resume()
    eventually(lambda: found_again(client), 30)


def found_again(client: LookupClient) -> bool:
    try:
        return client.by_phone("demo", "+12125550123", deadline=2.0) is not None
    except (LookupUnavailable, LookupTimedOut):
        return False
