"""Pages over JSON: who gets which, forms and what was typed, where it leads, and what no page may let through."""

import re
from html import unescape
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, g, jsonify, request
from jinja2 import ChoiceLoader, DictLoader
from marshmallow import fields, validate
from werkzeug.test import TestResponse

from ringback.clock import system_clock
from ringback.errors import Conflict, StoreUnavailable
from ringback.web.access import PUBLIC, Access
from ringback.web.app import create_web
from ringback.web.bodies import Body, Line, load_body
from ringback.web.forms import MONEY
from ringback.web.pages import Done, Page, add_pages, is_own_path
from tests.unit.fakes import sample_settings
from tests.unit.signed_in import ACCEPT, CSRF, HOST, OLGA, STEFAN, Browser, cookie_of

PEOPLE = frozenset({"owner", "staff"})
ACCESS: Access = {
    "things.show": PEOPLE,
    "things.add": PEOPLE,
    "things.change": PEOPLE,
    "things.remove": PEOPLE,
    "things.bare": PEOPLE,
    "things.away": PEOPLE,
    "things.broken": PEOPLE,
    "things.owners": frozenset({"owner"}),
    "things.open_": PUBLIC,
}
TEMPLATE = """{% extends "base.html" %}{% import "forms.html" as forms with context %}
{% block main %}<h1>{{ data.title }}</h1><p id="args">{{ args.get("q", "") }}</p><p id="more">{{ extra }}</p>
{% call forms.form("/things", "add") %}
{{ forms.field("add", "name", "Name", data.title, required=true) }}
{{ forms.field("add", "price", "Price") }}
{{ forms.area("add", "note", "Note") }}
{{ forms.choice("add", "kind", "Kind", [("a", "A"), ("b&c", "B")], "a") }}
{{ forms.check("add", "sure", "Sure", true) }}
<button>Add</button>{% endcall %}
{% call forms.form("/things/1", "change", method="PUT") %}<button>Change</button>{% endcall %}
{% endblock %}"""
HOSTILE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "https:evil.example",
    "https://evil.example/",
    "http:///evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    "",
    "/x\r\nSet-Cookie: a=b",
    "/x\u2028y",
    "/x\x00",
    "/\u202e/evil.example",
]


class Thing(Body):
    name = Line(40, required=True)
    price = fields.Integer(strict=True, load_default=None, metadata=MONEY, validate=validate.Range(min=0))
    note = Line(40, allow_none=True, load_default=None)
    kind = fields.String(load_default="a", validate=validate.OneOf(["a"]))
    sure = fields.Boolean(load_default=False, truthy={True}, falsy={False})


def things() -> Blueprint:  # noqa: C901 - one route of each kind
    routes = Blueprint("things", __name__)

    @routes.get("/things")
    def show() -> Response:
        return jsonify(title="A & B <things>")

    @routes.post("/things")
    def add() -> tuple[Response, int]:
        body = load_body(Thing())
        if body["name"] == "taken":
            raise Conflict("There is one of this name.")
        return jsonify(id="42", **body), 201

    @routes.put("/things/<thing>")
    def change(thing: str) -> Response:
        response = jsonify(method=request.method)
        response.set_cookie("kept", "1")
        return response

    @routes.delete("/things/<thing>")
    def remove(thing: str) -> tuple[str, int]:
        return "", 204

    @routes.get("/bare")
    def bare() -> Response:
        return jsonify(bare=True)

    @routes.get("/away")
    def away() -> Response:
        raise StoreUnavailable("Away.")

    @routes.get("/broken")
    def broken() -> Response:
        return jsonify(title="no such variable")

    @routes.get("/owners")
    def owners() -> Response:
        return jsonify(title="Owners")

    @routes.get("/open")
    def open_() -> Response:
        return jsonify(title="Everybody", failed=g.get("failed") is not None)

    return routes


def make_app(**environ: str) -> Flask:
    settings = sample_settings(**environ)
    app = create_web("things", blueprints=[things()], access=ACCESS, settings=settings, checks={}, max_body=5000)
    shown = {"things.show", "things.owners", "things.open_"}
    more = {"things.show": lambda document: {"extra": len(document["title"])}}
    pages = {endpoint: Page("things.html", more.get(endpoint, lambda _: {"extra": ""})) for endpoint in shown}
    forms = {
        "things.add": Done("It is added.", lambda document: f"/things?q={document['id']}"),
        "things.change": Done(""),
        "things.remove": Done("It is gone."),
    }
    add_pages(
        app,
        settings,
        system_clock,
        package="ringback.web",
        pages={**pages, "things.broken": Page("broken.html")},
        forms=forms,
    )
    own = DictLoader({"things.html": TEMPLATE, "broken.html": "{{ data.nothing.at.all }}"})
    app.jinja_loader = ChoiceLoader([own, *([app.jinja_loader] if app.jinja_loader else [])])
    return app


