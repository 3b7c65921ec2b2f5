"""The order of cards within a column, as texts that sort: there is always room between two. Pure.

Base 62 in the order of ASCII, compared character by character. No rank ends with the lowest digit, since nothing
would fit below `V0` and above `V`.
"""

import string
import zlib
from datetime import datetime

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
BASE = len(DIGITS)
TIME_DIGITS = 8  # milliseconds until the year 8888
TIE_DIGITS = 5
LATEST = BASE**TIME_DIGITS - 1
MIDDLE = DIGITS[BASE // 2]
LOWEST = ""


def entry_rank(entered_at: datetime, customer_id: str) -> str:
    """Where a card stands that nobody placed: what came into the column last is on top."""
    age = LATEST - max(0, round(entered_at.timestamp() * 1000))
    return _digits(age, TIME_DIGITS) + _tie(customer_id)


def top_rank(customer_id: str, now: datetime, highest: str | None) -> str:
    """A rank above the card that is on top: as if it came in now, which keeps ranks short wherever that is enough."""
    entered = entry_rank(now, customer_id)
    return entered if highest is None or entered < highest else own_rank_between(LOWEST, highest, customer_id)


def own_rank_between(lower: str, upper: str | None, customer_id: str) -> str:
    """As `rank_between`, another one for each card: of two that are put into the same gap there is room between."""
    return rank_between(lower, upper) + _tie(customer_id)


def rank_between(lower: str, upper: str | None) -> str:
    """A short rank above `lower` (LOWEST: below all) and below `upper` (None: above all); wants lower < upper."""
    prefix = ""
    while True:
        low = _digit(lower, len(prefix), 0)
        high = _digit(upper, len(prefix), BASE)
        if high - low > 1:
            return prefix + DIGITS[(low + high) // 2]
        if high != low:
            upper = None
        prefix += DIGITS[low]


def _tie(customer_id: str) -> str:
    return _digits(zlib.crc32(customer_id.encode()) % BASE**TIE_DIGITS, TIE_DIGITS) + MIDDLE


def _digit(rank: str | None, place: int, otherwise: int) -> int:
    return DIGITS.index(rank[place]) if rank is not None and place < len(rank) else otherwise


def _digits(number: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        number, rest = divmod(number, BASE)
        digits = DIGITS[rest] + digits
    return digits
