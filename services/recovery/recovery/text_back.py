"""Whether and when a caller whom nobody answered is texted by itself. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ringback.phone import NAMELESS_KINDS, NOT_TEXTABLE

# Later than that it would be out of context.
EXPIRES = timedelta(hours=2)
# The reason of a call that nothing was heard of for longer than that.
GIVEN_UP = "timeout"
RECENTLY_TEXTED, LANDLINE, TOO_LATE, OPTED_OUT = "recently_texted", "landline", "too_late", "opted_out"


@dataclass(frozen=True)
class TextBackRules:
    enabled: bool
    delay: timedelta
    window: timedelta


def unreachable_by_text(kind: str) -> str | None:
    """Why nobody with such a caller ID can be texted; None for who can."""
    if kind in NAMELESS_KINDS:
        return kind
    return LANDLINE if kind in NOT_TEXTABLE else None


def due_at(
    rules: TextBackRules,
    misses: Sequence[Mapping[str, Any]],
    requested: Iterable[datetime],
    decided_against: Iterable[datetime],
) -> datetime | None:
    """When the caller of these missed calls is to be texted; None when they were, or a decision against it stands.

    `requested`: when all of the caller's texts back were. One covers the calls up to the end of its window, a
    decision against it only the calls before it. A call that was given up, hours after it began, leads to none.
    """
    if not rules.enabled or unreachable_by_text(misses[0]["kind"]):
        return None
    covered = [at + rules.window for at in requested] + list(decided_against)
    until = max(covered, default=None)
    missed = [miss for miss in misses if miss["reason"] != GIVEN_UP]
    waiting = [miss for miss in missed if until is None or miss["at"] >= until]
    return waiting[0]["at"] + rules.delay if waiting else None


def is_recently_texted(rules: TextBackRules, miss: Mapping[str, Any], requested: Iterable[datetime]) -> bool:
    return any(at <= miss["at"] < at + rules.window for at in requested)
