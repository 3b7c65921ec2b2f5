"""When marketing may be sent: 08:00 to 21:00 where the recipient may be. Pure.

47 CFR 64.1200(c)(1): not before 8 and not after 21 o'clock at the called party's location. A number does not say for
sure where that is, so the hours have to suit every zone that it may be in.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo

OPENS, CLOSES = 8, 21
# Zones whose hours do not meet within a week never do: their distance changes twice a year.
LOOK_AHEAD_DAYS = 8


def is_allowed(moment: datetime, zones: Sequence[tzinfo]) -> bool:
    return all(OPENS <= moment.astimezone(zone).hour < CLOSES for zone in zones)


def next_allowed(now: datetime, zones: Sequence[tzinfo]) -> datetime | None:
    """The first moment from `now` on that suits every zone; None when there is none. At least one zone is needed."""
    if is_allowed(now, zones):
        return now
    openings = sorted(moment for zone in zones for moment in _openings(now, zone))
    return next((moment for moment in openings if moment > now and is_allowed(moment, zones)), None)


def _openings(now: datetime, zone: tzinfo) -> Iterator[datetime]:
    today = now.astimezone(zone).date()
    for days in range(LOOK_AHEAD_DAYS):
        yield datetime.combine(today + timedelta(days), time(OPENS), zone).astimezone(UTC)