@pytest.fixture(scope="module")
def app() -> Flask:
    return make_app()


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)


def is_page(answer: TestResponse) -> bool:
    return answer.mimetype == "text/html" and "<!doctype html>" in answer.text


def field_of(page: str, name: str) -> str:
    """The tag of a form's field."""
    found = re.search(rf'<(?:input|select|textarea)[^>]*name="{name}"[^>]*>', page)
    assert found, name
    return found[0]


# Who gets a page.


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (ACCEPT, True),
        ("text/html", True),
        ("text/html, application/json;q=0.9", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("application/json, text/html", False),
        ("text/html;q=0.5, application/json", False),
        ("text/html;q=0", False),
        ("image/png", False),
    ],
)
def test_a_browser_gets_a_page_and_a_program_json(app: Flask, accept: str, page: bool) -> None:
    answer = app.test_client(use_cookies=False).get("/things", headers={"Accept": accept, "Cookie": cookie_of()})
    assert answer.status_code == 200
    assert is_page(answer) is page
    assert "Accept" in answer.vary
    if not page:
        assert answer.json == {"title": "A & B <things>"}


def test_who_sends_a_token_gets_no_page_whatever_is_accepted(browser: Browser) -> None:
    answer = browser.get("/things", Authorization="Bearer x")
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")


def test_a_page_is_a_template_over_the_json(browser: Browser) -> None:
    page = browser.get("/things?q=%3Cb%3E").text
    assert "<h1>A &amp; B &lt;things&gt;</h1>" in page
    assert '<p id="args">&lt;b&gt;</p>' in page
    assert '<p id="more">14</p>' in page


def test_what_has_no_page_stays_json(browser: Browser) -> None:
    assert browser.get("/bare").json == {"bare": True}


def test_head_has_the_pages_headers_and_no_body(app: Flask) -> None:
    answer = app.test_client(use_cookies=False).head("/things", headers={"Accept": ACCEPT, "Cookie": cookie_of()})
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "text/html", b"")


# Who is not signed in.


def test_who_is_not_signed_in_is_led_to_the_sign_in_and_back(app: Flask) -> None:
    answer = Browser(app, None).get("/things?q=a%26b&x=1")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login?next=/things%3Fq%3Da%2526b%26x%3D1"


def test_a_program_that_is_not_signed_in_is_told_so(app: Flask) -> None:
    assert app.test_client().get("/things").status_code == 401


def test_a_form_of_who_is_not_signed_in_any_more_is_told_where_to_go_on(app: Flask) -> None:
    answer = Browser(app, None).send("/things", name="x", _page="/things?q=1")
    assert answer.status_code == 401
    assert 'href="/login?next=/things%3Fq%3D1"' in answer.text
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_wrong_role_is_told_so_on_a_page_with_the_way_back(app: Flask) -> None:
    answer = Browser(app, STEFAN).get("/owners")
    assert (answer.status_code, is_page(answer)) == (403, True)
    assert 'aria-label="Main"' in answer.text


def test_staff_is_offered_nothing_of_owners(app: Flask) -> None:
    assert 'href="/settings"' in Browser(app, OLGA).get("/things").text
    assert 'href="/settings"' not in Browser(app, STEFAN).get("/things").text


# Safe against other sites.


@pytest.mark.parametrize(
    "path", ["/things", "/owners", "/nowhere", "/away", "/broken", "/open", "/things?_method=PUT"]
)
@pytest.mark.parametrize("session", [OLGA, STEFAN, None])
def test_every_html_answer_is_locked_down(app: Flask, path: str, session: Any) -> None:
    browser = Browser(app, session)
    for answer in (browser.get(path), browser.send(path)):
        assert answer.mimetype == "text/html"
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "form-action 'self'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_without_https_nothing_is_promised_about_it() -> None:
    answer = Browser(make_app(RINGBACK_PUBLIC_URL="http://127.0.0.1:8080"), None).get("/nowhere")
    assert "Strict-Transport-Security" not in answer.headers


def test_pages_have_no_inline_script_or_style(browser: Browser) -> None:
    page = browser.get("/things").text
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)


@pytest.mark.parametrize("path", ["/things", "/x?y=1", "/customers/a%20b?q=%2F%2Fx", "/", "/ü", "/.//x"])
def test_a_path_of_our_own_is_one(path: str) -> None:
    assert is_own_path(path)


