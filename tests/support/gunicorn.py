"""call-ingest as ops teams run it: gunicorn and its worker, processes of their own, on servers of the test's."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import requests

from onebox.child import die_with_parent
from onebox.embedded_mongo import free_port
from tests.support.waiting import eventually

ACCOUNT = "AC" + "a" * 32
TOKEN = "a token of this test"
SECRET = "a secret that is long enough for this test"
READY_SECONDS = 30
STOP_SECONDS = 40
APPLICATION = "call_ingest.wsgi:application()"


class Gunicorn:
    """A web app under gunicorn: a master and its workers."""

    def __init__(
        self,
        application: str,
        environ: Mapping[str, str],
        log: Path,
        workers: int = 2,
        threads: int = 16,
        worker_class: str = "gthread",
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environ = dict(environ)
        self.log = log
        self._command = [
            *(sys.executable, "-m", "gunicorn", "--worker-class", worker_class, "--bind", f"127.0.0.1:{self.port}"),
            *("--no-control-socket", "--workers", str(workers), "--threads", str(threads), application),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, ready_path: str = "/healthz") -> None:
        """Returns once this path is served, be it with 404."""
        self._process = spawn(self._command, self.environ, self.log)
        eventually(lambda: self._answers(ready_path), READY_SECONDS)

    def stop(self) -> None:
        if self._process is not None:
            end(self._process, self.log)
        self._process = None

    def kill(self) -> None:
        """kill -9 of master and workers, all at once."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)
        self._process = None

    def _answers(self, path: str) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"gunicorn ended:\n{self.log.read_text()}")
        try:
            return requests.get(self.url + path, timeout=2).status_code in (200, 404)
        except requests.RequestException:
            return False


class Ingest:
    """Web and worker of call-ingest; what was started has to end with 0."""

    def __init__(self, folder: Path, mongo_url: str, bus_url: str) -> None:
        self._folder = folder
        self.web = Gunicorn(APPLICATION, {}, folder / "web.log")
        self.web.environ = ingest_environ(folder, self.web.url, mongo_url, bus_url)
        self._worker: subprocess.Popen[bytes] | None = None

    @property
    def spool(self) -> Path:
        return self._folder / "spool" / "call-ingest"

    def start_worker(self) -> None:
        command = [sys.executable, "-m", "call_ingest.worker"]
        self._worker = spawn(command, self.web.environ, self._folder / "worker.log")

    def close(self) -> None:
        try:
            self.web.stop()
        finally:
            if self._worker is not None:
                end(self._worker, self._folder / "worker.log")


def ingest_environ(folder: Path, url: str, mongo_url: str, bus_url: str) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith(("RINGBACK_", "TWILIO_"))}
    return given | {
        "RINGBACK_MONGO_URL": mongo_url,
        "RINGBACK_BUS_URL": bus_url,
        "RINGBACK_PUBLIC_URL": url,
        "RINGBACK_DATA": str(folder),
        "RINGBACK_SECRET_KEY": SECRET,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        # Nothing listens there: reconciliation has nobody to ask.
        "TWILIO_API_BASE_URL": "http://127.0.0.1:9",
    }


def spawn(command: list[str], environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """In a process group of its own, so that a test can kill all of it."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - it makes two system calls and takes no lock
        )


def end(process: subprocess.Popen[bytes], log: Path) -> None:
    """SIGTERM; it has to end cleanly, and in time."""
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(STOP_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert code == 0, log.read_text()
