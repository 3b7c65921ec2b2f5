"""The plan of a simulation, a pure function of its arguments: the same arguments give the same bytes."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from onebox.simulate.callers import Caller, pick
from onebox.simulate.conversations import Texting
from onebox.simulate.course import new_course, steps_of
from onebox.simulate.dealer import Dealer
from onebox.simulate.faults import CALL_FAULTS, disturb
from onebox.simulate.identifiers import digest, sid
from onebox.simulate.model import Call, Planned
from onebox.simulate.scenarios import FIRST_CALLS, REPEATED_CALLS, SCENARIOS
from onebox.simulate.webhooks import Leg

EPOCH = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
SECONDS_BETWEEN_CALLS = 5
CALLS_PER_CONVERSATION = 4
REPEAT_SHARE = 0.25
RECENT_CALLERS = 500
FORWARDED_SHARE = 0.04


@dataclass(frozen=True)
class Plan:
    """What is to be planned. `start` (UTC) dates the first call; without it a day that the seed decides."""

    calls: int
    seed: int
    numbers: Sequence[str]
    account_sid: str
    start: datetime | None = None
    oddities: bool = True

    def __iter__(self) -> Iterator[Planned]:
        """Calls, and after every few a conversation; one by one, for a million calls do not fit into memory.

        A longer plan begins with the shorter one.
        """
        texting = Texting(self.seed, self.account_sid, oddities=self.oddities)
        for number, call in enumerate(self.each_call(), 1):
            yield call
            if number % CALLS_PER_CONVERSATION == 0:
                yield texting.after(call)

    def each_call(self) -> Iterator[Call]:
        begins = self.start or _first_call(self.seed)
        dealer = Dealer(self.seed, oddities=self.oddities)
        switchboard = _Switchboard(self.numbers, dealer)
        for index in range(self.calls):
            rng = Random(digest(self.seed, "call", index))  # noqa: S311 - the same seed has to make the same calls
            ringing = switchboard.next(rng)
            forwarded = rng.random() < FORWARDED_SHARE
            leg = Leg(sid("CA", self.seed, index), self.account_sid, ringing.caller, ringing.number, forwarded)
            yield _call(leg, ringing, begins + timedelta(seconds=index * SECONDS_BETWEEN_CALLS), rng, dealer)


def start_for_end(calls: int, end: datetime) -> datetime:
    """The start that lets even the longest of so many calls be over by `end`."""
    longest = max(scenario.longest_seconds for scenario in SCENARIOS)
    return end - timedelta(seconds=calls * SECONDS_BETWEEN_CALLS + longest)


def _first_call(seed: int) -> datetime:
    return EPOCH + timedelta(seconds=int(digest(seed, "start")[:8], 16) % 86_400)


@dataclass(frozen=True, slots=True)
class _Ringing:
    caller: Caller
    number: str
    again: bool
    oddities: tuple[str, ...] = ()


class _Switchboard:
    """Who calls next: somebody new, somebody odd, or somebody who called before."""

    def __init__(self, numbers: Sequence[str], dealer: Dealer) -> None:
        self._numbers, self._dealer = numbers, dealer
        self._recent: deque[tuple[Caller, str]] = deque(maxlen=RECENT_CALLERS)

    def next(self, rng: Random) -> _Ringing:
        odd = self._dealer.callers.deal()
        if odd:
            number = rng.choice(self._numbers)
            return self._remembered(_Ringing(odd.make(rng, number), number, again=False, oddities=(odd.oddity,)))
        if self._recent and rng.random() < REPEAT_SHARE:
            return _Ringing(*rng.choice(self._recent), again=True)
        caller = pick(rng, self._dealer.makers)(rng)
        return self._remembered(_Ringing(caller, rng.choice(self._numbers), again=False))

    def _remembered(self, ringing: _Ringing) -> _Ringing:
        if ringing.caller.identity:
            self._recent.append((ringing.caller, ringing.number))
        return ringing


def _call(leg: Leg, ringing: _Ringing, at: datetime, rng: Random, dealer: Dealer) -> Call:
    scenario = pick(rng, REPEATED_CALLS if ringing.again else FIRST_CALLS)
    course = new_course(scenario, at, rng, dealer)
    steps, oddities = dealer.change(steps_of(leg, course, rng), rng)
    steps, faults = disturb(steps, rng, CALL_FAULTS)
    return Call(
        call_sid=leg.call_sid,
        kind=scenario.kind,
        caller=leg.caller.address or "",
        caller_kind=leg.caller.kind,
        identity=leg.caller.identity,
        number=leg.number,
        at=at,
        steps=steps,
        faults=faults,
        oddities=(*ringing.oddities, *course.oddities, *oddities),
    )
