"""Assets: ours alone, addressed by what they contain."""

import re

import pytest
from flask.testing import FlaskClient

from ringback.web import assets
from ringback.web.app import create_web
from tests.unit.fakes import sample_settings

TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return create_web("things", blueprints=(), access={}, settings=sample_settings(), checks={}).test_client()


@pytest.mark.parametrize("name", sorted(assets.names()))
def test_everybody_gets_them_and_keeps_them(client: FlaskClient, name: str) -> None:
    answer = client.get(assets.url_of(name))
    assert (answer.status_code, answer.content_type) == (200, TYPES[name.rpartition(".")[2]])
    assert answer.data == assets.FOLDER.joinpath(name).read_bytes()
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers


def test_all_files_of_the_folder_are_served() -> None:
    assert assets.names() == {file.name for file in assets.FOLDER.iterdir() if file.is_file()}


def test_scripts_that_import_each_other_find_the_file_that_the_page_loaded() -> None:
    """Two addresses of one module would run it twice."""
    assert len({assets.url_of(name).rpartition("/")[0] for name in assets.names()}) == 1


def test_another_version_is_kept_by_nobody(client: FlaskClient) -> None:
    answer = client.get("/assets/000000000000/ringback.css")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


def test_the_address_changes_with_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    before = assets.url_of("ringback.js")
    real = assets._content
    monkeypatch.setattr(assets, "_content", lambda name: real(name) + b"\n")
    assets._digest.cache_clear()
    changed = assets.url_of("ringback.js")
    monkeypatch.undo()
    assets._digest.cache_clear()
    assert changed != before == assets.url_of("ringback.js")


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fpages.py", "../pages.py", "%2e%2e/pages.py", "", ".", "%00"])
def test_nothing_else_is_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/assets/x/{name}").status_code == 404


def test_a_page_that_names_a_file_that_is_not_there_breaks_early() -> None:
    with pytest.raises(LookupError, match="nothing"):
        assets.url_of("nothing.js")


@pytest.mark.parametrize("name", [name for name in sorted(assets.names()) if not name.endswith(".svg")])
def test_nothing_is_fetched_from_elsewhere(name: str) -> None:
    content = assets.FOLDER.joinpath(name).read_text()
    assert not re.findall(r"https?://|@import|url\((?!['\"]?data:)", content)


def test_they_weigh_little() -> None:
    """Of the 100 kB that a page may weigh."""
    assert sum(len(assets.FOLDER.joinpath(name).read_bytes()) for name in assets.names()) < 70_000
