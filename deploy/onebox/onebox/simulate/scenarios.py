"""Which calls happen: a plan of realistic calls, a pure function of its arguments."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from onebox.simulate import webhooks
from onebox.simulate.callers import IDENTIFIABLE, Caller, new_caller, pick
from onebox.simulate.faults import disturb
from onebox.simulate.identifiers import digest, sid
from onebox.simulate.model import Call, Webhook

EPOCH = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
SECONDS_BETWEEN_CALLS = 5
REPEAT_SHARE = 0.25
RECENT_CALLERS = 500
FORWARDED_SHARE = 0.04


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a call goes; `endings` are the possible final statuses of the incoming leg.

    Seconds are inclusive ranges; `weight` is the share among first calls, `weight_again` among repeated ones.
    """

    kind: str
    weight: int
    weight_again: int
    dial_result: str
    endings: tuple[str, ...]
    ring_seconds: tuple[int, int]
    talk_seconds: tuple[int, int] = (0, 0)
    message_seconds: tuple[int, int] = (0, 0)
    hangs_up_first: bool = False


SCENARIOS = (
    Scenario("answered", 46, 65, "completed", ("completed",), (3, 17), talk_seconds=(12, 900)),
    Scenario("missed", 20, 12, "no-answer", ("completed", "no-answer"), (18, 18)),
    Scenario("voicemail", 15, 10, "no-answer", ("completed",), (18, 18), message_seconds=(3, 90)),
    Scenario("abandoned", 10, 8, "canceled", ("canceled", "no-answer"), (1, 16), hangs_up_first=True),
    Scenario("busy", 6, 3, "busy", ("completed", "busy"), (1, 3)),
    Scenario("failed", 3, 2, "failed", ("completed", "failed"), (1, 3)),
)
FIRST_CALLS = tuple((scenario, scenario.weight) for scenario in SCENARIOS)
REPEATED_CALLS = tuple((scenario, scenario.weight_again) for scenario in SCENARIOS)


def plan_calls(
    calls: int, seed: int, numbers: Sequence[str], account_sid: str, start: datetime | None = None
) -> list[Call]:
    """The same arguments give the same webhooks, byte for byte; a longer plan begins with the shorter one."""
    return list(each_call(calls, seed, numbers, account_sid, start))


def each_call(
    calls: int, seed: int, numbers: Sequence[str], account_sid: str, start: datetime | None = None
) -> Iterator[Call]:
    """`plan_calls` one by one: a million calls do not fit into memory. `start` (UTC) dates the first call."""
    begins = start or _first_call(seed)
    recent: deque[tuple[Caller, str]] = deque(maxlen=RECENT_CALLERS)
    for index in range(calls):
        rng = Random(digest(seed, "call", index))  # noqa: S311 - the same seed has to make the same calls
        again = bool(recent) and rng.random() < REPEAT_SHARE
        caller, number = rng.choice(recent) if again else (new_caller(rng), rng.choice(numbers))
        if caller.kind in IDENTIFIABLE and not again:
            recent.append((caller, number))
        leg = webhooks.Leg(
            sid("CA", seed, index), account_sid, caller, number, forwarded=rng.random() < FORWARDED_SHARE
        )
        scenario = pick(rng, REPEATED_CALLS if again else FIRST_CALLS)
        yield _call(leg, scenario, begins + timedelta(seconds=index * SECONDS_BETWEEN_CALLS), rng)


def start_for_end(calls: int, end: datetime) -> datetime:
    """The start that lets even the longest of so many calls be over by `end`."""
    longest = max(s.ring_seconds[1] + s.talk_seconds[1] + s.message_seconds[1] for s in SCENARIOS)
    return end - timedelta(seconds=calls * SECONDS_BETWEEN_CALLS + longest)


def _first_call(seed: int) -> datetime:
    return EPOCH + timedelta(seconds=int(digest(seed, "start")[:8], 16) % 86_400)


def _call(leg: webhooks.Leg, scenario: Scenario, at: datetime, rng: Random) -> Call:
    steps, faults = disturb(_steps(leg, scenario, at, rng), rng)
    caller = leg.caller
    return Call(leg.call_sid, scenario.kind, caller.address or "", caller.kind, leg.number, steps, faults)


def _steps(leg: webhooks.Leg, scenario: Scenario, at: datetime, rng: Random) -> tuple[Webhook, ...]:
    ring, talk, message = (
        rng.randint(*seconds) for seconds in (scenario.ring_seconds, scenario.talk_seconds, scenario.message_seconds)
    )
    ending = rng.choice(scenario.endings)
    lasted = ring + talk + message
    # A caller who hung up while it rang is gone when Twilio reports the result of <Dial>.
    during_dial = ending if scenario.hangs_up_first else "in-progress"
    steps = [webhooks.voice(leg), webhooks.dial(leg, during_dial, scenario.dial_result, talk)]
    if message:
        steps.append(webhooks.recording(leg, message))
    billed = lasted if ending == "completed" else 0
    steps.append(webhooks.status(leg, ending, billed, at + timedelta(seconds=lasted)))
    return tuple(steps)
