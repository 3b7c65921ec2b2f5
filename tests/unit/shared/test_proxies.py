"""Whose request it is, when proxies of ours stand before a web process."""

import pytest
from flask import Flask, request

from ringback import process
from tests.unit.fakes import MemoryDatabase, sample_settings

PROXY, SPOOFED, CLIENT = "10.0.0.1", "198.51.100.7", "203.0.113.9"


def app_behind(hops: str, monkeypatch: pytest.MonkeyPatch) -> Flask:
    def create_app(*_: object) -> Flask:
        app = Flask("behind")
        app.extensions["ringback.loops"] = ()
        app.add_url_rule("/", "who", lambda: request.remote_addr or "")
        return app

    monkeypatch.setattr(process, "settings_of", lambda _: sample_settings(RINGBACK_PROXY_HOPS=hops))
    monkeypatch.setattr(process, "database_of", lambda *_, **__: MemoryDatabase().as_database())
    return process.web_application("behind", (), {}, create_app)


def asked(app: Flask, forwarded: str) -> str:
    headers = {"X-Forwarded-For": forwarded}
    return app.test_client().get("/", headers=headers, environ_base={"REMOTE_ADDR": PROXY}).text


def test_a_header_is_not_believed_when_nobody_stands_before_us(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(app_behind("0", monkeypatch), SPOOFED) == PROXY


def test_behind_the_gateway_it_is_whom_the_gateway_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(app_behind("1", monkeypatch), CLIENT) == CLIENT
    assert asked(app_behind("1", monkeypatch), f"{SPOOFED}, {CLIENT}") == CLIENT
