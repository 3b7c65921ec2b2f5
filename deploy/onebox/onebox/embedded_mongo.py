"""A private MongoDB in a data folder: one process, a replica set of one, gone when its parent is gone.

Nobody reaches it without a secret from the data folder. Two are there: the key file, by which the members of a
set know each other, and with which this module configures the set and its one user; and that user's password,
which is in the URL.
"""

import fcntl
import os
import random
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure

from onebox.child import die_with_parent
from onebox.engine import Engine, EngineError
from ringback.secrets import kept

REPLICA_SET = "ringback"
USER = "ringback"
LOCK_WAIT_SECONDS = 15.0
KILLED_WAIT_SECONDS = 5.0
INIT = 1  # the parent of those whose parent is gone
READY_WAIT_SECONDS = 60.0
STOP_WAIT_SECONDS = 30.0
ADDRESS_IN_USE_EXIT = 48
ALREADY_INITIALIZED = 23
USER_NOT_FOUND = 11


class EmbeddedMongo:
    def __init__(self, engine: Engine, data_dir: Path, lock_wait_seconds: float = LOCK_WAIT_SECONDS) -> None:
        self._engine = engine
        self._database = data_dir / "mongo"
        self._log = data_dir / "mongod.log"
        self._port_file = port_file(data_dir)
        self._key_file = data_dir / "secrets" / "mongo_key"
        self._password_file = password_file(data_dir)
        self._lock_wait_seconds = lock_wait_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._key = self._password = ""

    @property
    def url(self) -> str:
        return address(self._port, self._password)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Return the URL once writes are accepted. Call it from the main thread: mongod's life is tied to
        the thread that starts it. Safe on a folder whose last mongod was killed, and on a copied folder."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("mongod would be stopped when this thread ends: start it from the main thread")
        if self.running:
            return self.url
        self._prepare_folder()
        self._wait_for_lock()
        self._key, self._password = secret(self._key_file), secret(self._password_file)
        try:
            self._spawn_on_free_port()
            self._become_primary()
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _prepare_folder(self) -> None:
        self._database.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._database.chmod(0o700)
        # A slow query is logged with its values.
        self._log.touch(mode=0o600)
        self._log.chmod(0o600)

    def _wait_for_lock(self) -> None:
        lock = self._database / "mongod.lock"
        if wait_until(lambda: not is_locked(lock), self._lock_wait_seconds):
            return
        kill_orphan(lock, self._database)
        if not wait_until(lambda: not is_locked(lock), KILLED_WAIT_SECONDS):
            raise EngineError(f"the data in {self._database} is in use by {lock_holder(lock)}")

    def _spawn_on_free_port(self) -> None:
        for _ in range(5):
            self._port = choose_port(self._port_file)
            self._process = self._spawn()
            if self._answers():
                self._port_file.write_text(f"{self._port}\n")
                return
            if self._process.wait() != ADDRESS_IN_USE_EXIT:
                break
        raise self._failure("did not start")

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command(),
                env=self._engine.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches a terminal's whole session; the parent drains before it stops mongod.
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - it makes two system calls and takes no lock
            )

    def _command(self) -> list[str]:
        return [
            str(self._engine.mongod),
            "--replSet",
            REPLICA_SET,
            "--bind_ip=127.0.0.1",
            # Turns authentication on for everybody.
            f"--keyFile={self._key_file}",
            # Nor may whoever comes first make the first user.
            "--setParameter=enableLocalhostAuthBypass=false",
            f"--port={self._port}",
            f"--dbpath={self._database}",
            f"--logpath={self._log}",
            "--logappend",
            "--nounixsocket",
            "--quiet",
            "--wiredTigerCacheSizeGB=0.25",
            # The default is 5 % of the disk, which nobody reads on a set of one.
            "--oplogSize=512",
            # Its own diagnostics would fill 200 MB and write every second.
            "--setParameter=diagnosticDataCollectionEnabled=false",
            # A slow query would be logged with the numbers that it asks for.
            "--slowms=60000",
            # A transaction outlives its client: what a killed worker had open blocks its documents until this
            # is over. Ours last milliseconds; the default is a minute.
            "--setParameter=transactionLifetimeLimitSeconds=3",
        ]

    def _answers(self) -> bool:
        return wait_until(self._has_ended_or_listens, READY_WAIT_SECONDS) and self.running

    def _has_ended_or_listens(self) -> bool:
        return not self.running or listens(self._port)

    def _become_primary(self) -> None:
        host = f"127.0.0.1:{self._port}"
        self._wait_for("configure its replica set", lambda client: ensure_replica_set(client, host))
        self._wait_for("become primary", is_primary)
        self._wait_for("take its user", lambda client: ensure_user(client, self._password))

    def _wait_for(self, goal: str, attempt: Callable[[MongoClient[dict[str, Any]]], bool]) -> None:
        if not wait_until(lambda: self._try(attempt), READY_WAIT_SECONDS):
            raise self._failure(f"did not {goal}")

    def _try(self, attempt: Callable[[MongoClient[dict[str, Any]]], bool]) -> bool:
        if not self.running:
            raise self._failure("ended while it was starting")
        # A client of its own: one that met the server before its set existed refuses sessions for good,
        # and mongod drops all connections when its place in the set changes.
        with direct_client(self._port, self._key) as client:
            try:
                return attempt(client)
            except AutoReconnect:
                return False

    def _failure(self, what: str) -> EngineError:
        return EngineError(f"mongod {what}; {self._log} says:\n{last_words(self._log)}")


