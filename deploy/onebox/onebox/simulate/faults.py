"""What the network does to webhooks: repeats them, at once or later, and changes their order."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from onebox.simulate.model import DIAL, STATUS, Webhook

Steps = tuple[Webhook, ...]
Fault = tuple[str, float, Callable[[Steps, Random], Steps]]

DUPLICATED, TWINNED, STATUS_FIRST, VOICE_LATE = "duplicated", "twinned", "status_first", "voice_late"
SHUFFLED = "shuffled"
OUT_OF_ORDER = frozenset({STATUS_FIRST, VOICE_LATE, SHUFFLED})


def disturb(steps: Steps, rng: Random, faults: tuple[Fault, ...]) -> tuple[Steps, tuple[str, ...]]:
    """The steps as they arrive, and the names of the faults that struck. No webhook is lost or changed."""
    struck = []
    for name, probability, strike in faults:
        if rng.random() < probability:
            steps = strike(steps, rng)
            struck.append(name)
    return steps, tuple(struck)


def _status_first(steps: Steps, _: Random) -> Steps:
    """The end of the call overtakes the result of `<Dial>`."""
    endings = tuple(step for step in steps if step.path == STATUS)
    others = tuple(step for step in steps if step.path != STATUS)
    at = next(index for index, step in enumerate(others) if step.path == DIAL)
    return (*others[:at], *endings, *others[at:])


def _voice_late(steps: Steps, rng: Random) -> Steps:
    first, *others = steps
    at = rng.randint(1, len(others))
    return (*others[:at], first, *others[at:])


def _shuffled(steps: Steps, rng: Random) -> Steps:
    """All but the first: what follows it are callbacks, for which Twilio promises no order."""
    first, *others = steps
    return (first, *rng.sample(others, len(others)))


def _duplicated(steps: Steps, rng: Random) -> Steps:
    """Twilio's retry of one webhook, some time after the first."""
    original = rng.randrange(len(steps))
    at = rng.randint(original + 1, len(steps))
    return (*steps[:at], steps[original], *steps[at:])


def _twinned(steps: Steps, rng: Random) -> Steps:
    at = rng.randrange(len(steps))
    return (*steps[:at], replace(steps[at], copies=2), *steps[at + 1 :])


# Order matters: repeats come last, so that a repeat may land anywhere in the changed order.
REPEATS: tuple[Fault, ...] = ((DUPLICATED, 0.06, _duplicated), (TWINNED, 0.04, _twinned))
CALL_FAULTS: tuple[Fault, ...] = (
    (STATUS_FIRST, 0.05, _status_first),
    (VOICE_LATE, 0.04, _voice_late),
    (SHUFFLED, 0.05, _shuffled),
    *REPEATS,
)
MESSAGE_FAULTS: tuple[Fault, ...] = ((SHUFFLED, 0.1, _shuffled), *REPEATS)
