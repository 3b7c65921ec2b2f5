"""Compose for real, on a Docker engine: it comes up, is scaled, is hurt, and has lost nothing afterwards."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from onebox.embedded_mongo import free_port
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]

CALLS = 60
HEAL_SECONDS = 60
COUNT = """
import json
from ringback.store.database import open_database
from ringback_setup.secret_files import secret
ingest, customer = (open_database(secret(f"{name}_mongo_url"), name) for name in ("call-ingest", "customer"))
print(json.dumps({
    "accepted": ingest["raw_requests"].count_documents({}),
    "waiting": ingest["outbox"].count_documents({}) + customer["outbox"].count_documents({}),
}))
"""


class Installation:
    """A project of its own, with secrets, a port and volumes of its own."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder, self.port = root, folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environ = os.environ | {
            "COMPOSE_PROJECT_NAME": f"ringback-test-{self.port}",
            "RINGBACK_SECRETS": str(folder / "secrets"),
            "RINGBACK_PORT": str(self.port),
            "RINGBACK_PUBLIC_URL": self.url,
            "RINGBACK_VERSION": "0.1.0",
        }

    def compose(self, *arguments: str, check: bool = True, seconds: int = 300) -> str:
        command = ["docker", "compose", *arguments]
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{arguments}: {done.stderr[-3000:]}"
        return done.stdout

    def up(self, *arguments: str) -> None:
        subprocess.run([self.root / "deploy/compose/make-secrets"], env=self._environ, check=True, timeout=30)
        self.compose("up", "--detach", "--wait", "--build", *arguments, seconds=900)

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "40")

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text()

    def command(self, *arguments: str) -> str:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("RINGBACK_", "TWILIO_"))}
        environ |= {
            "RINGBACK_DATA": str(self.folder / "data"),
            "RINGBACK_SECRET_KEY": self.secret("secret_key"),
            "TWILIO_ACCOUNT_SID": self.secret("twilio_account_sid"),
            "TWILIO_AUTH_TOKEN": self.secret("twilio_auth_token"),
        }
        run = [sys.executable, "-c", "from ringback.cli import main; main()", *arguments]
        done = subprocess.run(run, env=environ, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def simulate(self, seed: int) -> int:
        """Webhooks accepted that were sent once."""
        said = json.loads(
            self.command("simulate", "--calls", str(CALLS), "--seed", str(seed), "--base-url", self.url, "--json")
        )
        assert said["refused"] == said["invalid_twiml"] == 0
        sent: int = said["webhooks"] - said["duplicates"]
        return sent

    def get(self, path: str, **headers: str) -> requests.Response:
        token = self.command("token", "--business", "demo", "--role", "owner").strip()
        asked = {"Accept": "application/json", "Authorization": f"Bearer {token}", **headers}
        return requests.get(self.url + path, headers=asked, timeout=10)

    def counts(self) -> dict[str, Any]:
        run = ("run", "--rm", "--no-deps", "--no-TTY", "--entrypoint", "python", "indexes", "-c", COUNT)
        counted: dict[str, Any] = json.loads(self.compose(*run).splitlines()[-1])
        return counted

    def unwell(self) -> list[str]:
        rows = [json.loads(line) for line in self.compose("ps", "--format", "json").splitlines()]
        return [row["Name"] for row in rows if row["Health"] != "healthy"]

    def queued(self) -> int:
        """What waits in the services' own queues."""
        listed = self.compose(
            "exec", "-T", "rabbitmq", "rabbitmqctl", "-q", "list_queues", "-p", "ringback", "name", "messages"
        )
        rows = [line.split() for line in listed.splitlines() if line.count("\t") == 1]
        return sum(int(number) for name, number in rows if "." not in name and number.isdigit())


@pytest.fixture(scope="module")
def installation(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    if subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode:
        pytest.fail("no Docker engine runs here")
    found = Installation(root, tmp_path_factory.mktemp("installation"))
    try:
        found.up()
        yield found
    finally:
        found.down()


def test_calls_become_customers_whatever_happens_meanwhile(installation: Installation) -> None:
    sent = installation.simulate(seed=1)
    eventually(lambda: installation.get("/customers").json()["total"] > 0, HEAL_SECONDS, every=1)

    installation.up("--scale", "customer-worker=3")
    assert len(installation.compose("ps", "--quiet", "customer-worker").split()) == 3
    # All but the first process of the container, at once.
    installation.compose("exec", "-T", "--index", "2", "customer-worker", "bash", "-c", "kill -9 -1", check=False)
    sent += installation.simulate(seed=2)

    installation.compose("stop", "mongo")
    sent += installation.simulate(seed=3)
    installation.compose("start", "mongo")
    installation.compose("restart", "rabbitmq")
    eventually(lambda: not installation.unwell(), HEAL_SECONDS, every=2)

    eventually(lambda: installation.counts()["accepted"] == sent, HEAL_SECONDS, every=2)
    eventually(lambda: installation.counts()["waiting"] + installation.queued() == 0, HEAL_SECONDS, every=2)


def test_the_gateway_keeps_what_is_inside_inside(installation: Installation) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert installation.get(path).status_code == 404
    too_large = requests.post(installation.url + "/customers", data=b"x" * (600 << 10), timeout=10)
    assert too_large.status_code == 413
    assert too_large.json()["code"] == "too_large"


def test_a_service_may_be_scaled_to_none_and_back(installation: Installation) -> None:
    assert installation.get("/messages").status_code != 503
    installation.compose("up", "--detach", "--no-recreate", "--scale", "notifier-web=0")
    away = installation.get("/messages")
    assert (away.status_code, away.json()["code"], away.headers["Retry-After"]) == (503, "unavailable", "1")
    # Nobody else notices.
    assert installation.get("/customers").status_code == 200
    installation.up("--no-recreate", "--scale", "notifier-web=1")
    eventually(lambda: installation.get("/messages").status_code != 503, HEAL_SECONDS, every=1)


def test_who_signs_in_too_often_is_told_to_wait(installation: Installation) -> None:
    """By the gateway, whatever address is claimed."""
    answers = [
        requests.post(installation.url + "/login", headers={"X-Forwarded-For": f"203.0.113.{number}"}, timeout=10)
        for number in range(40)
    ]
    # The service refuses, too, in a page of its own.
    refused = [answer for answer in answers if answer.headers["Content-Type"] == "application/problem+json"]
    assert refused
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(429, "too_many")}
    assert all(answer.headers["Retry-After"] for answer in refused)


def test_containers_write_nowhere_but_where_they_may(installation: Installation) -> None:
    for name in ("call-ingest-web", "customer-worker", "gateway", "mongo"):
        tried = installation.compose("exec", "-T", name, "bash", "-c", "id -u; touch /usr/x 2>&1; true").splitlines()
        assert tried[0] != "0"
        assert "Read-only" in tried[1]
