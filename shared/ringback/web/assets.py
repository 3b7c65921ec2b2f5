"""Style, scripts and icons of the pages, served by each service under addresses that change with their content.

All of them share one digest, so that a script's `import "./other.js"` is the very file that the page loads, once.
"""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import PurePath

from flask import Blueprint, Response

from ringback.errors import NotFound
from ringback.web.access import PUBLIC, Access

FOLDER = files("ringback.web").joinpath("assets")
ASSETS_ACCESS: Access = {"assets.asset": PUBLIC}
FOR_EVER = "public, max-age=31536000, immutable"
DIGITS = 12
# Not what the machine's own list says: with `nosniff` a script of another type does not run.
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def assets_blueprint() -> Blueprint:
    blueprint = Blueprint("assets", __name__)

    @blueprint.get("/assets/<digest>/<name>")
    def asset(digest: str, name: str) -> Response:
        """One of our own files; whoever asks for another version of it gets the one there is, for now only."""
        if name not in names():
            raise NotFound("There is no such file.")
        response = Response(_content(name), content_type=KINDS[PurePath(name).suffix])
        response.headers["Cache-Control"] = FOR_EVER if digest == _digest() else "no-cache"
        return response

    return blueprint


@cache
def names() -> frozenset[str]:
    return frozenset(file.name for file in FOLDER.iterdir() if PurePath(file.name).suffix in KINDS)


def url_of(name: str) -> str:
    """Where a page finds the file. Raises LookupError when there is none."""
    if name not in names():
        raise LookupError(f"There is no asset {name!r}.")
    return f"/assets/{_digest()}/{name}"


@cache
def _content(name: str) -> bytes:
    return FOLDER.joinpath(name).read_bytes()


@cache
def _digest() -> str:
    contents = b"\0".join(name.encode() + b"\0" + _content(name) for name in sorted(names()))
    return hashlib.sha256(contents).hexdigest()[:DIGITS]
