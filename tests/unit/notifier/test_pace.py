"""Slots, counts of a day, and pauses that grow."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from notifier import pace
from notifier.outcomes import SUSPENDED, UNREACHABLE
from tests.unit.fakes import T0, at

LINE = pace.new_line("demo")


@given(st.lists(st.integers(1, 10), min_size=1, max_size=30), st.floats(0.1, 1000))
def test_segments_never_go_faster_than_the_sender_may(segments: list[int], per_second: float) -> None:
    line, slots = LINE, []
    for count in segments:
        slots.append(pace.next_slot(line, T0))
        line = pace.with_slot_taken(line, slots[-1], count, per_second)
    took = (pace.next_slot(line, T0) - T0).total_seconds()
    due = sum(segments) / per_second
    assert due - 1e-6 < took < due + 1e-5 * len(segments)
    assert slots == sorted(slots)


def test_time_in_which_nothing_was_sent_is_hardly_made_up_for() -> None:
    line = pace.with_slot_taken(LINE, T0, 1, 1.0)
    assert pace.next_slot(line, T0) == at(1)
    assert pace.next_slot(line, at(1.1)) == at(1)
    assert pace.next_slot(line, at(100)) == at(100) - pace.CATCH_UP


def test_a_new_day_counts_anew() -> None:
    today = T0.date()
    line = pace.with_text_counted(pace.with_text_counted(LINE, today, 2), today, 1)
    assert (pace.texts_on(line, today), pace.segments_on(line, today)) == (2, 3)
    tomorrow = today + timedelta(days=1)
    assert (pace.texts_on(line, tomorrow), pace.segments_on(line, tomorrow)) == (0, 0)
    assert pace.with_text_counted(line, tomorrow, 1)["texts"] == 1


def test_a_pause_grows_with_each_try_and_ends_with_the_first_that_succeeds() -> None:
    line, now, lengths = LINE, T0, []
    for _ in range(12):
        line = pace.paused(line, UNREACHABLE, None, now, now)
        lengths.append((line["pause"]["until"] - now).total_seconds())
        assert pace.is_paused(line, now)
        now = line["pause"]["until"]
        assert not pace.is_paused(line, now)
        assert pace.is_on_trial(line)
    assert lengths == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert pace.calmed(line, now)["pause"] is None


def test_after_a_pause_one_is_tried_and_the_others_wait_for_it() -> None:
    line = pace.with_trial(pace.paused(LINE, UNREACHABLE, None, T0, T0), at(2))
    assert pace.is_paused(line, at(3))
    assert pace.is_paused(pace.paused(line, UNREACHABLE, None, at(2), at(3)), at(4))
    assert not pace.is_paused(pace.calmed(line, at(2)), at(3))
    assert not pace.is_paused(line, at(2) + pace.TRIAL_TIME)


def test_all_that_failed_together_counts_once() -> None:
    """Some of it is told after the pause began."""
    line = pace.paused(LINE, UNREACHABLE, None, T0, at(1))
    for second in (0.5, 1, 1.5):
        assert pace.paused(line, UNREACHABLE, None, at(second), at(2)) == line
        assert pace.calmed(line, at(second)) == line


def test_what_failed_before_it_went_well_again_no_longer_counts() -> None:
    line = pace.calmed(pace.paused(LINE, UNREACHABLE, None, T0, T0), at(5))
    assert pace.paused(line, UNREACHABLE, None, at(5), at(6)) == line
    assert pace.is_paused(pace.paused(line, UNREACHABLE, None, at(7), at(7)), at(7))


def test_twilio_may_ask_for_a_longer_pause_but_not_for_ever() -> None:
    asked = pace.paused(LINE, UNREACHABLE, 20429, T0, T0, retry_after=30)
    assert asked["pause"]["until"] == at(30)
    for_ever = pace.paused(LINE, SUSPENDED, 30002, T0, T0, retry_after=10**8)
    assert for_ever["pause"]["until"] == T0 + pace.LONGEST_PAUSE
