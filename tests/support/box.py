"""The onebox as its users have it: a process, started by its command, in a folder of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import requests
from twilio.request_validator import RequestValidator

from onebox.embedded_mongo import free_port, url_of
from tests.support.events import CALLED
from tests.support.waiting import eventually

RINGBACK = Path(sys.executable).with_name("ringback")
START_SECONDS = 30.0


class Box:
    def __init__(self, folder: Path, **environ: str) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("RINGBACK_", "TWILIO_"))},
            "RINGBACK_PORT": str(self.port),
            "RINGBACK_DATA": str(folder / "var"),
            **environ,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "box.log"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [RINGBACK, "up"], env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        eventually(self._is_ready, START_SECONDS)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9 of the box and, as an out-of-memory killer would, of its mongod."""
        mongod = self._mongod_pid()
        self._end(signal.SIGKILL)
        if mongod is not None:
            os.kill(mongod, signal.SIGKILL)

    def close(self) -> None:
        if self._process is not None:
            self._end(signal.SIGTERM)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Another command of `ringback`, with the box's settings."""
        return subprocess.run(
            [RINGBACK, *arguments], env=self.environ, capture_output=True, text=True, timeout=100, check=False
        )

    def start_command(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [RINGBACK, *arguments],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def secret(self, name: str) -> str:
        given = self.environ.get(name.upper())
        return given or (self._folder / "var" / "secrets" / name).read_text()

    @property
    def mongo_url(self) -> str:
        return url_of(self._folder / "var")

    def token(self, role: str = "owner") -> str:
        return self.run("token", "--business", "demo", "--role", role).stdout.strip()

    def call(self, sid: str, caller: str, **params: str) -> dict[str, str]:
        """A voice webhook's parameters."""
        base = {"CallSid": sid, "AccountSid": self.secret("twilio_account_sid"), "From": caller, "To": CALLED}
        return {**base, "Direction": "inbound", "CallStatus": "ringing", "ApiVersion": "2010-04-01", **params}

    def post(self, path: str, params: Mapping[str, str], signature: str | None = None) -> requests.Response:
        """A webhook, rightly signed unless told otherwise."""
        if signature is None:
            validator = RequestValidator(self.secret("twilio_auth_token"))
            signature = validator.compute_signature(self.url + path, dict(params))
        headers = {"X-Twilio-Signature": signature}
        return requests.post(self.url + path, data=params, headers=headers, timeout=15)

    def get(self, path: str, token: str) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        return requests.get(self.url + path, headers=headers, timeout=15).json()

    def customers(self, token: str) -> list[dict[str, Any]]:
        """All of them, page by page."""
        items, cursor = [], ""
        while True:
            page = self.get(f"/customers?limit=200{cursor}", token)
            items += page["items"]
            if page["next"] is None:
                return items
            cursor = f"&cursor={page['next']}"

    def timeline_calls(self, token: str) -> list[str]:
        """The CallSids on all customers' timelines."""
        return [
            entry["call_sid"]
            for customer in self.customers(token)
            for entry in self.get(f"/customers/{customer['id']}/timeline?kind=call&limit=200", token)["items"]
        ]

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"ringback up ended:\n{self.log.read_text()}")
        try:
            return requests.get(f"{self.url}/readyz", timeout=2).ok
        except (requests.ConnectionError, requests.Timeout):
            return False

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(40)
        self._process = None
        return code

    def _mongod_pid(self) -> int | None:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0]) if children else None


def read_ledger(path: Path) -> Iterable[dict[str, Any]]:
    """The webhooks that a simulation saw answered 2xx; a last line that was cut off does not count."""
    lines = path.read_text().split("\n")[:-1]
    return [json.loads(line) for line in lines]
