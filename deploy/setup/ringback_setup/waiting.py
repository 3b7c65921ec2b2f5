"""Waiting for a server that is only starting."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from ringback.errors import StoreUnavailable, Transient

PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 1.0

Result = TypeVar("Result")

log = structlog.get_logger(__name__)


def patiently(attempt: Callable[[], Result]) -> Result:
    """What `attempt` returns; again and again while it raises Transient, which it does at last."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return attempt()
        except (Transient, StoreUnavailable) as error:
            if time.monotonic() > deadline:
                raise
            log.info("setup.waits", reason=error.message)
        time.sleep(PAUSE_SECONDS)
