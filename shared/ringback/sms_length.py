"""How many segments a text takes: what carriers count, and what is paid for. Pure.

The alphabet is that of 3GPP TS 23.038 section 6.2.1. A text with one character outside it is sent in UCS-2
altogether. Sizes are those of Twilio (twilio.com/docs/glossary/what-sms-character-limit): 160 characters of GSM-7 or
70 of UCS-2 in a single message, 153 or 67 in each part of a longer one. No maintained library does this.
"""

from collections.abc import Iterable
from dataclasses import dataclass

GSM_7, UCS_2 = "GSM-7", "UCS-2"
BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Each is sent as an escape and a character.
EXTENSION = frozenset("\f^{}\\[~]|€")


@dataclass(frozen=True, slots=True)
class SmsLength:
    """`units` are septets (GSM-7) or UTF-16 code units (UCS-2). An empty text has no segment."""

    encoding: str
    units: int
    segments: int


@dataclass(frozen=True, slots=True)
class _Limits:
    single: int
    part: int


LIMITS = {GSM_7: _Limits(160, 153), UCS_2: _Limits(70, 67)}


def measure(text: str) -> SmsLength:
    encoding = encoding_of(text)
    sizes = [_size(character, encoding) for character in text]
    units, limits = sum(sizes), LIMITS[encoding]
    if units <= limits.single:
        return SmsLength(encoding, units, 1 if units else 0)
    return SmsLength(encoding, units, _parts(sizes, limits.part))


def encoding_of(text: str) -> str:
    return GSM_7 if set(text) <= BASIC | EXTENSION else UCS_2


def _size(character: str, encoding: str) -> int:
    if encoding == GSM_7:
        return 2 if character in EXTENSION else 1
    return 2 if ord(character) > 0xFFFF else 1


def _parts(sizes: Iterable[int], most: int) -> int:
    """An escaped character or a surrogate pair is not divided between two parts."""
    parts, used = 1, 0
    for size in sizes:
        if used + size > most:
            parts, used = parts + 1, 0
        used += size
    return parts
