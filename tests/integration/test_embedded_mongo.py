"""The embedded MongoDB, for real: what a user's machine does to it must not cost a document."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from onebox.embedded_mongo import (
    EmbeddedMongo,
    address,
    direct_client,
    ensure_replica_set,
    is_locked,
    is_primary,
    password_file,
    url_of,
)
from onebox.engine import Engine, EngineError, locate
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def engine() -> Engine:
    return locate()


@pytest.fixture
def mongo(engine: Engine, tmp_path: Path) -> Iterator[EmbeddedMongo]:
    server = EmbeddedMongo(engine, tmp_path / "data")
    yield server
    server.stop()


@contextmanager
def client_of(url: str) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](url, w="majority", journal=True, serverSelectionTimeoutMS=5000) as client:
        yield client


def remember(url: str, word: str) -> None:
    with client_of(url) as client:
        client.get_default_database()["words"].insert_one({"_id": word})


def words(url: str) -> list[str]:
    with client_of(url) as client:
        return [row["_id"] for row in client.get_default_database()["words"].find()]


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def test_it_accepts_transactions_as_soon_as_it_has_started(mongo: EmbeddedMongo) -> None:
    with client_of(mongo.start()) as client, client.start_session() as session, session.start_transaction():
        client.get_default_database()["words"].insert_one({"_id": "one"}, session=session)
    assert words(mongo.url) == ["one"]


def test_only_this_user_on_this_machine_reaches_it(mongo: EmbeddedMongo, tmp_path: Path) -> None:
    with client_of(mongo.start()) as client:
        options = client.admin.command("getCmdLineOpts")["parsed"]
    assert options["net"]["bindIp"] == "127.0.0.1"
    assert mode(tmp_path / "data" / "mongo") == 0o700
    assert {file.name: mode(file) for file in (tmp_path / "data" / "secrets").iterdir()} == {
        "mongo_key": 0o600,
        "mongo_password": 0o600,
    }


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_without_the_password_it_answers_nothing(mongo: EmbeddedMongo) -> None:
    port = port_of(mongo.start())
    nobody = f"mongodb://127.0.0.1:{port}/ringback?replicaSet=ringback"
    assert refusal(nobody) == "Unauthorized"
    assert refusal(address(port, "guessed")) == "AuthenticationFailed"
    assert words(mongo.url) == []


def refusal(url: str) -> str:
    with pytest.raises(OperationFailure) as caught:
        remember(url, "from a stranger")
    assert caught.value.details is not None
    return str(caught.value.details["codeName"])


def test_a_stranger_cannot_make_the_first_user(mongo: EmbeddedMongo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onebox.embedded_mongo.ensure_user", lambda *_: True)
    with direct_client(port_of(mongo.start())) as stranger, pytest.raises(OperationFailure) as caught:
        stranger.admin.command("createUser", "stranger", pwd="x", roles=["root"])
    assert caught.value.details is not None
    assert caught.value.details["codeName"] == "Unauthorized"


def test_another_process_of_the_user_finds_the_url(mongo: EmbeddedMongo, tmp_path: Path) -> None:
    url = mongo.start()
    assert url_of(tmp_path / "data") == url


def test_a_folder_from_before_there_was_a_password_gets_one(engine: Engine, tmp_path: Path) -> None:
    with running_without_password(engine, tmp_path / "data") as client:
        client["ringback"]["words"].insert_one({"_id": "kept"})
    with EmbeddedMongo(engine, tmp_path / "data") as mongo:
        assert words(mongo.url) == ["kept"]
        assert refusal(address(port_of(mongo.url), "guessed")) == "AuthenticationFailed"


@contextmanager
def running_without_password(engine: Engine, folder: Path) -> Iterator[MongoClient[dict[str, Any]]]:
    """As Ringback's first versions ran it."""
    mongo = Unprotected(engine, folder)
    mongo._prepare_folder()
    mongo._spawn_on_free_port()
    port = int((folder / "mongo.port").read_text())
    try:
        with direct_client(port) as client:
            ensure_replica_set(client, f"127.0.0.1:{port}")
        with direct_client(port) as client:
            eventually(lambda: is_primary(client))
            yield client
    finally:
        mongo.stop()


class Unprotected(EmbeddedMongo):
    def _command(self) -> list[str]:
        return [word for word in super()._command() if "keyFile" not in word and "LocalhostAuth" not in word]


def lose(folder: Path) -> None:
    shutil.rmtree(folder)


