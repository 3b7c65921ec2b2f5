"""Keyed hashes: what is kept of a number or an id when the thing itself must not be kept.

HMAC-SHA256 (RFC 2104) under a key of our own, derived from RINGBACK_SECRET_KEY: who has the database but not the key
cannot try all telephone numbers. With another secret key nothing that was sealed is recognised any more.
"""

import hmac
from collections.abc import Callable

Seal = Callable[[str], str]


def seal_for(purpose: bytes, secret_key: str) -> Seal:
    """The same text always gives the same hash, 64 hexadecimal digits; for another purpose another one."""
    key = hmac.digest(secret_key.encode(), purpose, "sha256")
    return lambda text: hmac.digest(key, text.encode(), "sha256").hex()


GENERAL = b"ringback customer seals 1"


def seal_with(secret_key: str) -> Seal:
    """The seal that services share, so that what one sealed another one recognises."""
    return seal_for(GENERAL, secret_key)
