"""Sessions of people: a short-lived signed cookie that every service can read, renewed by whoever keeps the users.

The cookie is a JWT like an API token, with the id of its session and `aud: session`, so that neither stands for the
other. It lives for minutes; GET /login makes a new one as long as the session itself lasts, which it keeps in its
own cookie. So signing out, and disabling a user, ends everything within SHORT.
Unsafe requests need the CSRF token of the session: an HMAC of its id (OWASP's HMAC-based token pattern).
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from flask import Request, Response

from ringback.errors import Unauthenticated
from ringback.seals import seal_with

ALGORITHM = "HS256"
AUDIENCE = "session"
COOKIE = "ringback_session"
SHORT = timedelta(minutes=15)
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "X-CSRF-Token"


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in; `id` names the session."""

    id: str
    subject: str
    business: str
    role: str


def set_session(response: Response, secret: str, session: Session, now: datetime, *, secure: bool) -> None:
    claims = {
        "aud": AUDIENCE,
        "sid": session.id,
        "sub": session.subject,
        "business": session.business,
        "role": session.role,
        "exp": now + SHORT,
    }
    cookie = jwt.encode(claims, secret, algorithm=ALGORITHM)
    response.set_cookie(cookie_name(COOKIE, secure=secure), cookie, secure=secure, httponly=True, samesite="Lax")


def forget_session(response: Response, *, secure: bool) -> None:
    response.delete_cookie(cookie_name(COOKIE, secure=secure), secure=secure, httponly=True, samesite="Lax")


def session_of(request: Request, secret: str, *, secure: bool) -> Session | None:
    """Who sent the request, None without a cookie. Raises Unauthenticated when the cookie is not valid any more."""
    cookie = request.cookies.get(cookie_name(COOKIE, secure=secure))
    if not cookie:
        return None
    try:
        claims: Mapping[str, Any] = jwt.decode(
            cookie,
            secret,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            options={"require": ["exp", "sub", "sid", "business", "role"]},
        )
    except jwt.InvalidTokenError as error:
        raise Unauthenticated("You are not signed in any more.", code="session_ended") from error
    return Session(claims["sid"], claims["sub"], claims["business"], claims["role"])


def cookie_name(name: str, *, secure: bool) -> str:
    """Over HTTPS a browser takes a `__Host-` cookie from nobody but this very host (RFC 6265bis section 4.1.3)."""
    return f"__Host-{name}" if secure else name


def csrf_token(secret: str, session_id: str) -> str:
    return seal_with(secret)(f"csrf:{session_id}")


def is_csrf_token(secret: str, session_id: str, given: str) -> bool:
    return hmac.compare_digest(csrf_token(secret, session_id).encode(), given.encode())
