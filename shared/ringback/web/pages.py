"""Pages: what a browser gets where a program gets JSON, at the same address.

A page is a template over the JSON of the same route, so that pages show and do nothing that the API does not. Forms
are posted to the API's routes: what was done leads back to a page, what was refused shows the form's own page again
with what was typed and what is wrong with it. `?_method=` stands for the methods that forms do not know.
"""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, unquote_to_bytes, urlsplit

from flask import Flask, Response, g, render_template, request
from jinja2 import ChoiceLoader, PackageLoader, StrictUndefined
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException

from ringback.clock import Clock
from ringback.settings import Settings
from ringback.web import assets
from ringback.web.access import SAFE, is_secure
from ringback.web.formats import Formats, filters_by
from ringback.web.forms import FORM, is_own
from ringback.web.sessions import cookie_name

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HTML = "text/html"
JSON = frozenset({"application/json", "application/problem+json"})
METHODS = frozenset({"PUT", "PATCH", "DELETE"})
SAID_COOKIE = "ringback_said"
LIVE_HEADER = "X-Live"
LOGIN = "/login"
# What an answer says beside its document, whatever it is shown as.
KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")
# What stands in a path as it is (RFC 3986 section 3.3).
PATH_CHARACTERS = "/:@!$&'()*+,;="
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Page:
    """How an endpoint's JSON is shown; `more` gives the template what is not in the JSON."""

    template: str
    more: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What is said, and where it leads, once a form was taken; without `leads_to` back to the form's page."""

    said: str
    leads_to: Callable[[Mapping[str, Any]], str] | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A form that was refused: what was typed, and why it was refused."""

    name: str
    typed: MultiDict[str, str]
    problem: Mapping[str, Any]

    def errors(self, field: str) -> list[str]:
        found: list[str] = self.problem.get("errors", {}).get(field, [])
        return found


@dataclass(frozen=True, slots=True)
class Entry:
    """A place in the navigation; `others` are paths that belong to it, too."""

    label: str
    path: str
    icon: str
    others: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset({"owner", "staff"})

    def leads_to(self, path: str) -> bool:
        """Whether who is at `path` is here."""
        inside = self.path != "/" and path.startswith(f"{self.path}/")
        return path == self.path or inside or path.startswith(self.others)


NAVIGATION = (
    Entry("Today", "/", "home"),
    Entry("Missed calls", "/missed-calls", "missed"),
    Entry("Customers", "/customers", "people"),
    Entry("Leads", "/leads", "board"),
    Entry("Calls", "/calls", "phone"),
    Entry("Messages", "/messages", "message", ("/opt-outs", "/templates")),
    Entry("Automations", "/automations", "bolt", ("/webhook-",)),
    Entry("Settings", "/settings", "gear", roles=frozenset({"owner"})),
)


def add_pages(
    app: Flask,
    settings: Settings,
    clock: Clock,
    *,
    package: str,
    pages: Mapping[str, Page],
    forms: Mapping[str, Done],
) -> None:
    """Show `pages` (endpoint → Page) to browsers and take `forms` (endpoint → Done); templates are `package`'s."""
    renderer = _Renderer(app, settings, clock, pages, forms)
    loaders = [PackageLoader(package), PackageLoader("ringback.web")]
    app.jinja_loader = ChoiceLoader(loaders)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(filters_by(lambda: g.formats))
    app.before_request(renderer.begin)
    app.after_request(renderer.finish)
    app.wsgi_app = MethodOverride(app.wsgi_app)  # type: ignore[method-assign]


def wants_page() -> bool:
    """Whether a browser asks, by what it accepts; a bearer token is never a person's."""
    kinds = request.accept_mimetypes.best_match(["application/json", HTML])
    return kinds == HTML and "Authorization" not in request.headers


def is_own_path(path: str) -> bool:
    """Whether a path leads nowhere but to this host, however a browser reads it."""
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return plain and path.isprintable()


