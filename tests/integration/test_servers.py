"""The servers under the tests do what fault tests rely on."""

from typing import Any

import pytest
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.support.mongo import MongoServer
from tests.support.rabbit import RabbitServer, VirtualHosts

UNREACHABLE = (OSError, OperationalError)
QUEUE = Queue("work", Exchange("work"), routing_key="work", queue_arguments={"x-queue-type": "quorum"})


def publish(url: str, body: str) -> None:
    with Connection(url, connect_timeout=3, transport_options={"confirm_publish": True}) as connection:
        producer = connection.Producer()
        producer.publish(body, exchange="work", routing_key="work", declare=[QUEUE], timeout=3, confirm_timeout=3)


def waiting(url: str) -> str | None:
    with Connection(url, connect_timeout=3) as connection:
        message = QUEUE(connection.default_channel).get(no_ack=True)
        return message.payload if message else None


def test_each_test_has_its_own_database(mongo_url: str) -> None:
    with MongoClient[dict[str, Any]](mongo_url) as client:
        assert client.get_default_database().name.startswith("test_")
        assert client.get_default_database().list_collection_names() == []


def test_each_virtual_host_is_its_own(rabbit_url: str, virtual_hosts: VirtualHosts) -> None:
    other = virtual_hosts.take()
    publish(rabbit_url, "hello")
    publish(other, "other")
    assert waiting(rabbit_url) == "hello"
    assert waiting(rabbit_url) is None


def test_both_buses_are_offered(bus_url: str) -> None:
    assert bus_url.startswith(("mongodb://", "amqp://"))


@pytest.mark.fault
def test_rabbitmq_survives_kill_9_with_what_it_confirmed(rabbit_server: RabbitServer, rabbit_url: str) -> None:
    publish(rabbit_url, "kept")
    rabbit_server.kill()
    with pytest.raises(UNREACHABLE, match=r"refused|reset"):
        publish(rabbit_url, "lost")
    rabbit_server.start()
    assert waiting(rabbit_url) == "kept"


@pytest.mark.fault
def test_a_paused_rabbitmq_answers_again_when_resumed(rabbit_server: RabbitServer, rabbit_url: str) -> None:
    publish(rabbit_url, "kept")
    rabbit_server.pause()
    with pytest.raises(UNREACHABLE, match="timed out"):
        publish(rabbit_url, "held up")
    rabbit_server.resume()
    assert waiting(rabbit_url) == "kept"


@pytest.mark.fault
def test_a_killed_mongodb_keeps_address_and_data(mongo_server: MongoServer, mongo_url: str) -> None:
    with MongoClient[dict[str, Any]](mongo_url, serverSelectionTimeoutMS=500) as client:
        rows = client.get_default_database()["rows"]
        rows.insert_one({"_id": 1})
        mongo_server.kill()
        with pytest.raises(PyMongoError):
            rows.insert_one({"_id": 2})
        mongo_server.start()
        assert rows.count_documents({}) == 1


@pytest.mark.fault
def test_a_paused_mongodb_answers_again_when_resumed(mongo_server: MongoServer, mongo_url: str) -> None:
    with MongoClient[dict[str, Any]](mongo_url, timeoutMS=500) as client:
        rows = client.get_default_database()["rows"]
        rows.insert_one({"_id": 1})
        mongo_server.pause()
        with pytest.raises(PyMongoError):
            rows.insert_one({"_id": 2})
        mongo_server.resume()
        assert rows.count_documents({"_id": 1}) == 1
