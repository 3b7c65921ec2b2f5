"""A worker: named loops, each in its own thread, supervised, with one clean end.

A loop's `step` does one bounded piece of work and returns how many seconds to wait before the next. A step that
fails is logged and repeated after a growing, jittered pause: no error ends a worker. Stopping waits for the
step in hand; killing equals stopping in effect, since nothing is acknowledged before it is durable.
"""

import random
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Protocol

import structlog

from ringback.errors import RingbackError, Transient

PAUSE_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
STOP_SECONDS = 25.0
STALE_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Loop(Protocol):
    name: str
    wakeup: threading.Event

    def step(self) -> float:
        """One bounded piece of work; the seconds until the next unless `wakeup` is set before."""

    def reset(self) -> None:
        """Throw away what a failed step may have left in an unknown state. Raises nothing."""

    def close(self) -> None:
        """Release everything; called once, after the last step."""


@dataclass
class Worker:
    """The loops of one service, or of several in one process."""

    loops: Sequence[Loop]
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _ticks: dict[str, float] = field(default_factory=dict)
    _failing: set[str] = field(default_factory=set)

    def start(self) -> None:
        for loop in self.loops:
            self._ticks[loop.name] = time.monotonic()
            thread = threading.Thread(target=self._run, args=(loop,), name=loop.name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, seconds: float = STOP_SECONDS) -> bool:
        """Finish the steps in hand and release everything; False when that took too long."""
        self._stop.set()
        for loop in self.loops:
            loop.wakeup.set()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def ages(self) -> Mapping[str, float]:
        """Seconds since each loop last finished a step: what liveness is judged by, not the process being up."""
        now = time.monotonic()
        return {name: now - tick for name, tick in self._ticks.items()}

    def alive(self) -> bool:
        return all(age < STALE_SECONDS for age in self.ages().values())

    def check(self) -> None:
        """Raises when the last step of a loop failed, naming the loops: they try again by themselves."""
        failing = sorted(self._failing)
        if failing:
            raise Transient(f"These loops fail: {', '.join(failing)}.", code="loops_failing")

    def _run(self, loop: Loop) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                self._wait(loop, loop.step())
                failures = 0
                self._failing.discard(loop.name)
            except Exception as error:
                pause = _pause(failures)
                failures += 1
                self._failing.add(loop.name)
                _log_failure(loop, error, pause)
                loop.reset()
                self._stop.wait(pause)
            self._ticks[loop.name] = time.monotonic()
        self._close(loop)

    def _wait(self, loop: Loop, seconds: float) -> None:
        if seconds > 0 and not self._stop.is_set():
            loop.wakeup.wait(seconds)
        loop.wakeup.clear()

    def _close(self, loop: Loop) -> None:
        try:
            loop.close()
        except Exception as error:
            _log_failure(loop, error, 0)


def run_until_signal(worker: Worker) -> None:
    """Run a worker until SIGTERM or SIGINT, then end it cleanly."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    worker.start()
    ended.wait()
    if not worker.stop():
        log.error("worker.stop_timed_out", ages=dict(worker.ages()))


def _pause(failures: int) -> float:
    longest = PAUSE_SECONDS[min(failures, len(PAUSE_SECONDS) - 1)]
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads load, no secret


def _log_failure(loop: Loop, error: Exception, pause: float) -> None:
    if isinstance(error, RingbackError):
        log.warning("loop.failed", loop=loop.name, code=error.code, reason=error.message, pause=pause)
        return
    log.warning("loop.failed", loop=loop.name, pause=pause, exc_info=error)
