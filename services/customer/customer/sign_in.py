"""HTTP in: signing in and out. These are pages only; a program has its bearer token."""

from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import jwt
from flask import Blueprint, Response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from customer.users import LIFETIME, SignedIn, Users
from ringback.clock import Clock
from ringback.errors import Forbidden, NotFound, RingbackError, Unauthenticated
from ringback.settings import Settings
from ringback.web.access import PUBLIC, Access, given_csrf_token, is_secure
from ringback.web.pages import LIVE_HEADER, is_own_path, page_context
from ringback.web.problems import status_of
from ringback.web.sessions import (
    ALGORITHM,
    Session,
    cookie_name,
    forget_session,
    is_csrf_token,
    session_of,
    set_session,
)

SIGN_IN_ACCESS: Access = {
    "sign_in.show": PUBLIC,
    "sign_in.enter": PUBLIC,
    "sign_in.renew": PUBLIC,
    "sign_in.welcome": PUBLIC,
    "sign_in.claim": PUBLIC,
    # Whose short session ended may sign out, too: it looks after itself.
    "sign_in.sign_out": PUBLIC,
}
COOKIE = "ringback_login"
LINK_AUDIENCE = "first-owner"
LINK_LIFETIME = timedelta(days=1)
FIRST_OWNER = "owner"
BAD_LINK = "The link is not valid any more. Start Ringback again for a new one."
# What browsers say of a form's origin (Fetch Metadata): ours, or typed in.
OWN_SITES = frozenset({"same-origin", "none"})


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
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "same-origin")
        ours = {urlsplit(url).netloc for url in (self.settings.public_url, request.host_url)}
        if (origin is not None and urlsplit(origin).netloc not in ours) or site not in OWN_SITES:
            raise Forbidden("The form is another site's.", code="csrf")

    def enter(self, signed_in: SignedIn, target: str) -> AnyResponse:
        """A session of its own: whatever the browser had before is over."""
        self.users.sign_out(self.given)
        response = self._with_session(_to(target), signed_in.session)
        response.set_cookie(self.cookie, signed_in.secret, max_age=LIFETIME, **self._flags)
        return response

    def renewed(self, response: Response) -> Response:
        """The response with a new short session. Raises Unauthenticated."""
        return self._with_session(response, self.users.renew(self.given, used=LIVE_HEADER not in request.headers))

    def signed_out(self, response: Response) -> Response:
        self.users.sign_out(self.given)
        forget_session(response, secure=self.secure)
        response.delete_cookie(self.cookie, **self._flags)
        return response

    def refuse_foreign_sign_out(self) -> None:
        """The form has to be of one of this browser's sessions, be it over. Raises Forbidden."""
        ids = [found for found in (self.users.session_id(self.given), self._short_id()) if found]
        if ids and not any(is_csrf_token(self.secret, found, given_csrf_token()) for found in ids):
            raise Forbidden("The form is of another session; load the page again.", code="csrf")

    def business_of_link(self, token: str) -> str:
        """Raises NotFound: sent to the sign-in, somebody with a session would be sent back here for ever."""
        try:
            claims = jwt.decode(
                token,
                self.secret,
                algorithms=[ALGORITHM],
                audience=LINK_AUDIENCE,
                options={"require": ["exp", "business"]},
            )
        except jwt.InvalidTokenError as error:
            raise NotFound(BAD_LINK, code="invalid_link") from error
        if claims["business"] not in self.settings.businesses:
            raise NotFound(BAD_LINK, code="invalid_link")
        return str(claims["business"])

    @property
    def cookie(self) -> str:
        return cookie_name(COOKIE, secure=self.secure)

    @property
    def given(self) -> str:
        """What the browser keeps to renew its session."""
        return request.cookies.get(self.cookie, "")

    @property
    def _flags(self) -> dict[str, Any]:
        return {"secure": self.secure, "httponly": True, "samesite": "Lax"}

    def _with_session(self, response: Response, session: Session) -> Response:
        if session.business not in self.settings.businesses:
            raise Unauthenticated("Your business is not served here any more.", code="session_ended")
        set_session(response, self.secret, session, self.clock(), secure=self.secure)
        return response

    def _short_id(self) -> str | None:
        try:
            session = session_of(request, self.secret, secure=self.secure)
        except Unauthenticated:
            return None
        return session.id if session else None


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
            return sign_in.enter(signed_in, target)
        except RingbackError as error:
            return _form("login.html", status_of(error), next=target, name=name, error=error.message)


def _first_owner(routes: Blueprint, sign_in: SignIn) -> None:
    @routes.get("/login/first")
    def welcome() -> AnyResponse:
        """Where the printed link leads: the first owner chooses a password."""
        token = request.args.get("token", "")
        business = sign_in.settings.businesses[sign_in.business_of_link(token)]
        sign_in.users.refuse_used_link(business.key)
        return _form("first_owner.html", HTTPStatus.OK, token=token, name=FIRST_OWNER, of=business.name)

    @routes.post("/login/first")
    def claim() -> AnyResponse:
        """Works once: until somebody of the business has a password."""
        sign_in.refuse_other_sites()
        token, password = request.form.get("token", ""), request.form.get("password", "")
        key = sign_in.business_of_link(token)
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
        """Ends the session, here and in the browser."""
        sign_in.refuse_other_sites()
        sign_in.refuse_foreign_sign_out()
        return sign_in.signed_out(_to("/login"))


def first_owner_token(secret: str, business: str, clock: Clock) -> str:
    claims = {"aud": LINK_AUDIENCE, "business": business, "exp": clock() + LINK_LIFETIME}
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def _form(template: str, status: HTTPStatus, **values: str) -> Response:
    values = {"error": "", **values}
    text = render_template(template, **page_context(), said="", **values)
    return Response(text, status, content_type="text/html; charset=utf-8")


def _to(target: str) -> Response:
    return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": target})


def _next(path: str) -> str:
    return path if is_own_path(path) else "/"