@pytest.mark.parametrize("path", HOSTILE)
def test_nobody_is_sent_to_another_site(browser: Browser, path: str) -> None:
    assert not is_own_path(path)
    for field in ("_next", "_page"):
        answer = browser.send("/things/1?_method=PUT", **dict[str, Any]({field: path}))
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")


@pytest.mark.parametrize("path", [*HOSTILE, "/nowhere", "/bare", "/things/1", "/%zz", "/things%00", "/["])
def test_a_refused_form_with_a_hostile_page_is_an_error_and_no_more(browser: Browser, path: str) -> None:
    answer = browser.send("/things", _page=path)
    assert (answer.status_code, is_page(answer)) == (422, True)
    assert "Something is not right yet" in answer.text


def test_a_refused_form_shows_no_page_that_its_sender_may_not_see(app: Flask) -> None:
    answer = Browser(app, STEFAN).send("/things", _page="/owners")
    assert answer.status_code == 422
    assert "Something is not right yet" in answer.text
    assert "<h1>Owners" not in answer.text


def test_the_host_that_is_named_leads_nowhere(app: Flask) -> None:
    answer = Browser(app, None, host="https://evil.example").get("/things")
    assert answer.headers["Location"].startswith("/login?")
    assert "evil.example" not in Browser(app, host="https://evil.example").get("/things").text


@pytest.mark.parametrize("text", ["{{ 7 * 7 }}", "{% raw %}", "<script>alert(1)</script>", "\"'><img src=x>", "]]>"])
def test_what_is_typed_is_text(browser: Browser, text: str) -> None:
    page = browser.send("/things", _page="/things", _form="add", name=text + "x" * 40, note=text).text
    assert "49" not in re.findall(r'value="(\d+)"', page)
    assert "<script>alert" not in page
    assert "<img" not in page.partition("<main")[2]
    assert unescape(field_of(page, "name")).count(text) == 1


# Forms.


def test_what_was_done_leads_on_and_is_said_once(app: Flask, browser: Browser) -> None:
    done = browser.send("/things", name="x", _page="/things")
    assert (done.status_code, done.headers["Location"]) == (303, "/things?q=42")
    [cookie] = done.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-ringback_said=")
    for flag in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert flag in cookie
    both = f"{cookie_of()}; {cookie.partition(';')[0]}"
    shown = app.test_client(use_cookies=False).get("/things", headers={"Accept": ACCEPT, "Cookie": both})
    assert '<p class="said" role="status">It is added.</p>' in shown.text
    assert "Max-Age=0" in shown.headers["Set-Cookie"]


def test_without_an_own_place_it_leads_where_the_form_says(browser: Browser) -> None:
    assert browser.send("/things/1?_method=PUT", _page="/things?q=2").headers["Location"] == "/things?q=2"
    assert browser.send("/things/1?_method=PUT", _page="/a", _next="/b").headers["Location"] == "/b"


def test_what_the_route_sets_is_kept(browser: Browser) -> None:
    assert browser.send("/things/1?_method=PUT").headers["Set-Cookie"] == "kept=1; Path=/"


def test_an_answer_without_content_leads_on_too(browser: Browser) -> None:
    answer = browser.send("/things/1?_method=DELETE", _next="/things")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/things")
    assert "ringback_said" in answer.headers["Set-Cookie"]


def test_what_was_refused_comes_back_typed_with_what_is_wrong(browser: Browser) -> None:
    answer = browser.send(
        "/things", _page="/things?q=kept", _form="add", name=" ", price="a lot", note="n", kind="b&c", sure="false"
    )
    assert answer.status_code == 422
    page = answer.text
    assert '<p id="args">kept</p>' in page
    assert 'value="a lot"' in field_of(page, "price")
    assert 'aria-invalid="true"' in field_of(page, "price")
    assert 'aria-invalid="true"' not in field_of(page, "note")
    assert re.search(r'id="add-name-error" data-error="name">Must not be empty\.<', page)
    assert re.search(r'id="add-note-error" data-error="note" hidden>', page)
    assert ">n</textarea>" in page
    assert '<option value="b&amp;c" selected>' in page
    assert '<input type="checkbox" name="sure" value="true">' in page


def test_a_box_that_was_ticked_stays_so(browser: Browser) -> None:
    page = browser.send("/things", {"Content-Type": "application/x-www-form-urlencoded"}, _page="/things").text
    assert '<input type="checkbox" name="sure" value="true" checked>' in page
    data = f"csrf_token={CSRF}&_page=/things&_form=add&sure=false&sure=true"
    headers = {"Accept": ACCEPT, "Cookie": cookie_of(), "Content-Type": "application/x-www-form-urlencoded"}
    page = browser.client.post("/things", base_url=HOST, headers=headers, data=data).text
    assert '<input type="checkbox" name="sure" value="true" checked>' in page


