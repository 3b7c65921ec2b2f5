"""Rare things in fair shares."""

from collections.abc import Sequence
from random import Random
from typing import Generic, TypeVar

from onebox.simulate.identifiers import digest

T = TypeVar("T")


class Deck(Generic[T]):
    """Deals every card, in an order of the seed's, before one comes again: even a short run has the rarest."""

    def __init__(self, name: str, seed: int, cards: Sequence[T]) -> None:
        self._name, self._seed, self._cards = name, seed, cards
        self._shuffled = 0
        self._left: list[T] = []

    def deal(self) -> T:
        if not self._left:
            self._left = self._shuffle()
        return self._left.pop()

    def _shuffle(self) -> list[T]:
        self._shuffled += 1
        rng = Random(digest(self._seed, "deck", self._name, self._shuffled))  # noqa: S311 - has to repeat itself
        return rng.sample(self._cards, len(self._cards))
