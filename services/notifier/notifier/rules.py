"""Who may be texted, what, and when: one table of reasons. Pure.

Judged in the step that reserves the text, so that whatever was committed before counts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from notifier.numbers import Number
from notifier.quiet_hours import next_allowed
from ringback.phone import NOT_TEXTABLE

# What Twilio takes as one text (error 21617).
LONGEST_BODY = 1600
# Nobody has that many reasons to be texted within an hour: two machines answer each other.
MOST_AUTOMATIC_AN_HOUR = 5
MARKETING = "marketing"
# The reason of a text that a person wrote; all others are automatic.
BY_HAND = "manual"
QUIET_HOURS = "quiet_hours"


class Limits(Protocol):
    """How much a business texts a day, and where: its `Texting`."""

    @property
    def most_per_number_a_day(self) -> int: ...
    @property
    def most_a_day(self) -> int: ...
    @property
    def most_segments_a_day(self) -> int: ...
    @property
    def countries(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """All that decides about a text. Counts are of before it; `first`: it was never reserved before."""

    now: datetime
    expires_at: datetime
    body: str
    purpose: str
    segments: int
    number: Number
    limits: Limits
    zone: ZoneInfo
    opted_out: bool
    own_number: bool
    erased: bool
    automatic: bool
    held: bool
    first: bool
    to_number_today: int
    automatic_within_hour: int
    business_today: int
    segments_today: int


@dataclass(frozen=True, slots=True)
class Send:
    pass


@dataclass(frozen=True, slots=True)
class Hold:
    until: datetime


@dataclass(frozen=True, slots=True)
class Suppress:
    reason: str


Verdict = Send | Hold | Suppress
Rule = tuple[str, Callable[[Facts], bool]]


def _is_expired(facts: Facts) -> bool:
    return facts.now >= facts.expires_at


# The first that holds is the reason.
ALWAYS: tuple[Rule, ...] = (
    ("erased", lambda facts: facts.erased),
    ("opted_out", lambda facts: facts.opted_out),
    ("empty", lambda facts: not facts.body.strip()),
    ("too_long", lambda facts: len(facts.body) > LONGEST_BODY),
    ("withheld_number", lambda facts: facts.number.kind in {"withheld", "sip", "client"}),
    ("short_number", lambda facts: facts.number.kind == "short"),
    ("invalid_number", lambda facts: facts.number.e164 is None),
    ("own_number", lambda facts: facts.own_number),
    ("landline", lambda facts: facts.number.kind == "landline"),
    ("not_textable", lambda facts: facts.number.kind in NOT_TEXTABLE),
    ("country", lambda facts: facts.number.country not in facts.limits.countries),
    (QUIET_HOURS, lambda facts: facts.held and _is_expired(facts)),
    ("expired", _is_expired),
)
# A text that is tried again was counted before.
CAPS: tuple[Rule, ...] = (
    ("reply_loop", lambda facts: facts.automatic and facts.automatic_within_hour >= MOST_AUTOMATIC_AN_HOUR),
    ("number_cap", lambda facts: facts.to_number_today >= facts.limits.most_per_number_a_day),
    ("business_cap", lambda facts: facts.business_today >= facts.limits.most_a_day),
    ("segment_cap", lambda facts: facts.segments_today + facts.segments > facts.limits.most_segments_a_day),
)
REASONS = tuple(reason for reason, _ in ALWAYS + CAPS)


def judge(facts: Facts) -> Verdict:
    """A text that has to wait is held before it is counted: caps are of the day on which it is sent."""
    against = _reason(ALWAYS, facts)
    if against:
        return Suppress(against)
    allowed = _allowed_at(facts)
    if allowed is None:
        return Suppress(QUIET_HOURS)
    if allowed > facts.now:
        return Hold(min(allowed, facts.expires_at))
    against = _reason(CAPS, facts) if facts.first else None
    return Suppress(against) if against else Send()


def _reason(rules: tuple[Rule, ...], facts: Facts) -> str | None:
    return next((reason for reason, holds in rules if holds(facts)), None)


def _allowed_at(facts: Facts) -> datetime | None:
    if facts.purpose != MARKETING:
        return facts.now
    return next_allowed(facts.now, facts.number.zones or (facts.zone,))
