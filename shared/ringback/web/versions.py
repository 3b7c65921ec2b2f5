"""Changes of what was read before: refused when somebody else was faster."""

from collections.abc import Callable

from flask import request

from ringback.errors import Conflict, PreconditionFailed

Check = Callable[[int], None]
"""Raises unless the stored version is the one that the caller read."""


class StaleVersion(Conflict):
    """It was changed since it was read."""

    code = "stale_version"


def unless_stale(version: int | None) -> Check:
    """By If-Match (RFC 9110 section 13.1.1): 412. By the body's `version`: 409."""
    wanted = request.if_match if "If-Match" in request.headers else None

    def check(stored: int) -> None:
        if wanted is not None and not wanted.contains(str(stored)):
            raise PreconditionFailed("It was changed since it was read.", code="stale_version")
        if version is not None and version != stored:
            raise StaleVersion("It was changed since it was read.")

    return check
