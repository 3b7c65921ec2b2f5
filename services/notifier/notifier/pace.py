"""How fast a business texts, how much a day, and when nothing is to be sent at all. Pure.

A line: {_id, next_slot, day, texts, segments, pause, calm_since}. One for each business, and one for the account, of
which only the pause counts. A pause: {reason, code, since, until, failures, tried_at}; when it is over one text is
tried, and nothing else until it is known what came of that.
`next_slot` is in microseconds since 1970: fractions of the milliseconds that BSON keeps would add up.
"""

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

from notifier.outcomes import Pause

Line = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# Workers may be late by that much without a sender's rate being lost.
CATCH_UP = timedelta(milliseconds=200)
LONGEST_PAUSE = timedelta(minutes=15)
# Who tries whether a pause is over may not come back.
TRIAL_TIME = timedelta(seconds=30)
# Enough doublings to reach the longest pause from the shortest.
MOST_DOUBLINGS = 12


def new_line(line_id: str) -> Line:
    return {
        "_id": line_id,
        "next_slot": None,
        "day": None,
        "texts": 0,
        "segments": 0,
        "pause": None,
        "calm_since": None,
    }


# Rate.


def next_slot(line: Line, now: datetime) -> datetime:
    """When the sender may send next; before `now` if it may make up for time that was not used."""
    if line["next_slot"] is None:
        return now
    return max(EPOCH + timedelta(microseconds=line["next_slot"]), now - CATCH_UP)


def with_slot_taken(line: Line, slot: datetime, segments: int, per_second: float) -> Line:
    """A text takes its sender as long as its segments do (twilio.com/docs/api/errors/30001)."""
    following = (slot - EPOCH) / MICROSECOND + segments / per_second * 1_000_000
    return {**line, "next_slot": math.ceil(following)}


# Counts.


def with_text_counted(line: Line, day: date, segments: int) -> Line:
    texts, before = texts_on(line, day), segments_on(line, day)
    return {**line, "day": day.isoformat(), "texts": texts + 1, "segments": before + segments}


def texts_on(line: Line, day: date) -> int:
    count: int = line["texts"] if line["day"] == day.isoformat() else 0
    return count


def segments_on(line: Line, day: date) -> int:
    count: int = line["segments"] if line["day"] == day.isoformat() else 0
    return count


# Pauses.


def is_paused(line: Line, now: datetime) -> bool:
    pause = line["pause"]
    if pause is None:
        return False
    tried_at = pause["tried_at"]
    return now < pause["until"] or (tried_at is not None and now < tried_at + TRIAL_TIME)


def is_on_trial(line: Line) -> bool:
    """Whether nothing went well since the last pause: one text shows whether it is really over."""
    return line["pause"] is not None


def with_trial(line: Line, slot: datetime) -> Line:
    """The line after that one text was reserved."""
    return {**line, "pause": {**line["pause"], "tried_at": slot}}


def paused(
    line: Line,
    pause: Pause,
    code: int | None,
    attempted_at: datetime,
    now: datetime,
    retry_after: float | None = None,
) -> Line:
    """The line after an attempt of that time failed. What was under way when the pause began does not prolong it."""
    before = line["pause"]
    if _is_outdated(line, attempted_at):
        return line
    failures = before["failures"] + 1 if before else 1
    asked = timedelta(seconds=retry_after or 0)
    length = min(max(pause.first * 2 ** min(failures - 1, MOST_DOUBLINGS), asked), LONGEST_PAUSE)
    told = {"reason": pause.reason, "code": code, "since": now, "until": now + length, "failures": failures}
    return {**line, "pause": told | {"tried_at": None}}


def calmed(line: Line, attempted_at: datetime) -> Line:
    """The line after an attempt of that time succeeded. Only what was tried after the pause shows that it is over."""
    if line["pause"] is None or attempted_at < line["pause"]["until"]:
        return line
    return {**line, "pause": None, "calm_since": attempted_at}


def _is_outdated(line: Line, attempted_at: datetime) -> bool:
    if line["pause"] is not None:
        return bool(attempted_at < line["pause"]["until"])
    return line["calm_since"] is not None and attempted_at <= line["calm_since"]
