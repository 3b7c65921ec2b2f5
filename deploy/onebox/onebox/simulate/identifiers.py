"""Twilio's identifiers, derived from the seed so that the same seed names the same things."""

from hashlib import sha256


def digest(*parts: object) -> str:
    return sha256("/".join(map(str, parts)).encode()).hexdigest()


def sid(prefix: str, *parts: object) -> str:
    """Two letters and 32 hexadecimal digits."""
    return prefix + digest(prefix, *parts)[:32]
