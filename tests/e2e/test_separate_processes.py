"""Each service's web and worker as processes of their own, on RabbitMQ and a replica set, as ops teams run them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from onebox.embedded_mongo import free_port
from ringback.clock import system_clock
from ringback.web.access import Principal, make_token
from tests.support.box import RINGBACK
from tests.support.waiting import eventually

SECRET = "a secret that is long enough for this test"
STOP_SECONDS = 40


class Fleet:
    """Processes with one environment; every one of them has to end with 0."""

    def __init__(self, folder: Path, mongo_url: str, bus_url: str) -> None:
        self.ingest, self.customer = free_port(), free_port()
        self._folder = folder
        self.environ = os.environ | {
            "RINGBACK_MONGO_URL": mongo_url,
            "RINGBACK_BUS_URL": bus_url,
            "RINGBACK_PUBLIC_URL": f"http://127.0.0.1:{self.ingest}",
            "RINGBACK_DATA": str(folder),
            "RINGBACK_SECRET_KEY": SECRET,
            "TWILIO_ACCOUNT_SID": "AC" + "a" * 32,
            "TWILIO_AUTH_TOKEN": "old-token,new-token",
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def web(self, package: str, port: int) -> None:
        gunicorn = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread"]
        self._start(package, [*gunicorn, "--workers", "2", "--threads", "8", f"{package}.wsgi:application()"])
        eventually(lambda: _answers(port), seconds=30)

    def worker(self, package: str) -> "subprocess.Popen[bytes]":
        return self._start(f"{package}-worker", [sys.executable, "-m", f"{package}.worker"])

    def stop(self, *processes: "subprocess.Popen[bytes]") -> None:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(STOP_SECONDS) for process in processes]
        self._processes = [process for process in self._processes if process not in processes]
        assert codes == [0] * len(processes), self.logs()

    def stop_all(self) -> None:
        self.stop(*self._processes)

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in self._folder.glob("*.log"))

    def simulate(self, calls: int, seed: int) -> dict[str, Any]:
        arguments = ["simulate", "--calls", str(calls), "--seed", str(seed), "--json"]
        result = subprocess.run(
            [RINGBACK, *arguments], env=self.environ, capture_output=True, text=True, timeout=100, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
        summary: dict[str, Any] = json.loads(result.stdout)
        return summary

    def customers(self) -> list[dict[str, Any]]:
        principal = Principal("test", "demo", "service")
        token = make_token(SECRET, principal, system_clock(), timedelta(hours=1))
        items, cursor = [], ""
        while True:
            page = requests.get(
                f"http://127.0.0.1:{self.customer}/customers?limit=200{cursor}",
                headers={"Authorization": f"Bearer {token}"},
                timeout=10,
            ).json()
            items += page["items"]
            if page["next"] is None:
                return items
            cursor = f"&cursor={page['next']}"

    def total_calls(self) -> int:
        return sum(customer["total_calls"] for customer in self.customers())

    def _start(self, name: str, command: list[str]) -> "subprocess.Popen[bytes]":
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._processes.append(process)
        return process


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


@pytest.fixture
def fleet(tmp_path: Path, mongo_url: str, rabbit_url: str) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, mongo_url, rabbit_url)
    fleet.web("call_ingest", fleet.ingest)
    fleet.web("customer", fleet.customer)
    yield fleet
    fleet.stop_all()


@pytest.mark.timeout(180)
def test_webhooks_become_customers_with_two_workers_of_each_service(fleet: Fleet) -> None:
    for package in ("call_ingest", "call_ingest", "customer", "customer"):
        fleet.worker(package)
    fleet.simulate(150, seed=11)
    eventually(lambda: fleet.total_calls() == 150, seconds=30)
    before = fleet.customers()
    fleet.simulate(150, seed=11)
    assert fleet.customers() == before


@pytest.mark.timeout(180)
def test_webhooks_wait_for_a_worker_and_workers_that_come_and_go_lose_none(fleet: Fleet) -> None:
    fleet.simulate(200, seed=12)
    first = [fleet.worker("call_ingest"), fleet.worker("customer")]
    eventually(lambda: fleet.total_calls() > 0, seconds=30)
    fleet.stop(*first)
    fleet.worker("call_ingest")
    fleet.worker("customer")
    eventually(lambda: fleet.total_calls() == 200, seconds=30)


def test_a_worker_without_its_settings_says_which_are_missing_and_ends(tmp_path: Path) -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("RINGBACK_", "TWILIO_"))}
    result = subprocess.run(
        [sys.executable, "-m", "customer.worker"],
        env=bare,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 1
    for name in ("RINGBACK_MONGO_URL", "RINGBACK_BUS_URL", "RINGBACK_SECRET_KEY"):
        assert name in result.stderr
    assert "Traceback" not in result.stderr
