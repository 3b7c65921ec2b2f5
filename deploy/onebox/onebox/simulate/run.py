"""Plays a plan: calls side by side, the steps of one call in their order."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from functools import partial
from time import perf_counter, sleep

from onebox.simulate.model import Call, Webhook
from onebox.simulate.sender import Answer, Sender
from onebox.simulate.summary import Summary, Tally

CALLS_WAITING_PER_THREAD = 2

Played = tuple[Call, list[Answer]]


def run(
    calls: Iterable[Call],
    sender: Sender,
    *,
    concurrency: int = 8,
    rate: float | None = None,
    on_call: Callable[[], None] = lambda: None,
) -> Summary:
    """Sends every webhook of `calls`, beginning at most `rate` calls a second; `on_call` follows each.

    `calls` is read as it is needed, so it may be longer than memory.
    """
    tally = Tally()
    started = perf_counter()
    with ThreadPoolExecutor(concurrency) as pool, ThreadPoolExecutor(concurrency) as twins:
        play = partial(_play, sender=sender, twins=twins)
        for call, answers in _played(_paced(calls, rate), pool, play, concurrency):
            tally.add(call, answers)
            on_call()
    return tally.summary(perf_counter() - started)


def _played(
    calls: Iterable[Call], pool: Executor, play: Callable[[Call], Played], concurrency: int
) -> Iterator[Played]:
    pending: set[Future[Played]] = set()
    for call in calls:
        pending.add(pool.submit(play, call))
        full = len(pending) >= concurrency * CALLS_WAITING_PER_THREAD
        done, pending = wait(pending, timeout=None if full else 0, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in done)
    yield from (future.result() for future in pending)


def _paced(calls: Iterable[Call], rate: float | None) -> Iterator[Call]:
    started = perf_counter()
    for index, call in enumerate(calls):
        if rate:
            sleep(max(0.0, started + index / rate - perf_counter()))
        yield call


def _play(call: Call, sender: Sender, twins: Executor) -> Played:
    return call, [answer for step in call.steps for answer in _post(step, sender, twins)]


def _post(step: Webhook, sender: Sender, twins: Executor) -> list[Answer]:
    """All copies of a step at the same moment: all but one through other threads."""
    others = [twins.submit(sender.post, step) for _ in range(step.copies - 1)]
    return [sender.post(step), *(other.result() for other in others)]
