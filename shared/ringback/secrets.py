"""Secrets that a single-machine installation makes for itself, once, in its data folder."""

import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from ringback.settings import generated_mark, load_settings

GENERATED: Mapping[str, Callable[[], str]] = {
    "RINGBACK_SECRET_KEY": lambda: secrets.token_hex(32),
    "TWILIO_ACCOUNT_SID": lambda: "AC" + secrets.token_hex(16),
    "TWILIO_AUTH_TOKEN": lambda: secrets.token_hex(16),
}


def with_generated_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment plus what the data folder keeps for it; what is set by hand wins.

    A secret is made on first use, readable by its owner only. Beside each that is not set by hand stands its
    `generated_mark`.
    """
    return with_kept_secrets(environ, make=True)


def with_kept_secrets(environ: Mapping[str, str], *, make: bool = False) -> dict[str, str]:
    """As `with_generated_secrets`, but makes none: for commands beside services that know another key."""
    folder = load_settings(environ).data / "secrets"
    merged = dict(environ)
    for name, generate in GENERATED.items():
        path, by_hand = folder / name.lower(), merged.get(name) or merged.get(f"{name}_FILE")
        if not by_hand and (make or path.exists()):
            merged[name] = kept(path, generate)
            merged[generated_mark(name)] = "yes"
    return merged


def kept(path: Path, generate: Callable[[], str]) -> str:
    """The secret in the file; of several that start at once one decides it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as draft:  # readable by its owner only
            draft.write(generate())
            draft.flush()
            os.fsync(draft.fileno())
            with suppress(FileExistsError):
                os.link(draft.name, path)
    return path.read_text().strip()