def test_another_form_of_the_page_is_not_blamed(browser: Browser) -> None:
    page = browser.send("/things", _page="/things", _form="change", name="typed").text
    assert "Must not be empty" not in page
    assert "typed" not in page


def test_a_conflict_is_said_in_the_form(browser: Browser) -> None:
    answer = browser.send("/things", _page="/things", _form="add", name="taken")
    assert answer.status_code == 409
    assert re.search(r'role="alert" data-form-error>There is one of this name\.<', answer.text)
    assert 'value="taken"' in field_of(answer.text, "name")


def test_the_pages_own_fields_do_not_come_back(browser: Browser) -> None:
    page = browser.send("/things", _page="/things", _form="add", _secret="sesame", name="").text
    assert "sesame" not in page


@pytest.mark.parametrize("page", ["/things?q=ü", "/things?q=%C3%BC", "/things?q=中", "/things?q=%E4%B8%AD"])
def test_pages_of_other_scripts_come_back(browser: Browser, page: str) -> None:
    answer = browser.send("/things", _page=page, _form="add", name="")
    assert answer.status_code == 422
    assert re.search('<p id="args">[ü中]</p>', answer.text)


def test_a_program_is_answered_as_ever(app: Flask) -> None:
    client = app.test_client(use_cookies=False)
    headers = {"Accept": "application/json", "Cookie": cookie_of(), "X-CSRF-Token": CSRF}
    made = client.post("/things", headers=headers, data={"name": "x", "price": "12.50"})
    assert (made.status_code, made.json and made.json["price"]) == (201, 1250)
    refused = client.post("/things", headers=headers, data={"name": ""})
    assert (refused.status_code, refused.mimetype) == (422, "application/problem+json")


def test_a_form_of_another_session_changes_nothing(browser: Browser) -> None:
    answer = browser.send("/things", csrf_token="0" * 64, name="x", _page="/things")
    assert answer.status_code == 403
    assert "This page was open for too long" in answer.text
    assert "Location" not in answer.headers


def test_a_form_too_large_is_refused_on_a_page(browser: Browser) -> None:
    answer = browser.send("/things", name="x" * 6000)
    assert (answer.status_code, is_page(answer)) == (413, True)


# Methods that forms do not know.


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("_method=PUT", 303),
        ("a=1&_method=PUT", 303),
        ("_method=DELETE", 303),
        ("_method=PATCH", 405),
        ("_method=put", 405),
        ("_method=GET", 405),
        ("_method=TRACE", 405),
        ("_method=", 405),
        ("_method=PUT%0D%0A", 405),
        ("x_method=", 405),
    ],
)
def test_a_form_may_stand_for_a_few_methods(browser: Browser, query: str, status: int) -> None:
    assert browser.send(f"/things/1?{query}").status_code == status


def test_no_get_and_nothing_but_a_form_stands_for_another_method(app: Flask, browser: Browser) -> None:
    assert browser.get("/things/1?_method=DELETE").status_code == 405
    headers = {"Cookie": cookie_of(), "X-CSRF-Token": CSRF}
    assert app.test_client().post("/things/1?_method=DELETE", headers=headers, json={}).status_code == 405


def test_another_method_needs_the_token_as_well(browser: Browser) -> None:
    assert browser.send("/things/1?_method=DELETE", csrf_token="").status_code == 403


# Errors.


def test_an_error_keeps_what_it_says_to_programs(browser: Browser) -> None:
    away = browser.get("/away")
    assert (away.status_code, away.headers["Retry-After"], is_page(away)) == (503, "5", True)
    assert "PUT" in browser.get("/things/1").headers["Allow"]


def test_a_page_that_breaks_is_an_error_page_without_a_trace(browser: Browser) -> None:
    answer = browser.get("/broken")
    assert (answer.status_code, is_page(answer)) == (500, True)
    assert "Undefined" not in answer.text
    assert "Traceback" not in answer.text


# Live.


def test_what_did_not_change_is_not_sent_again(browser: Browser) -> None:
    first = browser.get("/things", **{"X-Live": "1"})
    assert (first.status_code, first.headers["ETag"][:3]) == (200, 'W/"')
    again = browser.get("/things", **{"X-Live": "1", "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    other = browser.get("/things?q=x", **{"X-Live": "1", "If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200


def test_a_page_asked_for_by_hand_is_always_sent(browser: Browser) -> None:
    tag = browser.get("/things", **{"X-Live": "1"}).headers["ETag"]
    answer = browser.get("/things", **{"If-None-Match": tag})
    assert answer.status_code == 200
    assert "ETag" not in answer.headers
