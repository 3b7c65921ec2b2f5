"""HTTP in: signing in and out. These are pages only; a program has its bearer token."""

from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

import jwt
from flask import Blueprint, Response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from customer.users import LIFETIME, SignedIn, Users
from ringback.clock import Clock
from ringback.errors import Forbidden, RingbackError, Unauthenticated
from ringback.settings import Settings
from ringback.web.access import PUBLIC, Access, is_secure, principal
from ringback.web.pages import is_own_path, page_context
from ringback.web.problems import status_of
from ringback.web.sessions import ALGORITHM, forget_session, set_session

SIGN_IN_ACCESS: Access = {
    "sign_in.show": PUBLIC,
    "sign_in.enter": PUBLIC,
    "sign_in.renew": PUBLIC,
    "sign_in.welcome": PUBLIC,
    "sign_in.claim": PUBLIC,
    "sign_in.ended": PUBLIC,
    "sign_in.sign_out": frozenset({"owner", "staff"}),
}
# Sent to /login only: no other service ever sees it.
COOKIE = "ringback_login"
COOKIE_PATH = "/login"
LINK_AUDIENCE = "first-owner"
LINK_LIFETIME = timedelta(days=1)
FIRST_OWNER = "owner"


@dataclass(frozen=True)
class SignIn:
    settings: Settings
    users: Users
    clock: Clock

    @property
    def secret(self) -> str:
        assert self.settings.secret_key is not None
        return self.settings.secret_key

    @property
    def secure(self) -> bool:
        return is_secure(self.settings)

    def refuse_other_sites(self) -> None:
        """A form of another site could sign somebody in as somebody else: browsers name the site that sends it."""
        origin = request.headers.get("Origin")
        ours = {urlsplit(url).netloc for url in (self.settings.public_url, request.host_url)}
        if origin is not None and urlsplit(origin).netloc not in ours:
            raise Forbidden("The form is another site's.", code="csrf")

    def enter(self, signed_in: SignedIn, target: str) -> AnyResponse:
        response = _to(target)
        set_session(response, self.secret, signed_in.session, self.clock(), secure=self.secure)
        response.set_cookie(
            _cookie(secure=self.secure),
            signed_in.secret,
            max_age=LIFETIME,
            path=COOKIE_PATH,
            secure=self.secure,
            httponly=True,
            samesite="Lax",
        )
        return response

    def renewed(self, response: Response) -> Response:
        """The response with a new short session. Raises Unauthenticated."""
        session = self.users.renew(request.cookies.get(_cookie(secure=self.secure), ""))
        set_session(response, self.secret, session, self.clock(), secure=self.secure)
        return response


def sign_in_blueprint(sign_in: SignIn) -> Blueprint:
    routes = Blueprint("sign_in", __name__)
    for add_routes in (_signing_in, _first_owner, _signing_out):
        add_routes(routes, sign_in)
    return routes


def _signing_in(routes: Blueprint, sign_in: SignIn) -> None:

    @routes.get("/login")
    def show() -> AnyResponse:
        """The form; who has a session still goes on at once."""
        try:
            return sign_in.renewed(_to(_next(request.args.get("next", "/"))))
        except Unauthenticated:
            return _form("login.html", HTTPStatus.OK, next=_next(request.args.get("next", "/")), name="")

    @routes.get("/login/renew")
    def renew() -> Response:
        """What an open page asks for every few minutes: 204, or 401."""
        return sign_in.renewed(Response(status=HTTPStatus.NO_CONTENT))

    @routes.post("/login")
    def enter() -> AnyResponse:
        """The form again with what was wrong, or on to where somebody wanted to go."""
        sign_in.refuse_other_sites()
        name, target = request.form.get("name", ""), _next(request.form.get("next", "/"))
        try:
            signed_in = sign_in.users.sign_in(name, request.form.get("password", ""), request.remote_addr or "")
        except RingbackError as error:
            return _form("login.html", status_of(error), next=target, name=name, error=error.message)
        return sign_in.enter(signed_in, target)


def _first_owner(routes: Blueprint, sign_in: SignIn) -> None:
    @routes.get("/login/first")
    def welcome() -> AnyResponse:
        """Where the printed link leads: the first owner chooses a password."""
        token = request.args.get("token", "")
        business = sign_in.settings.businesses[business_of(sign_in.secret, token)]
        return _form("first_owner.html", HTTPStatus.OK, token=token, name=FIRST_OWNER, of=business.name)

    @routes.post("/login/first")
    def claim() -> AnyResponse:
        """Works once: until somebody of the business has a password."""
        sign_in.refuse_other_sites()
        token, password = request.form.get("token", ""), request.form.get("password", "")
        key = business_of(sign_in.secret, token)
        name = request.form.get("name", "")
        try:
            signed_in = sign_in.users.claim(name, key, password)
        except RingbackError as error:
            of = sign_in.settings.businesses[key].name
            messages = [text for found in getattr(error, "errors", {}).values() for text in found]
            said = " ".join([error.message, *messages])
            return _form("first_owner.html", status_of(error), token=token, name=name, of=of, error=said)
        return sign_in.enter(signed_in, "/")


def _signing_out(routes: Blueprint, sign_in: SignIn) -> None:
    @routes.post("/logout")
    def sign_out() -> AnyResponse:
        """Ends the session here and in the cookie that every service reads."""
        principal()
        response = _to("/login/ended")
        forget_session(response, secure=sign_in.secure)
        return response

    @routes.get("/login/ended")
    def ended() -> AnyResponse:
        """The session's own cookie comes only here: what it stands for is deleted."""
        sign_in.users.sign_out(request.cookies.get(_cookie(secure=sign_in.secure), ""))
        response = _to("/login")
        response.delete_cookie(
            _cookie(secure=sign_in.secure), path=COOKIE_PATH, secure=sign_in.secure, httponly=True, samesite="Lax"
        )
        return response


def first_owner_token(secret: str, business: str, clock: Clock) -> str:
    claims = {"aud": LINK_AUDIENCE, "business": business, "exp": clock() + LINK_LIFETIME}
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def business_of(secret: str, token: str) -> str:
    """Raises Unauthenticated."""
    try:
        claims = jwt.decode(
            token, secret, algorithms=[ALGORITHM], audience=LINK_AUDIENCE, options={"require": ["exp", "business"]}
        )
    except jwt.InvalidTokenError as error:
        raise Unauthenticated("The link is not valid any more.", code="invalid_link") from error
    return str(claims["business"])


def _form(template: str, status: HTTPStatus, **values: str) -> Response:
    values = {"error": "", **values}
    text = render_template(template, **page_context(), said="", **values)
    return Response(text, status, content_type="text/html; charset=utf-8")


def _to(target: str) -> Response:
    return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": target})


def _next(path: str) -> str:
    return path if is_own_path(path) else "/"


def _cookie(*, secure: bool) -> str:
    return f"__Secure-{COOKIE}" if secure else COOKIE
