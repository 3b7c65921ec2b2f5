"""Browsers to test with: what they send, and the cookies and tokens of who is signed in."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ringback.web.sessions import CSRF_FIELD, Session, csrf_token, set_session
from tests.unit.fakes import SECRET

# What Firefox and Chromium send.
ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
HOST = "https://ring.example"
OLGA = Session("sid-olga", "Olga", "demo", "owner")
STEFAN = Session("sid-stefan", "Stefan", "demo", "staff")
CSRF = csrf_token(SECRET, OLGA.id)


def cookie_of(session: Session = OLGA, now: datetime | None = None, secret: str = SECRET, secure: bool = True) -> str:
    """The Cookie header of who is signed in."""
    response = Response()
    set_session(response, secret, session, now or datetime.now(UTC), secure=secure)
    return response.headers["Set-Cookie"].partition(";")[0]


class Browser:
    """Asks for pages, sends forms with their token, and follows nothing."""

    def __init__(self, app: Flask, session: Session | None = OLGA, host: str = HOST) -> None:
        self.client: FlaskClient = app.test_client(use_cookies=False)
        self._headers = {"Accept": ACCEPT} | ({"Cookie": cookie_of(session)} if session else {})
        self._csrf = csrf_token(SECRET, session.id) if session else ""
        self._host = host

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, base_url=self._host, headers=self._headers | headers)

    def send(self, path: str, headers: Mapping[str, str] | None = None, **fields: Any) -> TestResponse:
        data = {CSRF_FIELD: self._csrf, **fields}
        return self.client.post(path, base_url=self._host, headers=self._headers | dict(headers or {}), data=data)
