"""Committing a batch so that a bad item hurts nobody: the rule that every loop of the write path follows."""

import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from ringback.errors import ConcurrentUpdate, StoreUnavailable, describe

CONFLICT_ATTEMPTS = 8

Item = TypeVar("Item")

log = structlog.get_logger(__name__)


def commit_batch(
    items: Sequence[Item],
    commit: Callable[[Sequence[Item]], None],
    refuse: Callable[[Item, Exception], None],
) -> None:
    """Commit the items together; when that fails, one by one, and refuse those that fail by themselves.

    A lost race is repeated a few times first. Raises StoreUnavailable: nobody is refused for an outage, all is to
    be committed again.
    """
    try:
        _despite_races(items, commit)
    except StoreUnavailable:
        raise
    except Exception as error:
        if len(items) == 1:
            refuse(items[0], error)
            return
        log.warning("batch.split", size=len(items), reason=describe(error))
        for item in items:
            commit_batch([item], commit, refuse)


def _despite_races(items: Sequence[Item], commit: Callable[[Sequence[Item]], None]) -> None:
    for attempt in range(1, CONFLICT_ATTEMPTS + 1):
        try:
            commit(items)
        except ConcurrentUpdate:
            if attempt == CONFLICT_ATTEMPTS:
                raise
        else:
            return
        time.sleep(random.uniform(0, 0.005 * 2**attempt))  # noqa: S311 - spreads load, no secret
