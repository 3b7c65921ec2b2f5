"""Signing in and out over HTTP: cookies, renewal, the first owner, and what attackers would try."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import customer.app
from customer.app import create_app
from customer.sign_in import first_owner_token
from customer.users import MOST_OF_NAME, Users
from ringback.web.access import Principal, make_token
from ringback.web.sessions import SHORT, csrf_token
from tests.unit.fake_users import UserDatabase, users_in_memory
from tests.unit.fakes import SECRET, sample_settings
from tests.unit.signed_in import ACCEPT, HOST

PASSWORD = "correct horse"
SHORT_COOKIE, LONG_COOKIE = "__Host-ringback_session", "__Host-ringback_login"
ELSEWHERE = ["//evil.example", "/\\evil.example", "https:evil.example", "https://evil.example", "/\t/evil.example"]


class Time:
    """Beside the real time, by which cookies are checked."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Site:
    """The service, with one owner, and a browser that has not signed in."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time, self.database = Time(), UserDatabase()
        self.users: Users = users_in_memory(self.time, self.database)
        monkeypatch.setattr(customer.app, "users_of", lambda *_: self.users)
        self.app: Flask = create_app(sample_settings(), self.database.as_database(), self.time)
        self.browser: FlaskClient = self.app.test_client()

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.browser.get(path, base_url=HOST, headers={"Accept": ACCEPT, **headers})

    def post(self, path: str, headers: Mapping[str, str] | None = None, **fields: str) -> TestResponse:
        own = {"Accept": ACCEPT, "Origin": HOST}
        return self.browser.post(path, base_url=HOST, headers=own | dict(headers or {}), data=fields)

    def sign_in(self, name: str = "olga", password: str = PASSWORD, **fields: str) -> TestResponse:
        return self.post("/login", name=name, password=password, **dict[str, Any](fields))

    def cookie(self, name: str) -> str | None:
        cookie = self.browser.get_cookie(name, "ring.example")
        return cookie.value if cookie else None

    def csrf(self) -> str:
        [row] = self.database.documents("sessions").values()
        return csrf_token(SECRET, row["sid"])

    def seen_at(self) -> datetime:
        [row] = self.database.documents("sessions").values()
        seen: datetime = row["seen_at"]
        return seen

    def link(self, business: str = "demo", secret: str = SECRET, late: timedelta = timedelta(0)) -> str:
        return first_owner_token(secret, business, lambda: datetime.now(UTC) - late)

    def lose_short_session(self) -> None:
        self.browser.delete_cookie(SHORT_COOKIE, domain="ring.example")


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(monkeypatch)


@pytest.fixture
def site(empty: Site) -> Site:
    empty.users.add("Olga", "demo", "owner", PASSWORD)
    return empty


def location(answer: TestResponse) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def goes_on(site: Site) -> bool:
    """Whether the browser comes in without a password."""
    return "Location" in site.get("/login").headers


# In.


def test_signing_in_leads_where_somebody_wanted_to_go(site: Site) -> None:
    assert location(site.get("/settings?x=1")) == "/login?next=/settings%3Fx%3D1"
    assert 'name="next" value="/settings?x=1"' in site.get("/login?next=/settings%3Fx%3D1").text
    assert location(site.sign_in(next="/settings?x=1")) == "/settings?x=1"
    assert site.get("/settings").status_code == 200


def test_both_cookies_are_for_this_host_and_no_script(site: Site) -> None:
    cookies = site.sign_in().headers.getlist("Set-Cookie")
    assert sorted(cookie.partition("=")[0] for cookie in cookies) == [LONG_COOKIE, SHORT_COOKIE]
    for cookie in cookies:
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
    kept = {cookie.partition("=")[0]: "Max-Age=1209600" in cookie for cookie in cookies}
    assert kept == {LONG_COOKIE: True, SHORT_COOKIE: False}


@pytest.mark.parametrize("target", ELSEWHERE)
def test_signing_in_leads_to_no_other_site(site: Site, target: str) -> None:
    assert 'name="next" value="/"' in site.browser.get("/login", query_string={"next": target}, base_url=HOST).text
    assert location(site.sign_in(next=target)) == "/"
    assert location(site.browser.get("/login", query_string={"next": target}, base_url=HOST)) == "/"


def test_a_wrong_password_is_said_beside_the_name_that_was_typed(site: Site) -> None:
    answer = site.sign_in(name='ol"><b>ga', password="wrong", next="/settings")
    assert answer.status_code == 401
    assert "Name or password is wrong." in answer.text
    assert 'value="ol&#34;&gt;&lt;b&gt;ga"' in answer.text
    assert 'value="/settings"' in answer.text
    assert 'wrong"' not in answer.text
    assert not answer.headers.getlist("Set-Cookie")


def test_too_many_tries_are_told_to_wait(site: Site) -> None:
    for _ in range(MOST_OF_NAME):
        assert site.sign_in(password="wrong").status_code == 401
    answer = site.sign_in()
    assert answer.status_code == 429
    assert "Too many tries. Wait" in answer.text


def test_a_new_session_is_nobodys_old_one(site: Site) -> None:
    """Fixation: what a browser brought along stands for nothing afterwards."""
    site.browser.set_cookie(LONG_COOKIE, "planted", domain="ring.example", secure=True)
    site.sign_in()
    first = site.cookie(LONG_COOKIE)
    assert first != "planted"
    site.sign_in()
    assert site.cookie(LONG_COOKIE) not in (first, "planted")
    assert len(site.database.documents("sessions")) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://ring.example.evil.example"},
        {"Origin": "https://ring.example:8443"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_no_other_site_signs_anybody_in_or_out(site: Site, headers: dict[str, str]) -> None:
    for path in ("/login", "/login/first", "/logout"):
        answer = site.post(path, headers, name="olga", password=PASSWORD, token=site.link())
        assert answer.status_code == 403
        assert not answer.headers.getlist("Set-Cookie")


def test_a_business_that_is_gone_lets_nobody_in_and_nobody_runs_in_circles(site: Site) -> None:
    site.users.add("Gerd", "gone", "owner", PASSWORD)
    assert site.sign_in("gerd").status_code == 401
    secret = site.users.sign_in("gerd", PASSWORD, "").secret
    site.browser.set_cookie(LONG_COOKIE, secret, domain="ring.example", secure=True)
    assert site.get("/login?next=/settings").status_code == 200


@pytest.mark.parametrize(
    "path", ["/login", "/login/renew", "/login/first?token=x", "/logout", "/settings", "/nowhere"]
)
def test_nothing_of_it_is_kept_or_framed(site: Site, path: str) -> None:
    for answer in (site.get(path), site.post(path)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers.get("Content-Security-Policy", "frame-ancestors 'none'")


def test_the_form_has_no_token_of_anybody(site: Site) -> None:
    site.sign_in()
    assert "csrf" not in site.app.test_client().get("/login", base_url=HOST).text


def test_an_api_token_opens_no_session(site: Site) -> None:
    token = make_token(SECRET, Principal("olga", "demo", "owner"), site.time(), timedelta(hours=1))
    site.browser.set_cookie(LONG_COOKIE, token, domain="ring.example", secure=True)
    assert not goes_on(site)
    assert site.get("/login/renew").status_code == 303


# On.


def test_a_short_session_is_renewed_on_the_way(site: Site) -> None:
    site.sign_in()
    site.lose_short_session()
    way = location(site.get("/settings"))
    assert location(site.get(way)) == "/settings"
    assert site.get("/settings").status_code == 200


def test_an_open_page_renews_by_itself(site: Site) -> None:
    site.sign_in()
    before = site.cookie(SHORT_COOKIE)
    site.time.ahead = timedelta(minutes=1)
    assert site.get("/login/renew", Accept="*/*").status_code == 204
    assert site.cookie(SHORT_COOKIE) not in (None, before)


def test_a_page_that_is_merely_open_does_not_keep_a_session(site: Site) -> None:
    site.sign_in()
    before = site.seen_at()
    site.time.ahead = timedelta(hours=1)
    assert location(site.get("/login?next=/settings", **{"X-Live": "1"})) == "/settings"
    assert site.seen_at() == before
    site.get("/login/renew")
    assert site.seen_at() > before


def test_another_role_counts_when_the_session_is_renewed(site: Site) -> None:
    site.sign_in()
    site.database.documents("users")["olga"]["role"] = "staff"
    site.get("/login/renew")
    assert site.get("/settings").status_code == 403


# Out.


def test_signing_out_ends_the_session_on_both_sides(site: Site) -> None:
    site.sign_in()
    kept = {name: site.cookie(name) for name in (SHORT_COOKIE, LONG_COOKIE)}
    assert location(site.post("/logout", csrf_token=site.csrf())) == "/login"
    assert [site.cookie(name) for name in kept] == [None, None]
    assert not site.database.documents("sessions")
    site.browser.set_cookie(LONG_COOKIE, str(kept[LONG_COOKIE]), domain="ring.example", secure=True)
    assert not goes_on(site)


def test_who_was_away_for_long_signs_out_for_good(site: Site) -> None:
    """The short session ended, the long one did not: signing out must not leave it behind."""
    site.sign_in()
    csrf = site.csrf()
    site.lose_short_session()
    assert location(site.post("/logout", csrf_token=csrf)) == "/login"
    assert not site.database.documents("sessions")


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_nobody_is_signed_out_by_a_form_of_another_session(site: Site, token: str) -> None:
    site.sign_in()
    for lost in (False, True):
        if lost:
            site.lose_short_session()
        assert site.post("/logout", csrf_token=token).status_code == 403
        assert site.database.documents("sessions")


def test_nobody_is_signed_out_by_a_link(site: Site) -> None:
    site.sign_in()
    assert site.get("/logout").status_code == 405
    site.get("/login?next=/logout")
    assert goes_on(site)


def test_who_has_no_session_signs_out_all_the_same(site: Site) -> None:
    assert location(site.post("/logout")) == "/login"


# The first owner.


def test_the_first_owner_comes_in_by_the_link_and_only_once(empty: Site) -> None:
    token = empty.link()
    page = empty.get(f"/login/first?token={token}")
    assert page.status_code == 200
    assert "Bright Smile Dental" in page.text
    assert location(empty.post("/login/first", token=token, name="Olga", password=PASSWORD)) == "/"
    assert empty.get("/settings").status_code == 200
    assert empty.get(f"/login/first?token={token}").status_code == 409
    again = empty.post("/login/first", token=token, name="Eve", password=PASSWORD)
    assert again.status_code == 409
    assert [user["name"] for user in empty.users.list_all()] == ["Olga"]


def test_a_short_password_is_refused_with_the_name_kept(empty: Site) -> None:
    answer = empty.post("/login/first", token=empty.link(), name="Olga", password="short")
    assert answer.status_code == 422
    assert "10 to 200 characters." in answer.text
    assert 'value="Olga"' in answer.text
    assert empty.users.none_of("demo")


def bad_links(site: Site) -> list[str]:
    whole = site.link()
    return [
        "",
        "x",
        whole[:-2],
        site.link(secret="t" * 40),
        site.link(late=timedelta(days=1, seconds=1)),
        site.link(business="gone"),
        make_token(SECRET, Principal("x", "demo", "owner"), site.time(), timedelta(hours=1)),
    ]


def test_no_other_link_lets_anybody_in(empty: Site) -> None:
    for token in bad_links(empty):
        for answer in (
            empty.browser.get(
                "/login/first", query_string={"token": token}, base_url=HOST, headers={"Accept": ACCEPT}
            ),
            empty.post("/login/first", token=token, name="Eve", password=PASSWORD),
        ):
            assert answer.status_code == 404
            assert "This link is over" in answer.text
    assert empty.users.none_of("demo")


def test_a_bad_link_sends_who_is_signed_in_round_no_circle(site: Site) -> None:
    site.sign_in()
    assert site.get("/login/first?token=x").status_code == 404


def test_the_link_takes_over_nobody_of_another_business(empty: Site) -> None:
    empty.users.add("Olga", "other", "owner", PASSWORD)
    answer = empty.post("/login/first", token=empty.link(), name="olga", password="Eve's own one")
    assert answer.status_code == 409
    assert "There is somebody of this name already." in answer.text
    assert empty.users.sign_in("olga", PASSWORD, "").session.business == "other"


def test_the_short_session_is_short(site: Site) -> None:
    """As far as a disabled user gets."""
    site.time.ahead = -SHORT - timedelta(seconds=1)
    site.sign_in()
    assert re.match(r"/login\?next=", location(site.get("/settings")))


def test_pages_alone_are_no_way_around_roles(site: Site) -> None:
    site.users.add("Stefan", "demo", "staff", PASSWORD)
    site.sign_in("stefan")
    answer: Any = site.get("/settings")
    assert answer.status_code == 403
    assert "businesses.toml" not in answer.text
