"""Who gets which oddity: each kind from a deck of its own, mixed with what is usual."""

from collections.abc import Iterable, Sequence
from random import Random
from typing import TypeVar

from onebox.simulate.callers import ANYBODY, WITH_NUMBERS
from onebox.simulate.decks import Deck
from onebox.simulate.model import DIAL, RECORDING, STATUS, VOICE, Webhook
from onebox.simulate.odd_callers import ODD_CALLERS, OddCaller
from onebox.simulate.oddities import ODDITIES, Oddity
from onebox.simulate.transcripts import SPEECHES, USUAL, Speech
from onebox.simulate.voicemail import TRANSCRIBED, VOICEMAILS, Voicemail

T = TypeVar("T")

# How many usual ones stand beside each odd one. With these, 200 calls see every card at least once.
USUAL_CALLERS_PER_ODD = 3
USUAL_REQUESTS_PER_ODD = {VOICE: 2, DIAL: 7, RECORDING: 3, STATUS: 6}


class Dealer:
    """The oddities of a plan, one call after the other. A plain plan is dealt what is usual only."""

    def __init__(self, seed: int, *, oddities: bool) -> None:
        def deck(name: str, odd: Sequence[T], usual: T) -> Deck[T]:
            return Deck(name, seed, odd if oddities else (usual,))

        self.makers = WITH_NUMBERS if oddities else ANYBODY
        callers = _mixed(ODD_CALLERS, USUAL_CALLERS_PER_ODD)
        self.callers: Deck[OddCaller | None] = deck("callers", callers, None)
        self.voicemails: Deck[Voicemail] = deck("voicemails", VOICEMAILS, TRANSCRIBED)
        self.speeches: Deck[Speech | None] = Deck("speeches", seed, SPEECHES if oddities else USUAL_SPEECHES)
        self._requests: dict[str, Deck[Oddity | None]] = {
            path: deck(path, _mixed(cards, USUAL_REQUESTS_PER_ODD[path]), None) for path, cards in ODDITIES.items()
        }

    def change(self, steps: Iterable[Webhook], rng: Random) -> tuple[tuple[Webhook, ...], tuple[str, ...]]:
        """The steps with their oddities, and the names of these. Of several requests to a path only the first."""
        changed: list[Webhook] = []
        names = []
        untouched = dict(self._requests)
        for step in steps:
            deck = untouched.pop(step.path, None)
            oddity = deck.deal() if deck else None
            after = oddity.change(step, rng) if oddity else (step,)
            if oddity and after != (step,):
                names.append(oddity.name)
            changed += after
        return tuple(changed), tuple(names)


USUAL_SPEECHES = tuple(speech for speech in SPEECHES if speech is None or speech is USUAL)


def _mixed(odd: Sequence[T], usual_per_odd: int) -> tuple[T | None, ...]:
    return (*odd, *[None] * (len(odd) * usual_per_odd))
