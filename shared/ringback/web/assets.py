"""Style, scripts and icons of the pages, served by each service under names that change with their content."""

import hashlib
from functools import cache
from importlib.resources import files
from mimetypes import guess_type

from flask import Blueprint, Response

from ringback.errors import NotFound
from ringback.web.access import PUBLIC, Access

FOLDER = files("ringback.web").joinpath("assets")
ASSETS_ACCESS: Access = {"assets.asset": PUBLIC}
FOR_EVER = "public, max-age=31536000, immutable"
DIGITS = 12


def assets_blueprint() -> Blueprint:
    blueprint = Blueprint("assets", __name__)

    @blueprint.get("/assets/<digest>/<name>")
    def asset(digest: str, name: str) -> Response:
        """One of our own files; whoever asks for another version of it gets the one there is, for now only."""
        if name not in names():
            raise NotFound("There is no such file.")
        kind = guess_type(name)[0] or "application/octet-stream"
        response = Response(_content(name), content_type=kind if "image" in kind else f"{kind}; charset=utf-8")
        response.headers["Cache-Control"] = FOR_EVER if digest == _digest(name) else "no-cache"
        return response

    return blueprint


@cache
def names() -> frozenset[str]:
    return frozenset(file.name for file in FOLDER.iterdir())


def url_of(name: str) -> str:
    """Where a page finds the file."""
    return f"/assets/{_digest(name)}/{name}"


@cache
def _content(name: str) -> bytes:
    return FOLDER.joinpath(name).read_bytes()


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(_content(name)).hexdigest()[:DIGITS]
