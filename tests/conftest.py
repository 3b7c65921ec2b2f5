"""The servers under the tests.

mongo_url, rabbit_url        a fresh database, a fresh virtual host, for this test alone
bus_url                      each of the two buses in turn: the embedded one and RabbitMQ
mongo_server, rabbit_server  the servers themselves, to pause, kill and start again; healed after the test
"""

from collections.abc import Iterator

import pytest

from tests.support.mongo import MongoServer, fresh_database
from tests.support.mongo import mongo_server as choose_mongo
from tests.support.rabbit import RabbitServer, VirtualHosts
from tests.support.rabbit import rabbit_server as choose_rabbit


@pytest.fixture(scope="session")
def session_mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    server = choose_mongo(tmp_path_factory.mktemp("mongo"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def session_rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    server = choose_rabbit(tmp_path_factory.mktemp("rabbit"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def virtual_hosts(session_rabbit: RabbitServer) -> VirtualHosts:
    return VirtualHosts(session_rabbit)


@pytest.fixture
def mongo_server(session_mongo: MongoServer) -> Iterator[MongoServer]:
    yield session_mongo
    session_mongo.heal()


@pytest.fixture
def rabbit_server(session_rabbit: RabbitServer) -> Iterator[RabbitServer]:
    yield session_rabbit
    session_rabbit.heal()


@pytest.fixture
def mongo_url(mongo_server: MongoServer) -> Iterator[str]:
    with fresh_database(mongo_server) as url:
        yield url


@pytest.fixture
def rabbit_url(rabbit_server: RabbitServer, virtual_hosts: VirtualHosts) -> str:
    return virtual_hosts.take()


@pytest.fixture(params=["embedded", "rabbitmq"])
def bus_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("mongo_url" if request.param == "embedded" else "rabbit_url")
    return url
