"""Who may call what: tokens and sessions, and one table of routes and roles per service. The rest is denied.

Tokens are JWTs (RFC 7519) signed with HS256 and RINGBACK_SECRET_KEY; claims `sub business role exp`. Who sends
a token needs no CSRF token: no browser adds one by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
from flask import Flask, g, request

from ringback.errors import Forbidden, InvalidSettings, Unauthenticated
from ringback.settings import Settings
from ringback.web.sessions import CSRF_FIELD, CSRF_HEADER, csrf_token, is_csrf_token, session_of

ALGORITHM = "HS256"
ROLES = ("owner", "staff", "service")
EVERY_ROLE = frozenset(ROLES)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
PUBLIC: frozenset[str] = frozenset({"*"})

Access = Mapping[str, frozenset[str]]
"""Endpoint → the roles that may call it; PUBLIC needs no token."""


@dataclass(frozen=True, slots=True)
class Principal:
    subject: str
    business: str
    role: str


def make_token(secret: str, principal: Principal, now: datetime, lifetime: timedelta) -> str:
    claims = {
        "sub": principal.subject,
        "business": principal.business,
        "role": principal.role,
        "exp": now + lifetime,
    }
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def read_token(secret: str, token: str) -> Principal:
    """Raises Unauthenticated; never says which check failed."""
    try:
        claims = jwt.decode(
            token, secret, algorithms=[ALGORITHM], options={"require": ["exp", "sub", "business", "role"]}
        )
    except jwt.InvalidTokenError as error:
        raise Unauthenticated("The token is not valid.", code="invalid_token") from error
    business, role = claims["business"], claims["role"]
    if not isinstance(business, str) or role not in ROLES:
        raise Unauthenticated("The token is not valid.", code="invalid_token")
    return Principal(claims["sub"], business, role)


def principal() -> Principal:
    """Who calls; only on routes that are not PUBLIC."""
    caller: Principal = g.principal
    return caller


def guard(app: Flask, access: Access, settings: Settings) -> None:
    """Check every request against the table.

    Raises LookupError when a route is missing in it: a route that nobody thought about is not served.
    """
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    missing = endpoints - set(access)
    if missing:
        raise LookupError(f"No access rule for {sorted(missing)}.")
    secret = settings.secret_key
    if not secret:
        raise InvalidSettings("RINGBACK_SECRET_KEY is missing.")

    @app.before_request
    def check() -> None:
        if request.endpoint is None or access[request.endpoint] is PUBLIC:
            return
        g.principal = _caller(secret, secure=is_secure(settings))
        if g.principal.business not in settings.businesses:
            raise Unauthenticated("The token's business is not served here.", code="invalid_token")
        if g.principal.role not in access[request.endpoint]:
            raise Forbidden("Your role may not do this.")


def is_secure(settings: Settings) -> bool:
    """Whether people come over HTTPS: cookies are bound to it then."""
    return settings.public_url.startswith("https://")


def _caller(secret: str, *, secure: bool) -> Principal:
    if "Authorization" in request.headers:
        return read_token(secret, _bearer(request.headers["Authorization"]))
    session = session_of(request, secret, secure=secure)
    if session is None:
        raise Unauthenticated("Sign in first: a bearer token is needed.")
    if request.method not in SAFE:
        _check_csrf(secret, session.id)
    g.csrf_token = csrf_token(secret, session.id)
    return Principal(session.subject, session.business, session.role)


def given_csrf_token() -> str:
    return request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, "")


def _check_csrf(secret: str, session_id: str) -> None:
    if not is_csrf_token(secret, session_id, given_csrf_token()):
        raise Forbidden("The form is of another session; load the page again.", code="csrf")


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("Sign in first: a bearer token is needed.")
    return token.strip()
