"""A MongoDB replica set for the tests."""

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from testcontainers.core.container import DockerContainer

from onebox.embedded_mongo import EmbeddedMongo, direct_client, ensure_replica_set, free_port, is_primary
from onebox.engine import locate
from tests.support.server import ContainerServer, GivenServer, Server, docker_answers
from tests.support.waiting import eventually

IMAGE = "mongo:6.0"


class MongoServer(Server, Protocol):
    pass


def mongo_server(folder: Path) -> MongoServer:
    given = os.environ.get("RINGBACK_TEST_MONGO_URL")
    if given:
        return GivenServer(given)
    if docker_answers():
        return ContainerMongo()
    return LocalMongo(folder)


@contextmanager
def fresh_database(server: MongoServer) -> Iterator[str]:
    """A URL whose database, and every one named after it, is dropped at the end.

    Nothing expires meanwhile: a test has a clock of its own, and what is new by that may be long past by MongoDB's.
    """
    name = f"test_{uuid.uuid4().hex[:12]}"
    with MongoClient[dict[str, Any]](server.url) as client:
        client.admin.command("setParameter", 1, ttlMonitorEnabled=False)
    yield with_database(server.url, name)
    server.heal()
    with MongoClient[dict[str, Any]](server.url) as client:
        for database in client.list_database_names():
            if database.startswith(name):
                client.drop_database(database)


def with_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


class LocalMongo:
    def __init__(self, folder: Path) -> None:
        self._mongo = EmbeddedMongo(locate(), folder)
        self._paused = False

    @property
    def url(self) -> str:
        return self._mongo.url

    def start(self) -> None:
        self._mongo.start()

    def stop(self) -> None:
        self.resume()
        self._mongo.stop()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        if self._paused:
            self._signal(signal.SIGCONT)
            self._paused = False

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._paused = False
        eventually(lambda: not self._mongo.running)

    def heal(self) -> None:
        self.resume()
        self.start()

    def _signal(self, number: signal.Signals) -> None:
        if self._mongo.pid is None:
            raise RuntimeError("mongod is not running")
        os.kill(self._mongo.pid, number)


class ContainerMongo(ContainerServer):
    def __init__(self) -> None:
        # The same port inside and outside: the set's address must be right for mongod and for the tests.
        self._port = free_port()
        container = DockerContainer(IMAGE).with_command(f"--replSet ringback --port {self._port}")
        super().__init__(container.with_bind_ports(self._port, self._port))

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self._port}/ringback?replicaSet=ringback"

    def wait_until_ready(self) -> None:
        eventually(self._is_ready, 60)

    def _is_ready(self) -> bool:
        try:
            with direct_client(self._port) as client:
                return ensure_replica_set(client, f"127.0.0.1:{self._port}") and is_primary(client)
        except PyMongoError:
            return False
