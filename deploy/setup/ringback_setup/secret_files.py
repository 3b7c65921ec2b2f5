"""Secrets as files of one folder, as Docker and Kubernetes hand them out."""

import os
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from ringback.errors import InvalidSettings

FOLDER = "RINGBACK_SETUP_SECRETS"


def secret(name: str) -> str:
    """Raises InvalidSettings when it cannot be read."""
    path = Path(os.environ.get(FOLDER, "/run/secrets")) / name
    try:
        return path.read_text().strip()
    except OSError as error:
        raise InvalidSettings(f"The secret {name} cannot be read: {error.strerror}.") from error


def address(name: str) -> SplitResult:
    """A secret that is an address with a user and a password in it. The service reads the same file: there is one
    place where a password stands."""
    parts = urlsplit(secret(name))
    if not parts.username or not parts.password:
        raise InvalidSettings(f"The secret {name} is no address with a user and a password.")
    return parts
