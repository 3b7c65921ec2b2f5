"""What an attempt to deliver means, and when the next one is due. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# Seconds after each failed attempt: ten attempts over a bit more than a day.
RETRY_SECONDS = (5, 60, 5 * 60, 30 * 60, 3600, 2 * 3600, 5 * 3600, 8 * 3600, 10 * 3600)
JITTER = 0.2
LONGEST_RETRY_AFTER = timedelta(hours=12)
FAILING_UNTIL_DISABLED = timedelta(days=5)
DIGITS = re.compile(r"[0-9]{1,9}", re.ASCII)
GONE = 410


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt. `status` is None without an HTTP answer, `error` says why then."""

    status: int | None
    error: str | None = None
    body: str = ""
    retry_after: str | None = None

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """The receiver wants nothing any more (Standard Webhooks: 410 disables the endpoint)."""
        return self.status == GONE


def next_attempt(attempts: int, outcome: Outcome, now: datetime, spread: float) -> datetime | None:
    """When to try again after so many attempts, None for never. `spread`: a random number from 0 to 1.

    A Retry-After (RFC 9110 section 10.2.3) may put it later, by at most LONGEST_RETRY_AFTER, never sooner.
    """
    if outcome.delivered or outcome.gone or attempts > len(RETRY_SECONDS):
        return None
    seconds = RETRY_SECONDS[attempts - 1] * (1 + JITTER * (2 * spread - 1))
    return max(now + timedelta(seconds=seconds), _asked_for(outcome.retry_after, now))


def _asked_for(retry_after: str | None, now: datetime) -> datetime:
    return min(_moment(retry_after or "", now), now + LONGEST_RETRY_AFTER)


def _moment(text: str, now: datetime) -> datetime:
    """Seconds or an HTTP date; `now` for anything else."""
    if DIGITS.fullmatch(text.strip()):
        return now + timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return now
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def is_given_up(failing_since: datetime | None, now: datetime) -> bool:
    """Whether an endpoint has failed, and nothing but failed, for so long that it is to be disabled."""
    return failing_since is not None and now - failing_since >= FAILING_UNTIL_DISABLED
