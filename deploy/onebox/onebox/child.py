"""Child processes that never outlive their parent."""

import ctypes
import os
import signal
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def die_with_parent() -> Callable[[], None]:
    """For `preexec_fn`: the child gets SIGTERM when the thread that started it ends, however it ends.

    Only Linux knows how; elsewhere a child survives its parent's kill -9.
    """
    parent = os.getpid()
    # Loaded before the fork: in between fork and exec only the bare call is safe.
    prctl = getattr(ctypes.CDLL(None), "prctl", None)

    def tie() -> None:
        if prctl is None:
            return
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return tie
