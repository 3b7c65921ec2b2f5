"""A RabbitMQ for the tests; every test gets a virtual host of its own."""

import os
import shutil
import signal
import subprocess
import uuid
from collections import deque
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import requests
from kombu import Connection
from testcontainers.core.container import DockerContainer

from onebox.child import die_with_parent
from onebox.embedded_mongo import free_port
from tests.support.server import ContainerServer, GivenServer, Server, docker_answers
from tests.support.waiting import eventually

IMAGE = "rabbitmq:4-management"
HOW_TO_GET_ONE = (
    "The tests need RabbitMQ: start Docker, install rabbitmq-server, "
    "or name a running one in RINGBACK_TEST_RABBIT_URL"
)
# Starting the command line tool takes a second, making a virtual host a hundredth of that.
HOSTS_AT_ONCE = 20
# RabbitMQ writes the list of its quorum queues to disk seconds later: killed before that, 3.10 loses a new
# queue with all that it confirmed. Tests declare and kill at once, which nobody else does.
WRITE_LISTS = "[dets:sync(Table) || Table <- dets:all()]."


class RabbitServer(Server, Protocol):
    def add_virtual_hosts(self, names: list[str]) -> None: ...


def rabbit_server(folder: Path) -> RabbitServer:
    given = os.environ.get("RINGBACK_TEST_RABBIT_URL")
    if given:
        return GivenRabbit(given)
    if docker_answers():
        return ContainerRabbit()
    scripts = sorted(Path("/usr/lib/rabbitmq/lib").glob("*/sbin"))
    if not scripts:
        raise RuntimeError(HOW_TO_GET_ONE)
    return LocalRabbit(scripts[-1], folder)


class VirtualHosts:
    """Hands out URLs of virtual hosts that nobody has used."""

    def __init__(self, server: RabbitServer) -> None:
        self._server = server
        self._fresh: deque[str] = deque()

    def take(self) -> str:
        if not self._fresh:
            names = [f"test-{uuid.uuid4().hex[:12]}" for _ in range(HOSTS_AT_ONCE)]
            self._server.add_virtual_hosts(names)
            self._fresh.extend(names)
        return urlsplit(self._server.url)._replace(path=f"/{self._fresh.popleft()}").geturl()


def make_hosts_expression(names: list[str]) -> str:
    """Erlang for `rabbitmqctl eval`: all at once, with everything allowed to guest."""
    hosts = ", ".join(f'<<"{name}">>' for name in names)
    return (
        f'lists:foreach(fun(Host) -> rabbit_vhost:add(Host, <<"tests">>), '
        f'ok = rabbit_auth_backend_internal:set_permissions(<<"guest">>, Host, <<".*">>, <<".*">>, <<".*">>, '
        f'<<"tests">>) end, [{hosts}]).'
    )


def accepts_connections(url: str) -> bool:
    try:
        with Connection(url, connect_timeout=2) as connection:
            connection.connect()
    except OSError:
        return False
    return True


class GivenRabbit(GivenServer):
    """Needs the management plugin, on its usual port, to make virtual hosts."""

    def add_virtual_hosts(self, names: list[str]) -> None:
        parts = urlsplit(self.url)
        api = f"http://{parts.hostname}:15672/api"
        user = parts.username or "guest"
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        with requests.Session() as session:
            session.auth = (user, parts.password or "guest")
            for name in names:
                session.put(f"{api}/vhosts/{name}", json={}, timeout=10).raise_for_status()
                permissions = f"{api}/permissions/{name}/{user}"
                session.put(permissions, json=everything, timeout=10).raise_for_status()


class ContainerRabbit(ContainerServer):
    def __init__(self) -> None:
        self._port = free_port()
        super().__init__(DockerContainer(IMAGE).with_bind_ports(5672, self._port))

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}//"

    def wait_until_ready(self) -> None:
        eventually(lambda: accepts_connections(self.url), 90)

    def pause(self) -> None:
        # A test may kill it while it is frozen.
        self._write_lists()
        super().pause()

    def kill(self) -> None:
        self._docker.reload()
        if self._docker.status == "running":
            self._write_lists()
        super().kill()

    def _write_lists(self) -> None:
        self.execute("rabbitmqctl", "eval", WRITE_LISTS)

    def add_virtual_hosts(self, names: list[str]) -> None:
        self.execute("rabbitmqctl", "eval", make_hosts_expression(names))


class LocalRabbit:
    """Debian's server as a private node: nothing of it is shared with an installed, running one."""

    def __init__(self, scripts: Path, folder: Path) -> None:
        self._scripts = scripts
        self._folder = folder
        self._port = free_port()
        self._environment = private_node(folder, self._port)
        self._process: subprocess.Popen[bytes] | None = None
        self._names: subprocess.Popen[bytes] | None = None
        self._paused = False

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}//"

    def start(self) -> None:
        if self._running:
            return
        self._start_name_server()
        self._process = self._spawn(str(self._scripts / "rabbitmq-server"))
        try:
            eventually(self._has_ended_or_answers, 90)
            if not self._running:
                raise RuntimeError(f"RabbitMQ did not start: {(self._folder / 'output').read_text()[-2000:]}")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self.resume()
        for process in (self._process, self._names):
            if process is not None:
                end(process)
        self._process = self._names = None

    def pause(self) -> None:
        # A test may kill it while it is frozen.
        self._evaluate(WRITE_LISTS)
        self._signal(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        if self._paused:
            self._signal(signal.SIGCONT)
            self._paused = False

    def kill(self) -> None:
        assert self._process is not None
        if not self._paused:
            self._evaluate(WRITE_LISTS)
        self._signal(signal.SIGKILL)
        self._process.wait(10)
        self._paused = False

    def heal(self) -> None:
        self.resume()
        self.start()

    def add_virtual_hosts(self, names: list[str]) -> None:
        self._evaluate(make_hosts_expression(names))

    def _evaluate(self, expression: str) -> None:
        subprocess.run(
            [self._scripts / "rabbitmqctl", "--quiet", "eval", expression],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=60,
        )

    @property
    def _running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _has_ended_or_answers(self) -> bool:
        return not self._running or accepts_connections(self.url)

    def _start_name_server(self) -> None:
        """Erlang would start one by itself, and leave it behind."""
        if self._names is not None and self._names.poll() is None:
            return
        program = shutil.which("epmd")
        if program is None:
            raise RuntimeError(HOW_TO_GET_ONE)
        self._names = self._spawn(program)

    def _spawn(self, program: str) -> subprocess.Popen[bytes]:
        with (self._folder / "output").open("ab") as output:
            return subprocess.Popen(
                [program],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - it makes two system calls and takes no lock
            )

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)


def private_node(folder: Path, port: int) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    plugins = folder / "enabled_plugins"
    plugins.write_text("[].\n")
    command_port = str(free_port())
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(folder),  # the cookie is made there
        "RABBITMQ_NODENAME": f"ringback-test-{uuid.uuid4().hex[:8]}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        # The default adds ten thousand to the other port, which may be no port any more.
        "RABBITMQ_CTL_DIST_PORT_MIN": command_port,
        "RABBITMQ_CTL_DIST_PORT_MAX": command_port,
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        # Without a shell in between that would survive kill -9 of its child, or the other way round.
        "RUNNING_UNDER_SYSTEMD": "1",
    }


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
