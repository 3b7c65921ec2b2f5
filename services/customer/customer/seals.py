"""What the customer service keeps as keyed hashes: ids that must not come back, numbers that opted out."""

from ringback.seals import Seal, seal_for

__all__ = ["Seal", "seal_with"]

PURPOSE = b"ringback customer seals 1"


def seal_with(secret_key: str) -> Seal:
    """The same text always gives the same hash, 64 hexadecimal digits."""
    return seal_for(PURPOSE, secret_key)
