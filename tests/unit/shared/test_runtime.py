"""A worker's loops: supervised, and with one clean end. Threads meet at events, nobody sleeps."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from ringback.errors import StoreUnavailable
from ringback.worker import runtime
from ringback.worker.runtime import PAUSE_SECONDS, STALE_SECONDS, Worker

SOON = 5.0


@dataclass
class FakeLoop:
    """Runs a list of steps, then idles until it is woken."""

    steps: list[Callable[[], float]] = field(default_factory=list)
    name: str = "fake"
    wakeup: threading.Event = field(default_factory=threading.Event)
    history: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)
    """Set when every step ran."""

    def step(self) -> float:
        self.history.append("step")
        if self.steps:
            return self.steps.pop(0)()
        self.done.set()
        return 60.0

    def reset(self) -> None:
        self.history.append("reset")

    def close(self) -> None:
        self.history.append("close")


def fails(error: Exception) -> Callable[[], float]:
    def step() -> float:
        raise error

    return step


def at_once() -> float:
    return 0.0


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many failures in a row each pause was for; none takes time."""
    asked: list[int] = []

    def pause(failures: int) -> float:
        asked.append(failures)
        return 0.0

    monkeypatch.setattr(runtime, "_pause", pause)
    return asked


def run_until_done(*loops: FakeLoop) -> None:
    worker = Worker(loops)
    worker.start()
    for loop in loops:
        assert loop.done.wait(SOON)
    assert worker.stop(SOON)


def test_steps_follow_each_other_and_close_is_called_once() -> None:
    loop = FakeLoop([at_once, at_once])
    run_until_done(loop)
    assert loop.history == ["step", "step", "step", "close"]


@pytest.mark.parametrize("error", [ValueError("x"), StoreUnavailable("x"), TimeoutError(), OSError()])
def test_a_failing_step_is_reset_paused_and_repeated(error: Exception, pauses: list[int]) -> None:
    loop = FakeLoop([fails(error), fails(error), at_once, fails(error)])
    run_until_done(loop)
    assert loop.history == ["step", "reset", "step", "reset", "step", "step", "reset", "step", "close"]
    assert pauses == [0, 1, 0]


@pytest.mark.parametrize("failures", range(20))
def test_pauses_grow_are_jittered_and_have_an_end(failures: int) -> None:
    longest = PAUSE_SECONDS[min(failures, len(PAUSE_SECONDS) - 1)]
    drawn = [runtime._pause(failures) for _ in range(50)]
    assert all(longest / 2 <= pause <= longest for pause in drawn)
    assert len(set(drawn)) > 1


def test_a_wakeup_does_not_cut_the_pause_after_a_failure_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a loop whose broker is away fails as fast as work comes in."""
    monkeypatch.setattr(runtime, "_pause", lambda _failures: 60.0)
    loop = FakeLoop()

    def woken_and_fails() -> float:
        loop.wakeup.set()
        raise ValueError

    loop.steps = [woken_and_fails]
    worker = Worker([loop])
    worker.start()
    assert not loop.done.wait(0.2)
    assert worker.stop(SOON)
    assert loop.history == ["step", "reset", "close"]


def test_one_failing_loop_does_not_disturb_the_others(pauses: list[int]) -> None:
    bad = FakeLoop([fails(ValueError("x"))] * 5, name="bad")
    good = FakeLoop([at_once] * 5, name="good")
    run_until_done(bad, good)
    assert "reset" not in good.history
    assert len(pauses) == 5


def test_stopping_finishes_the_step_in_hand() -> None:
    begun, may_end = threading.Event(), threading.Event()
    loop = FakeLoop()

    def long_step() -> float:
        begun.set()
        assert may_end.wait(SOON)
        loop.history.append("finished")
        return 0.0

    loop.steps = [long_step]
    worker = Worker([loop])
    worker.start()
    assert begun.wait(SOON)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    assert loop.wakeup.wait(SOON)  # stopping has begun, the step is still in hand
    assert loop.history == ["step"]
    may_end.set()
    stopper.join(SOON)
    assert loop.history == ["step", "finished", "close"]


def test_stopping_says_when_a_step_takes_too_long() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def stuck() -> float:
        begun.set()
        may_end.wait(SOON)
        return 0.0

    worker = Worker([FakeLoop([stuck])])
    worker.start()
    assert begun.wait(SOON)
    assert worker.stop(0.01) is False
    may_end.set()
    assert worker.stop(SOON) is True


def test_stopping_does_not_wait_for_an_idle_or_a_pausing_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_pause", lambda _failures: 3600.0)
    reset = threading.Event()
    idle, pausing = FakeLoop(name="idle"), FakeLoop([fails(ValueError("x"))], name="pausing")
    monkeypatch.setattr(pausing, "reset", reset.set)
    worker = Worker([idle, pausing])
    worker.start()
    assert idle.done.wait(SOON)
    assert reset.wait(SOON)
    assert worker.stop(SOON)
    assert (idle.history[-1], pausing.history[-1]) == ("close", "close")


def test_a_wakeup_ends_the_wait() -> None:
    woken = threading.Event()
    loop = FakeLoop()
    worker = Worker([loop])
    worker.start()
    assert loop.done.wait(SOON)

    def say_so() -> float:
        woken.set()
        return 60.0

    loop.steps.append(say_so)
    loop.wakeup.set()
    assert woken.wait(SOON)
    assert worker.stop(SOON)


def test_a_wakeup_during_a_step_is_not_lost() -> None:
    loop = FakeLoop()

    def woken_meanwhile() -> float:
        loop.wakeup.set()
        return 60.0

    loop.steps = [woken_meanwhile]
    run_until_done(loop)


def test_an_error_while_closing_hurts_no_other_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = FakeLoop(name="bad"), FakeLoop(name="good")
    monkeypatch.setattr(bad, "close", fails(ValueError("x")))
    run_until_done(bad, good)
    assert good.history[-1] == "close"


def test_ages_are_those_of_the_last_finished_step(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("ringback.worker.runtime.time.monotonic", lambda: now[0])
    begun, may_end = threading.Event(), threading.Event()

    def long_step() -> float:
        begun.set()
        may_end.wait(SOON)
        return 60.0

    worker = Worker([FakeLoop([long_step], name="slow")])
    worker.start()
    assert begun.wait(SOON)
    now[0] += STALE_SECONDS - 1
    assert worker.ages() == {"slow": STALE_SECONDS - 1}
    assert worker.alive()
    now[0] += 1
    assert not worker.alive()
    may_end.set()
    monkeypatch.undo()
    assert worker.stop(SOON)
