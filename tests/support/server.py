"""What every server that tests run on can do, so that a fault test need not know how it runs."""

import os
import shutil
import subprocess
from typing import Any, Protocol

from testcontainers.core.container import DockerContainer


class Server(Protocol):
    """`pause` freezes it with its connections open; `kill` is kill -9; `start` keeps data and port."""

    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def kill(self) -> None: ...
    def heal(self) -> None:
        """Undo whatever a test left behind: afterwards it runs."""


class GivenServer:
    """Named by an environment variable, so not ours to break."""

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def heal(self) -> None: ...

    def pause(self) -> None:
        raise RuntimeError("this test breaks its server, and the one named in the environment is not ours")

    resume = kill = pause


class ContainerServer:
    """In Docker, on a port of 127.0.0.1 that stays the same when the container starts again."""

    def __init__(self, container: DockerContainer) -> None:
        self._container = container
        self._docker: Any = None

    def start(self) -> None:
        if self._docker is None:
            # The fixtures stop it themselves; a reaper would be one more image to fetch.
            os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
            self._docker = self._container.start().get_wrapped_container()
        else:
            self._docker.start()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        self._container.stop()

    def pause(self) -> None:
        self._docker.pause()

    def resume(self) -> None:
        self._docker.unpause()

    def kill(self) -> None:
        self._docker.kill()

    def heal(self) -> None:
        self._docker.reload()
        if self._docker.status == "paused":
            self.resume()
        if self._docker.status != "running":
            self.start()

    def execute(self, *command: str) -> None:
        code, output = self._docker.exec_run(list(command))
        if code != 0:
            raise RuntimeError(f"{command[0]} failed: {output.decode(errors='replace')}")


def docker_answers() -> bool:
    if not shutil.which("docker"):
        return False
    try:
        answer = subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return False
    return answer.returncode == 0
