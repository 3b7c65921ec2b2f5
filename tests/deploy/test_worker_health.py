"""A worker of its own, as a container starts it: it answers for its health before it has what it needs."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from onebox.embedded_mongo import free_port
from ringback.errors import InvalidSettings
from ringback.worker.health import Health, served
from tests.support.waiting import eventually

START_SECONDS = 30
# Nothing listens there.
NOWHERE = "127.0.0.1:9"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def waiting_worker(log: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    port = free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("RINGBACK_", "TWILIO_"))}
    environ |= {
        "RINGBACK_MONGO_URL": f"mongodb://{NOWHERE}/ringback",
        "RINGBACK_BUS_URL": f"amqp://{NOWHERE}",
        "RINGBACK_SECRET_KEY": "a secret that is long enough for this test",
        "RINGBACK_HEALTH_PORT": str(port),
    }
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "recovery.worker"], env=environ, stderr=out, stdout=out)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_while_mongodb_is_away_it_waits_alive_and_not_ready(
    waiting_worker: tuple["subprocess.Popen[bytes]", str], log: Path
) -> None:
    process, url = waiting_worker
    eventually(lambda: _status(url + "/healthz") == 200, START_SECONDS, every=0.1)
    # It tries again and again, and says so.
    eventually(lambda: log.read_text().count("start.waits") >= 2, START_SECONDS, every=0.5)
    assert process.poll() is None
    assert requests.get(url + "/readyz", timeout=2).json() == {"status": "starting"}
    assert _status(url + "/readyz") == 503
    assert _status(url + "/elsewhere") == 404
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_the_port_is_free_again_afterwards_and_taken_meanwhile() -> None:
    health = Health()
    with served(health, 0, "127.0.0.1") as port:
        assert _status(f"http://127.0.0.1:{port}/readyz") == 503
        health.watch(lambda: True, {})
        assert _status(f"http://127.0.0.1:{port}/readyz") == 200
    refused = pytest.raises(InvalidSettings, match="RINGBACK_HEALTH_PORT")
    with served(health, port, "127.0.0.1"), refused, served(health, port, "127.0.0.1"):
        pass


def _status(url: str) -> int | None:
    try:
        return requests.get(url, timeout=2).status_code
    except requests.RequestException:
        return None
