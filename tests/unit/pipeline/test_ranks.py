"""Ranks sort as cards are meant to stand, wherever they are put."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ranks import DIGITS, LOWEST, entry_rank, rank_between, top_rank
from tests.unit.fakes import T0, at

IDS = st.text(min_size=1, max_size=40)


@given(places=st.lists(st.floats(0, 1), max_size=80))
def test_there_is_always_room_between_two(places: list[float]) -> None:
    ranks: list[str] = []
    for place in places:
        index = round(place * len(ranks))
        lower = ranks[index - 1] if index else LOWEST
        upper = ranks[index] if index < len(ranks) else None
        ranks.insert(index, rank_between(lower, upper))
    assert ranks == sorted(set(ranks))
    assert all(rank[-1] != DIGITS[0] for rank in ranks)


@pytest.mark.parametrize("end", ["top", "bottom", "gap"])
def test_ranks_grow_slowly_when_cards_are_put_into_the_same_place(end: str) -> None:
    lower, upper = (LOWEST if end == "top" else "V"), ("V" if end == "top" else None if end == "bottom" else "W")
    for _ in range(600):
        rank = rank_between(lower, upper)
        assert lower < rank
        assert upper is None or rank < upper
        lower, upper = (rank, upper) if end == "bottom" else (lower, rank)
    assert len(rank) <= 130


@given(seconds=st.floats(0, 10**9), later=st.floats(0.001, 10**9), first=IDS, second=IDS)
def test_who_comes_in_later_stands_above(seconds: float, later: float, first: str, second: str) -> None:
    newer = T0 + timedelta(seconds=seconds) + timedelta(seconds=later)
    assert entry_rank(newer, second) < entry_rank(T0 + timedelta(seconds=seconds - 0.001), first)


@given(customer_id=IDS)
def test_a_card_can_be_put_above_and_below_one_that_nobody_placed(customer_id: str) -> None:
    rank = entry_rank(T0, customer_id)
    assert rank[-1] != DIGITS[0]
    assert rank_between(LOWEST, rank) < rank < rank_between(rank, None)


def test_on_top_is_as_if_it_came_in_now_where_that_is_enough() -> None:
    entered, placed = entry_rank(at(10), "a"), rank_between(LOWEST, entry_rank(at(100), "b"))
    assert top_rank("a", at(60), None) == entry_rank(at(60), "a")
    assert top_rank("a", at(60), entered) == entry_rank(at(60), "a") < entered
    assert top_rank("a", at(60), placed) < placed
