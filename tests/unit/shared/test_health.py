"""What a worker says of its health."""

import threading
from http import HTTPStatus

import pytest

from ringback.errors import StoreUnavailable, Transient
from ringback.worker.health import Health
from ringback.worker.runtime import Worker
from tests.support.waiting import eventually


class Failing:
    name = "failing"

    def __init__(self) -> None:
        self.wakeup = threading.Event()
        self.fails = True

    def step(self) -> float:
        if self.fails:
            raise StoreUnavailable("MongoDB is away.")
        return 0.01

    def reset(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is held."""


def unavailable() -> None:
    raise StoreUnavailable("MongoDB is away.")


def test_who_waits_for_what_it_needs_is_alive_and_not_ready() -> None:
    health = Health()
    assert health.healthz()[0] == HTTPStatus.OK
    assert health.readyz() == (HTTPStatus.SERVICE_UNAVAILABLE, {"status": "starting"})


def test_stuck_loops_are_not_alive() -> None:
    health = Health()
    health.watch(lambda: False, {})
    assert health.healthz() == (HTTPStatus.SERVICE_UNAVAILABLE, {"status": "stuck"})


def test_a_check_that_fails_is_named_by_its_code() -> None:
    health = Health()
    health.watch(lambda: True, {"mongo": unavailable, "loops": lambda: None})
    status, said = health.readyz()
    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert said["checks"] == {"mongo": StoreUnavailable.code, "loops": "ok"}
    # What it depends on may be away: that is no reason to kill it.
    assert health.healthz()[0] == HTTPStatus.OK


def test_a_worker_whose_loop_fails_says_which_until_it_succeeds() -> None:
    loop = Failing()
    worker = Worker([loop])
    worker.check()
    worker.start()
    try:
        eventually(lambda: _fails(worker), 5)
        with pytest.raises(Transient, match="failing"):
            worker.check()
        assert worker.alive()
        loop.fails = False
        eventually(lambda: not _fails(worker), 5)
    finally:
        assert worker.stop()


def _fails(worker: Worker) -> bool:
    try:
        worker.check()
    except Transient:
        return True
    return False
