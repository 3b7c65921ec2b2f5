"""What the network does to a call's webhooks: repeats them, at once or later, and changes their order."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from onebox.simulate.model import DIAL, STATUS, Webhook

Steps = tuple[Webhook, ...]

DUPLICATED, TWINNED, STATUS_FIRST, VOICE_LATE = "duplicated", "twinned", "status_first", "voice_late"
OUT_OF_ORDER = frozenset({STATUS_FIRST, VOICE_LATE})


def disturb(steps: Steps, rng: Random) -> tuple[Steps, tuple[str, ...]]:
    """The steps as they arrive, and the names of the faults that struck. No webhook is lost or changed."""
    faults = []
    for name, probability, strike in FAULTS:
        if rng.random() < probability:
            steps = strike(steps, rng)
            faults.append(name)
    return steps, tuple(faults)


def _status_first(steps: Steps, _: Random) -> Steps:
    """The end of the call overtakes the result of `<Dial>`."""
    ending = next(step for step in steps if step.path == STATUS)
    others = tuple(step for step in steps if step.path != STATUS)
    at = next(index for index, step in enumerate(others) if step.path == DIAL)
    return (*others[:at], ending, *others[at:])


def _voice_late(steps: Steps, rng: Random) -> Steps:
    first, *others = steps
    at = rng.randint(1, len(others))
    return (*others[:at], first, *others[at:])


def _duplicated(steps: Steps, rng: Random) -> Steps:
    """Twilio's retry of one webhook, some time after the first."""
    original = rng.randrange(len(steps))
    at = rng.randint(original + 1, len(steps))
    return (*steps[:at], steps[original], *steps[at:])


def _twinned(steps: Steps, rng: Random) -> Steps:
    at = rng.randrange(len(steps))
    return (*steps[:at], replace(steps[at], copies=2), *steps[at + 1 :])


# Order matters: repeats come last, so that a repeat may land anywhere in the changed order.
FAULTS: tuple[tuple[str, float, Callable[[Steps, Random], Steps]], ...] = (
    (STATUS_FIRST, 0.05, _status_first),
    (VOICE_LATE, 0.02, _voice_late),
    (DUPLICATED, 0.06, _duplicated),
    (TWINNED, 0.03, _twinned),
)