class MethodOverride:
    """A form's POST with `?_method=PUT` is a PUT, and checked as one: it needs the session's token like any other."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        query, is_form = environ.get("QUERY_STRING", ""), environ.get("CONTENT_TYPE", "").startswith(FORM)
        if environ["REQUEST_METHOD"] == "POST" and is_form and "_method=" in query:
            wanted = parse_qs(query).get("_method", [""])[0]
            environ["REQUEST_METHOD"] = wanted if wanted in METHODS else "POST"
        return self._app(environ, start_response)


@dataclass(frozen=True)
class _Renderer:
    app: Flask
    settings: Settings
    clock: Clock
    pages: Mapping[str, Page]
    forms: Mapping[str, Done]

    def begin(self) -> None:
        """What templates and forms stand on, for who is signed in."""
        if "principal" not in g or "csrf_token" not in g:
            return
        g.business = self.settings.businesses[g.principal.business]
        g.formats = Formats(g.business, self.clock())

    def finish(self, response: Response) -> Response:
        if response.status_code == HTTPStatus.NO_CONTENT and request.endpoint in self.forms and wants_page():
            return self._secured(self._done(response, {}))
        if response.mimetype == HTML:
            return self._secured(response)
        if response.mimetype not in JSON:
            return response
        if wants_page():
            response = self._secured(self._shown(response))
        response.vary.add("Accept")
        return response

    def _shown(self, response: Response) -> Response:
        document = response.get_json()
        if response.status_code == HTTPStatus.UNAUTHORIZED and request.method in SAFE:
            return _redirect(f"{LOGIN}?next={quote(_here())}")
        if request.method not in SAFE and response.status_code < HTTPStatus.BAD_REQUEST:
            return self._done(response, document)
        if request.method not in SAFE and "business" in g:
            return self._again(response, document)
        page = self.pages.get(request.endpoint or "")
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            return self._error(response, _problem(response, document))
        if page is None:
            return response
        more = page.more(document) if page.more else {}
        return self._live(self._page(page.template, {"data": document, **more}, HTTPStatus.OK))

    def _live(self, shown: Response) -> Response:
        """What is asked for every few seconds is sent only when it changed."""
        if LIVE_HEADER not in request.headers:
            return shown
        shown.add_etag(weak=True)
        shown.make_conditional(request)
        return shown

    def _done(self, response: Response, document: Mapping[str, Any]) -> Response:
        done = self.forms.get(request.endpoint or "", Done(""))
        wanted = done.leads_to(document) if done.leads_to else request.form.get("_next") or _page_of_form()
        target = wanted if is_own_path(wanted) else "/"
        answer = _redirect(target)
        for cookie in response.headers.getlist("Set-Cookie"):
            answer.headers.add("Set-Cookie", cookie)
        if done.said:
            answer.set_cookie(self._said_cookie, quote(done.said), max_age=60, **self._flags)
        return answer

    def _again(self, response: Response, document: Mapping[str, Any]) -> Response:
        """The page that the form stood on, with what was typed; an error's own page when it is another service's."""
        failed = Failed(request.form.get("_form", ""), _typed(), _problem(response, document))
        shown = self._page_again(_page_of_form(), failed)
        if shown is None or shown.status_code != HTTPStatus.OK:
            return self._error(response, failed.problem)
        shown.status_code = response.status_code
        return _with_kept_headers(shown, response)

    def _page_again(self, path: str, failed: Failed) -> Response | None:
        if not is_own_path(path) or not self._has_page(path):
            return None
        parts = urlsplit(path)
        environ = {
            **{name: value for name, value in request.environ.items() if isinstance(value, str)},
            **{name: value for name, value in request.environ.items() if name.startswith("wsgi.")},
            "REQUEST_METHOD": "GET",
            # As servers give it: bytes, each of them as a character (PEP 3333).
            "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
            "QUERY_STRING": quote(parts.query, safe=PATH_CHARACTERS + "?%"),
            "CONTENT_LENGTH": "0",
            "CONTENT_TYPE": "",
            "wsgi.input": io.BytesIO(),
        }
        with self.app.request_context(environ):
            g.failed = failed
            return self.app.full_dispatch_request()

    def _has_page(self, path: str) -> bool:
        try:
            endpoint, _ = self.app.url_map.bind("").match(unquote(urlsplit(path).path), "GET")
        except HTTPException:
            return False
        return endpoint in self.pages

    def _page(self, template: str, values: Mapping[str, Any], status: int) -> Response:
        self.begin()
        context = page_context() | {"said": self._said()} | dict(values)
        answer = Response(render_template(template, **context), status, content_type=f"{HTML}; charset=utf-8")
        if self._said_cookie in request.cookies and LIVE_HEADER not in request.headers:
            answer.delete_cookie(self._said_cookie, **self._flags)
        return answer

    def _error(self, response: Response, problem: Mapping[str, Any]) -> Response:
        values = {"problem": problem, "back": _back()}
        return _with_kept_headers(self._page("error.html", values, response.status_code), response)

    def _said(self) -> str:
        return unquote(request.cookies.get(self._said_cookie, ""))

    @property
    def _said_cookie(self) -> str:
        return cookie_name(SAID_COOKIE, secure=is_secure(self.settings))

    @property
    def _flags(self) -> dict[str, Any]:
        return {"httponly": True, "secure": is_secure(self.settings), "samesite": "Lax"}

    def _secured(self, response: Response) -> Response:
        for name, value in SECURITY.items():
            response.headers.setdefault(name, value)
        if is_secure(self.settings):
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        return response


def page_context() -> dict[str, Any]:
    """What every template has: who looks at it, whose business, where, and a form that was refused."""
    who = g.get("principal")
    return {
        "who": who,
        "business": g.get("business"),
        "navigation": [entry for entry in NAVIGATION if who and who.role in entry.roles],
        "here": _here(),
        "path": request.path,
        "args": request.args,
        "csrf_token": g.get("csrf_token", ""),
        "failed": g.get("failed"),
        "asset": assets.url_of,
        "now": _now(),
    }


def _now() -> datetime | None:
    formats: Formats | None = g.get("formats")
    return formats.now if formats else None


def _redirect(target: str) -> Response:
    return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": target})


def _with_kept_headers(answer: Response, response: Response) -> Response:
    for name in KEPT_HEADERS:
        if name in response.headers:
            answer.headers[name] = response.headers[name]
    return answer


def _here() -> str:
    """The address of the request, as a link has it."""
    query = request.query_string.decode("latin-1")
    return quote(request.path, safe=PATH_CHARACTERS) + (f"?{query}" if query else "")


def _back() -> str:
    """Where to go on once somebody signed in again: a form's own address is no page."""
    wanted = _here() if request.method in SAFE else _page_of_form()
    return wanted if is_own_path(wanted) else "/"


def _page_of_form() -> str:
    try:
        return request.form.get("_page", "/")
    except HTTPException:  # such as a form that is too large
        return "/"


def _typed() -> MultiDict[str, str]:
    return MultiDict((name, value) for name, value in request.form.items(multi=True) if not is_own(name))


def _problem(response: Response, document: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"status": response.status_code, "title": "", "detail": "", "code": "", "errors": {}, **document}