def url_of(data_dir: Path) -> str:
    """What `start` last answered on this folder, for another process of the same user."""
    return address(int(port_file(data_dir).read_text()), password_file(data_dir).read_text().strip())


def address(port: int, password: str) -> str:
    return f"mongodb://{USER}:{password}@127.0.0.1:{port}/ringback?replicaSet={REPLICA_SET}&authSource=admin"


def port_file(data_dir: Path) -> Path:
    return data_dir / "mongo.port"


def password_file(data_dir: Path) -> Path:
    return data_dir / "secrets" / "mongo_password"


def secret(path: Path) -> str:
    value = kept(path, lambda: secrets.token_hex(32))
    # A copy may have lost it, and mongod refuses a key that others can read.
    path.chmod(0o600)
    return value


@contextmanager
def direct_client(port: int, key: str | None = None) -> Iterator[MongoClient[dict[str, Any]]]:
    """With the set's key, as one of its members, who may do everything; without, as nobody."""
    credentials: dict[str, Any] = {"username": "__system", "password": key, "authSource": "local"} if key else {}
    client: MongoClient[dict[str, Any]] = MongoClient(
        "127.0.0.1",
        port,
        directConnection=True,
        serverSelectionTimeoutMS=10_000,
        socketTimeoutMS=int(READY_WAIT_SECONDS * 1000),
        **credentials,
    )
    with client:
        yield client


def ensure_replica_set(client: MongoClient[dict[str, Any]], host: str) -> bool:
    """Idempotent; a set that lists another address, as after a changed port or a copy, is told the new."""
    initiate(client, host)
    config = client.admin.command("replSetGetConfig")["config"]
    if [member["host"] for member in config["members"]] != [host]:
        client.admin.command("replSetReconfig", moved_to(config, host), force=True)
    return True


def initiate(client: MongoClient[dict[str, Any]], host: str) -> None:
    """Also waits until mongod has read the set it knows, which may take a while: it asks the address
    written there whether that is itself, and at that address any program may listen by now."""
    try:
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": host}]})
    except OperationFailure as error:
        if error.code != ALREADY_INITIALIZED:
            raise


def moved_to(config: Mapping[str, Any], host: str) -> dict[str, Any]:
    member = {**config["members"][0], "host": host}
    return {**config, "version": config["version"] + 1, "members": [member]}


def is_primary(client: MongoClient[dict[str, Any]]) -> bool:
    return bool(client.admin.command("hello").get("isWritablePrimary"))


def ensure_user(client: MongoClient[dict[str, Any]], password: str) -> bool:
    """At every start: the folder may be older than its user, and its secrets may have been replaced."""
    user: dict[str, Any] = {"pwd": password, "roles": ["root"]}
    try:
        client.admin.command("updateUser", USER, **user)
    except OperationFailure as error:
        if error.code != USER_NOT_FOUND:
            raise
        client.admin.command("createUser", USER, **user)
    return True


def choose_port(remembered: Path) -> int:
    """The port of the last start when it is still free, so that running clients find the server again."""
    last = read_port(remembered)
    return last if last and is_free(last) else free_port()


def read_port(remembered: Path) -> int | None:
    try:
        port = int(remembered.read_text())
    except (OSError, ValueError):
        return None
    return port if 0 < port <= 65535 else None


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As mongod binds: a lingering closed connection is no obstacle, a listener is.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Below the ports that outgoing connections use: there, a client that keeps trying a stopped server
    ends up connected to itself, and so does the port's next owner."""
    while True:
        port = random.randint(20_000, 29_999)  # noqa: S311 - no secret
        if is_free(port):
            return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_locked(lock: Path) -> bool:
    """Asks the kernel, not the pid in the file: after kill -9 that pid may be anybody's."""
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def kill_orphan(lock: Path, database: Path) -> None:
    """End a mongod on this folder whose `ringback up` is gone, and that was frozen when it was told to stop."""
    try:
        pid = int(lock.read_text())
        process = Path(f"/proc/{pid}")
        ours = f"--dbpath={database}".encode() in (process / "cmdline").read_bytes().split(b"\0")
        parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        if ours and parent == INIT:
            os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        return


def lock_holder(lock: Path) -> str:
    pid = lock.read_text().strip() or "unknown"
    return f"another mongod (process {pid}): is another `ringback up` running on this folder?"


def last_words(log: Path, count: int = 5) -> str:
    """The errors of the last start, else its last lines: a crash ends with pages of stack."""
    try:
        run = log.read_text(errors="replace").rpartition("SERVER RESTARTED")[2]
    except OSError:
        return "(no log)"
    lines = run.splitlines()
    severe = [line for line in lines if '"s":"F"' in line or '"s":"E"' in line]
    return "\n".join((severe or lines)[-count:])


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
