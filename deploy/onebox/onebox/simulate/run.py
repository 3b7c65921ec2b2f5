"""Plays a plan: calls and conversations side by side, the steps of each in their order."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from functools import partial
from time import perf_counter, sleep

from onebox.simulate.model import Call, Planned, Webhook
from onebox.simulate.sender import Answer, Sender
from onebox.simulate.summary import Summary, Tally

CALLS_WAITING_PER_THREAD = 2

Played = tuple[Planned, list[Answer]]


def run(
    plan: Iterable[Planned],
    sender: Sender,
    *,
    concurrency: int = 8,
    rate: float | None = None,
    on_call: Callable[[], None] = lambda: None,
) -> Summary:
    """Sends every webhook of `plan`, beginning at most `rate` calls a second; `on_call` follows each call.

    `plan` is read as it is needed, so it may be longer than memory.
    """
    tally = Tally()
    started = perf_counter()
    with ThreadPoolExecutor(concurrency) as pool, ThreadPoolExecutor(concurrency) as twins:
        play = partial(_play, sender=sender, twins=twins)
        for planned, answers in _played(_paced(plan, rate), pool, play, concurrency):
            tally.add(planned, answers)
            if isinstance(planned, Call):
                on_call()
    return tally.summary(perf_counter() - started)


def _played(
    plan: Iterable[Planned], pool: Executor, play: Callable[[Planned], Played], concurrency: int
) -> Iterator[Played]:
    pending: set[Future[Played]] = set()
    for planned in plan:
        pending.add(pool.submit(play, planned))
        full = len(pending) >= concurrency * CALLS_WAITING_PER_THREAD
        done, pending = wait(pending, timeout=None if full else 0, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in done)
    yield from (future.result() for future in pending)


def _paced(plan: Iterable[Planned], rate: float | None) -> Iterator[Planned]:
    """Texts come with the calls, however many a second these are."""
    started, calls = perf_counter(), 0
    for planned in plan:
        if rate and isinstance(planned, Call):
            sleep(max(0.0, started + calls / rate - perf_counter()))
            calls += 1
        yield planned


def _play(planned: Planned, sender: Sender, twins: Executor) -> Played:
    return planned, [answer for step in planned.steps for answer in _post(step, sender, twins)]


def _post(step: Webhook, sender: Sender, twins: Executor) -> list[Answer]:
    """All copies of a step at the same moment: all but one through other threads."""
    others = [twins.submit(sender.post, step) for _ in range(step.copies - 1)]
    return [sender.post(step), *(other.result() for other in others)]