def expose(folder: Path) -> None:
    for file in folder.iterdir():
        file.chmod(0o644)


@pytest.mark.parametrize("harm", [lose, expose])
def test_secrets_that_a_copy_or_a_user_lost_or_exposed_are_mended(
    mongo: EmbeddedMongo, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    remember(mongo.start(), "kept")
    mongo.stop()
    harm(tmp_path / "data" / "secrets")
    assert words(mongo.start()) == ["kept"]
    assert mode(password_file(tmp_path / "data")) == 0o600


def test_a_restart_keeps_the_address_and_the_data(mongo: EmbeddedMongo) -> None:
    url = mongo.start()
    remember(url, "kept")
    mongo.stop()
    assert mongo.start() == url
    assert words(url) == ["kept"]


def test_starting_twice_is_starting_once(mongo: EmbeddedMongo) -> None:
    mongo.start()
    process = mongo.pid
    mongo.start()
    assert mongo.pid == process


def test_kill_9_loses_nothing_that_was_acknowledged(mongo: EmbeddedMongo) -> None:
    url = mongo.start()
    remember(url, "kept")
    assert mongo.pid is not None
    os.kill(mongo.pid, signal.SIGKILL)
    eventually(lambda: not mongo.running)
    mongo.start()
    assert words(mongo.url) == ["kept"]


def test_a_port_taken_meanwhile_is_exchanged(mongo: EmbeddedMongo) -> None:
    url = mongo.start()
    remember(url, "kept")
    mongo.stop()
    with answering(port_of(url)):
        assert mongo.start() != url
        assert words(mongo.url) == ["kept"]


@contextmanager
def answering(port: int) -> Iterator[None]:
    """Some other program on the port: it hangs up on everybody."""
    with socket.create_server(("127.0.0.1", port)) as server:
        thread = threading.Thread(target=hang_up, args=[server])
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def hang_up(server: socket.socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


def test_a_copied_folder_runs_beside_its_original(mongo: EmbeddedMongo, engine: Engine, tmp_path: Path) -> None:
    remember(mongo.start(), "kept")
    mongo.stop()
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    mongo.start()
    with EmbeddedMongo(engine, tmp_path / "copy") as copy:
        assert copy.url != mongo.url
        remember(copy.url, "only in the copy")
        assert words(copy.url) == ["kept", "only in the copy"]
    assert words(mongo.url) == ["kept"]


def test_a_folder_in_use_is_refused_with_the_holder_named(
    mongo: EmbeddedMongo, engine: Engine, tmp_path: Path
) -> None:
    mongo.start()
    with pytest.raises(EngineError, match=rf"in use by .*mongod \(process {mongo.pid}\)"):
        EmbeddedMongo(engine, tmp_path / "data", lock_wait_seconds=0.2).start()


def test_a_mongod_that_is_still_shutting_down_is_waited_for(
    mongo: EmbeddedMongo, engine: Engine, tmp_path: Path
) -> None:
    remember(mongo.start(), "kept")
    assert mongo.pid is not None
    os.kill(mongo.pid, signal.SIGTERM)
    with EmbeddedMongo(engine, tmp_path / "data") as successor:
        assert words(successor.url) == ["kept"]


PARENT = """
import sys, time
from pathlib import Path
from onebox.embedded_mongo import EmbeddedMongo
from onebox.engine import locate
print(EmbeddedMongo(locate(), Path(sys.argv[1])).start(), flush=True)
time.sleep(600)
"""


def test_it_ends_when_its_parent_is_killed_and_the_data_is_there_next_time(
    mongo: EmbeddedMongo, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, tmp_path / "data"], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        remember(parent.stdout.readline().strip(), "kept")
        parent.kill()
    eventually(lambda: not is_locked(tmp_path / "data" / "mongo" / "mongod.lock"))
    assert words(mongo.start()) == ["kept"]


def test_a_mongod_that_does_not_start_is_reported_with_what_its_log_says(tmp_path: Path) -> None:
    program = tmp_path / "mongod"
    program.write_text("#!/bin/sh\necho the reason >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(EngineError, match=r"mongod did not start; .*mongod\.log says:\nthe reason"):
        EmbeddedMongo(Engine(program), tmp_path / "data").start()


def test_it_must_be_started_by_the_main_thread(mongo: EmbeddedMongo) -> None:
    caught: list[BaseException] = []

    def start() -> None:
        try:
            mongo.start()
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert len(caught) == 1
