"""What a number says about itself: its kind, country and the time zones it may be in. Pure."""

from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number

from ringback.phone import identify


@dataclass(frozen=True, slots=True)
class Number:
    """`e164` is None for kinds that are no telephone number; `country` is ISO 3166, `zones` is empty if unknown."""

    kind: str
    e164: str | None
    country: str | None = None
    zones: tuple[ZoneInfo, ...] = ()


@lru_cache(maxsize=4096)
def number_of(text: str, region: str) -> Number:
    """`region` (ISO 3166) reads numbers written nationally."""
    caller = identify(text, region)
    if caller.e164 is None:
        return Number(caller.kind, None)
    parsed = phonenumbers.parse(caller.e164)
    # A number of no assigned range has the main country of its code.
    country = phonenumbers.region_code_for_number(parsed) or phonenumbers.region_code_for_country_code(
        parsed.country_code or 0
    )
    return Number(caller.kind, caller.e164, country, _zones(parsed))


def _zones(parsed: phonenumbers.PhoneNumber) -> tuple[ZoneInfo, ...]:
    names = time_zones_for_number(parsed)
    try:
        return tuple(ZoneInfo(name) for name in names if name != UNKNOWN_TIMEZONE)
    except ZoneInfoNotFoundError:
        return ()
