"""Errors over HTTP: `application/problem+json` (RFC 9457) with a stable `code`, never a stack trace."""

import re
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, g, json
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ringback.errors import (
    BusUnavailable,
    ConcurrentUpdate,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    RingbackError,
    StoreUnavailable,
    TooManyRequests,
    Unauthenticated,
    UpstreamRefused,
    UpstreamUnavailable,
)

STATUS: tuple[tuple[type[RingbackError], HTTPStatus], ...] = (
    (Invalid, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (PreconditionFailed, HTTPStatus.PRECONDITION_FAILED),
    (ConcurrentUpdate, HTTPStatus.CONFLICT),
    (StoreUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (TooManyRequests, HTTPStatus.TOO_MANY_REQUESTS),
    (BusUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (UpstreamUnavailable, HTTPStatus.BAD_GATEWAY),
    (UpstreamRefused, HTTPStatus.BAD_GATEWAY),
    (RingbackError, HTTPStatus.INTERNAL_SERVER_ERROR),
)

WORD_START = re.compile(r"(?<!^)(?=[A-Z])")

log = structlog.get_logger(__name__)


def status_of(error: RingbackError) -> HTTPStatus:
    return next(status for kind, status in STATUS if isinstance(error, kind))


def problem(status: HTTPStatus, code: str, detail: str, **members: Any) -> Response:
    document = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
        "request_id": g.get("request_id"),
        **members,
    }
    return Response(json.dumps(document), status, content_type="application/problem+json")


def problem_of(error: RingbackError) -> Response:
    status = status_of(error)
    response = problem(status, error.code, error.message, **_members(error))
    if status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = "5"
    return response


def _members(error: RingbackError) -> dict[str, Any]:
    """What a kind of error says besides: extension members, as RFC 9457 section 3.2 calls them."""
    if isinstance(error, Invalid) and error.errors:
        return {"errors": error.errors}
    return {**error.extra} if isinstance(error, Conflict) else {}


def http_problem(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    # Named after werkzeug's class: Python's own names of statuses change between versions.
    code = WORD_START.sub("_", type(error).__name__).lower()
    response = problem(status, code, status.description or status.phrase)
    allow(response, error)
    return response


def allow(response: Response, error: Exception) -> None:
    """Name the methods that a route knows (RFC 9110 section 15.5.6)."""
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))


def report_unexpected(error: Exception) -> None:
    log.error("request.failed", exc_info=error)


def unexpected_problem(error: Exception) -> Response:
    report_unexpected(error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side.")


def register(app: Flask) -> None:
    """Answer every error of the app as a problem."""
    app.register_error_handler(Exception, _as_problem)


def _as_problem(error: Exception) -> Response:
    if isinstance(error, RingbackError):
        return problem_of(error)
    if isinstance(error, HTTPException):
        return http_problem(error)
    return unexpected_problem(error)
