"""Who calls and texts: numbers that nobody owns.

Every number is valid to libphonenumber and rings nobody, because a simulation may run against an installation
that texts for real: exchange 555 (all but two lines went back to the NANPA in 2016), and what Ofcom, the
Bundesnetzagentur and Arcep keep for films. Mexico's is the prefix of libphonenumber's own example.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from onebox.simulate import addresses
from onebox.simulate.places import AREAS, NOWHERE, Place

T = TypeVar("T")

US, FOREIGN, WITHHELD, SIP, CLIENT = "us", "foreign", "withheld", "sip", "client"
IDENTIFIABLE = frozenset({US, FOREIGN})


@dataclass(frozen=True, slots=True)
class Caller:
    """`address` is what From holds. What is None is not sent at all, unlike what is empty.

    `e164` is the caller's number where `address` writes it otherwise. `calls_an_app`: To is empty, as for a browser
    that calls a TwiML app instead of a number.
    """

    kind: str
    address: str | None
    place: Place | None = None
    name: str | None = None
    stir: str | None = None
    e164: str | None = None
    calls_an_app: bool = False

    @property
    def identity(self) -> str | None:
        """The number that the caller is known by; None when the caller ID identifies nobody."""
        return (self.e164 or self.address) if self.kind in IDENTIFIABLE else None


LINES_IN_USE = frozenset({"1212", "4334"})  # directory assistance, and the one that was not given back

# prefix, digits that follow, country
FOREIGN_RANGES = (
    ("+442079460", 3, "GB"),
    ("+493023125", 3, "DE"),
    ("+3319900", 4, "FR"),
    ("+52200123", 4, "MX"),
)
# The first stands for "no look-up configured"; the rest try what forms, logs and pages must carry unharmed.
NAMES_AND_WEIGHTS = (
    (None, 60),
    ("", 4),
    ("WIRELESS CALLER", 10),
    ("SMITH JOHN", 8),
    ("MILLER & SONS", 4),
    ("Renée O'Brien", 4),
    ("José Ángel Núñez", 4),
    ("Žofie Nováková 🎉", 3),
    ("李小龍", 2),
    ("a+b=c%20<b>", 1),
)
STIR_AND_WEIGHTS = (
    ("TN-Validation-Passed-A", 55),
    ("TN-Validation-Passed-B", 15),
    ("TN-Validation-Passed-C", 12),
    ("No-TN-Validation", 6),
    ("TN-Validation-Failed-C", 2),
    (None, 10),
)

Makers = tuple[tuple[Callable[[Random], Caller], int], ...]


def pick(rng: Random, choices: tuple[tuple[T, int], ...]) -> T:
    """One of the choices, by weight."""
    return rng.choices([choice for choice, _ in choices], [weight for _, weight in choices])[0]


def us_caller(rng: Random) -> Caller:
    area = rng.choice(tuple(AREAS))
    line = f"{rng.randrange(10_000):04d}"
    if line in LINES_IN_USE:
        line = "0100"
    return Caller(US, f"+1{area}555{line}", AREAS[area], pick(rng, NAMES_AND_WEIGHTS), pick(rng, STIR_AND_WEIGHTS))


def _foreign(rng: Random) -> Caller:
    prefix, digits, country = rng.choice(FOREIGN_RANGES)
    number = f"{prefix}{rng.randrange(10**digits):0{digits}d}"
    return Caller(FOREIGN, number, Place("", "", "", country))


def _withheld(rng: Random) -> Caller:
    return Caller(WITHHELD, rng.choice(addresses.WITHHELD), NOWHERE)


def _sip(rng: Random) -> Caller:
    return Caller(SIP, rng.choice(addresses.SIP))


def _client(rng: Random) -> Caller:
    return Caller(CLIENT, rng.choice(addresses.CLIENT))


WITH_NUMBERS: Makers = ((us_caller, 78), (_foreign, 8))
ANYBODY: Makers = (*WITH_NUMBERS, (_withheld, 8), (_sip, 3), (_client, 3))
