"""HTTP to addresses that others chose: only to public ones, whatever a name resolves to.

The check is made at connect time on what was just resolved, and the connection goes to the very address that was
checked: a name that resolves to something else a moment later (DNS rebinding) gains nothing. TLS verifies the name in
the URL. Redirects are not followed, proxies and credentials of the environment are not used.
"""

import socket
import threading
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from pipeline.outbound.addresses import is_public

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
LONGEST_KEPT = 1024

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host name. Raises OSError when there are none."""


class AddressRefused(OSError):
    """The name leads to an address that is not public."""


@dataclass(frozen=True)
class Answer:
    """What a receiver said. `body`: the first LONGEST_KEPT bytes, as text."""

    status: int
    body: str
    retry_after: str | None


class NoAnswer(Exception):
    """There was no HTTP answer; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def resolve(host: str, port: int) -> list[str]:
    """As the system resolves it, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@dataclass(frozen=True)
class WebhookClient:
    """`allowed`: `host:port` that may be inside the network. `verify` as requests has it: True or a file of CAs.

    Safe to share between threads: each request has its own connection.
    """

    allowed: Set[str]
    resolve: Resolve = resolve
    verify: bool | str = True
    connect_seconds: float = CONNECT_SECONDS
    total_seconds: float = TOTAL_SECONDS

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Raises NoAnswer. Ends after `total_seconds` and the time to resolve the name, however slow the receiver."""
        deadline = Deadline(self.total_seconds)
        try:
            with self._session(deadline) as session:
                return self._answer(session, url, body, headers)
        except requests.RequestException as error:
            raise NoAnswer("timeout" if deadline.passed else _code(error)) from error
        finally:
            deadline.end()

    def _session(self, deadline: "Deadline") -> requests.Session:
        session = Session()
        session.trust_env = False
        adapter = GuardedAdapter(Guard(self.allowed, self.resolve, deadline, self.connect_seconds))
        for scheme in ("https://", "http://"):
            session.mount(scheme, adapter)
        return session

    def _answer(self, session: requests.Session, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        with session.post(
            url,
            data=body,
            headers=headers,
            timeout=(self.connect_seconds, self.total_seconds),
            allow_redirects=False,
            stream=True,
            verify=self.verify,
        ) as response:
            return Answer(response.status_code, _beginning(response), response.headers.get("Retry-After"))


class Session(requests.Session):
    """Sees no redirects: those that are not to be followed requests reads to their end and makes requests of."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


def _beginning(response: requests.Response) -> str:
    """A receiver that breaks off in the middle of its answer has answered."""
    try:
        kept: bytes = response.raw.read(LONGEST_KEPT, decode_content=False)
    except Exception:
        return ""
    return kept.decode(errors="replace").replace("\x00", "")


def _code(error: requests.RequestException) -> str:
    causes = _causes(error)
    return next((code for kind, code in CODES if any(isinstance(cause, kind) for cause in causes)), "broken")


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what is inside it: requests and urllib3 keep the cause as an argument, too."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return found


CODES: tuple[tuple[type[BaseException], str], ...] = (
    (AddressRefused, "address_refused"),
    (socket.gaierror, "no_such_host"),
    (requests.exceptions.SSLError, "tls"),
    (requests.exceptions.Timeout, "timeout"),
    (ConnectionRefusedError, "connection_refused"),
)


class Deadline:
    """Breaks a connection off when its time is over: a timeout of a socket only limits each single read."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, connection: socket.socket) -> None:
        # Shutting down a duplicate ends the connection whatever TLS has made of the original.
        self._sockets.append(connection.dup())
        if self.passed:
            self._pass()

    def end(self) -> None:
        self._timer.cancel()
        for watched in self._sockets:
            watched.close()

    def _pass(self) -> None:
        self.passed = True
        for watched in self._sockets:
            try:
                watched.shutdown(socket.SHUT_RDWR)
            except OSError:  # it ended by itself
                continue


@dataclass(frozen=True)
class Guard:
    """Makes the connections that are allowed, each within `seconds`."""

    allowed: Set[str]
    resolve: Resolve
    deadline: Deadline
    seconds: float

    def connect(self, host: str, port: int) -> socket.socket:
        """To the first address that answers, after all of them were checked. Raises OSError."""
        connected = self._first_answer(self._checked(host, port), port)
        self.deadline.watch(connected)
        return connected

    def _checked(self, host: str, port: int) -> Sequence[str]:
        addresses = self.resolve(host, port)
        if f"{host}:{port}" not in self.allowed and not all(map(is_public, addresses)):
            raise AddressRefused("Not an address of the public internet.")
        return addresses

    def _first_answer(self, addresses: Sequence[str], port: int) -> socket.socket:
        failure: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
        for address in addresses:
            if self.deadline.passed:
                raise TimeoutError
            try:
                return socket.create_connection((address, port), self.seconds)
            except OSError as error:
                failure = error
        raise failure


class GuardedAdapter(HTTPAdapter):
    """Opens every connection through the guard; keeps none."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pool_classes(self._guard)


def _pool_classes(guard: Guard) -> dict[str, type[HTTPConnectionPool]]:
    """Pools of urllib3 whose connections are opened by `guard`."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(guard, self)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(guard, self)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _connected(guard: Guard, connection: HTTPConnection) -> socket.socket:
    assert connection.port is not None
    try:
        return guard.connect(connection.host, connection.port)
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, "The connection timed out.") from error
    except OSError as error:
        raise NewConnectionError(connection, "There is no connection.") from error
