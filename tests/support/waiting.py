"""Wait for conditions, never for time."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def eventually(condition: Callable[[], Result], seconds: float = 10.0, every: float = 0.02) -> Result:
    """The first truthy result of `condition`; fails with the last one when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {seconds} s; last seen: {result!r}")
        time.sleep(every)
