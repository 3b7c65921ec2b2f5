"""The app factory: request ids, problems, health, access. Nothing is opened by making an app."""

import random
import re
from collections.abc import Callable, Iterable, Mapping

import structlog
from flask import Blueprint, Flask, Response, g, jsonify, request

from ringback.errors import error_name
from ringback.settings import Settings
from ringback.web import problems
from ringback.web.access import PUBLIC, Access, guard
from ringback.web.assets import ASSETS_ACCESS, assets_blueprint
from ringback.worker.runtime import Loop

Check = Callable[[], object]
"""Readiness: raises when the service cannot do its work."""

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
LOOPS = "ringback.loops"
HEALTH_ACCESS: Access = {"health.healthz": PUBLIC, "health.readyz": PUBLIC}


def create_web(
    name: str,
    *,
    blueprints: Iterable[Blueprint],
    access: Access,
    settings: Settings,
    checks: Mapping[str, Check],
    max_body: int = 64 * 1024,
    loops: Iterable[Loop] = (),
) -> Flask:
    """A service's app; `access` lists every endpoint of `blueprints`, what it does not list cannot be served.

    `loops` have to run beside the app, in its process; whoever serves the app runs them (`loops_of`).
    """
    app = Flask(name, static_folder=None)
    app.extensions[LOOPS] = tuple(loops)
    app.config.update(MAX_CONTENT_LENGTH=max_body, MAX_FORM_PARTS=1000)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    problems.register(app)
    app.before_request(_begin)
    app.after_request(_finish)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # else `//` is answered by a redirect to whatever Host was sent
    for blueprint in (_health(checks), assets_blueprint(), *blueprints):
        app.register_blueprint(blueprint)
    guard(app, {**HEALTH_ACCESS, **ASSETS_ACCESS, **access}, settings)
    return app


def request_id_of(given: str) -> str:
    """The id that whoever asks gave, when it looks like one, else a new one.

    It is a name, no secret: asking the kernel for random bytes would cost each request a turn of its thread.
    """
    return given if REQUEST_ID.fullmatch(given) else f"{random.getrandbits(64):016x}"


def loops_of(app: Flask) -> tuple[Loop, ...]:
    loops: tuple[Loop, ...] = app.extensions[LOOPS]
    return loops


def _begin() -> None:
    g.request_id = request_id_of(request.headers.get("X-Request-Id", ""))
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _health(checks: Mapping[str, Check]) -> Blueprint:
    health = Blueprint("health", __name__)

    @health.get("/healthz")
    def healthz() -> Response:
        """Alive: answers while the process can answer at all, whatever it depends on."""
        return jsonify(status="ok")

    @health.get("/readyz")
    def readyz() -> tuple[Response, int]:
        """Ready: every check passes; 503 names those that do not."""
        results = {name: _result(check) for name, check in checks.items()}
        ready = all(result == "ok" for result in results.values())
        return jsonify(status="ok" if ready else "unavailable", checks=results), 200 if ready else 503

    return health


def _result(check: Check) -> str:
    try:
        check()
    except Exception as error:
        problems.log.warning("readiness.failed", code=error_name(error))
        return error_name(error)
    return "ok"
