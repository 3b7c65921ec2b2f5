"""Where the running onebox can be found by the commands beside it: the address of its MongoDB, in its data folder."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from ringback.errors import InvalidSettings
from ringback.settings import Settings


def write_running(settings: Settings) -> None:
    """Note the address, password and all, readable by its owner only."""
    assert settings.mongo_url is not None
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as draft:  # readable by its owner only
        draft.write(settings.mongo_url)
    Path(draft.name).replace(path)


def forget_running(settings: Settings) -> None:
    _path(settings).unlink(missing_ok=True)


def with_running(settings: Settings) -> Settings:
    """Settings with the address of a MongoDB: the one that was set, else the running onebox's.

    Raises InvalidSettings when there is neither.
    """
    if settings.mongo_url:
        return settings
    try:
        return replace(settings, mongo_url=_path(settings).read_text())
    except OSError as error:
        where = os.fspath(settings.data)
        message = f"RINGBACK_MONGO_URL is not set, and no `ringback up` runs on the data folder {where}."
        raise InvalidSettings(message) from error


def _path(settings: Settings) -> Path:
    return settings.data / "running-mongo-url"
