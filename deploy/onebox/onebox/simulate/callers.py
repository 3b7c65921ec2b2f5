"""Who calls: numbers that nobody owns, withheld caller IDs, SIP and client addresses.

Every number is valid to libphonenumber and rings nobody, because a simulation may run against an installation
that texts for real: exchange 555 (all but two lines went back to the NANPA in 2016), and what Ofcom, the
Bundesnetzagentur and Arcep keep for films. Mexico's is the prefix of libphonenumber's own example.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

T = TypeVar("T")

US, FOREIGN, WITHHELD, SIP, CLIENT = "us", "foreign", "withheld", "sip", "client"
IDENTIFIABLE = frozenset({US, FOREIGN})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a number is registered, as Twilio's geo fields say it."""

    city: str
    state: str
    zip: str
    country: str


@dataclass(frozen=True, slots=True)
class Caller:
    """`address` is what From holds. What is None is not sent at all, unlike what is empty."""

    kind: str
    address: str | None
    place: Place | None = None
    name: str | None = None
    stir: str | None = None


NOWHERE = Place("", "", "", "")
AREAS = {
    "201": Place("JERSEY CITY", "NJ", "07302", "US"),
    "206": Place("SEATTLE", "WA", "98101", "US"),
    "212": Place("NEW YORK", "NY", "10001", "US"),
    "214": Place("DALLAS", "TX", "75201", "US"),
    "215": Place("PHILADELPHIA", "PA", "19103", "US"),
    "216": Place("CLEVELAND", "OH", "44113", "US"),
    "303": Place("DENVER", "CO", "80202", "US"),
    "305": Place("MIAMI", "FL", "33130", "US"),
    "312": Place("CHICAGO", "IL", "60601", "US"),
    "313": Place("DETROIT", "MI", "48226", "US"),
    "404": Place("ATLANTA", "GA", "30303", "US"),
    "410": Place("BALTIMORE", "MD", "21201", "US"),
    "412": Place("PITTSBURGH", "PA", "15222", "US"),
    "415": Place("SAN FRANCISCO", "CA", "94103", "US"),
    "503": Place("PORTLAND", "OR", "97205", "US"),
    "504": Place("NEW ORLEANS", "LA", "70112", "US"),
    "512": Place("AUSTIN", "TX", "78701", "US"),
    "602": Place("PHOENIX", "AZ", "85004", "US"),
    "612": Place("MINNEAPOLIS", "MN", "55401", "US"),
    "615": Place("NASHVILLE", "TN", "37203", "US"),
    "617": Place("BOSTON", "MA", "02108", "US"),
    "619": Place("SAN DIEGO", "CA", "92101", "US"),
    "702": Place("LAS VEGAS", "NV", "89101", "US"),
    "713": Place("HOUSTON", "TX", "77002", "US"),
    "718": Place("BROOKLYN", "NY", "11201", "US"),
    "808": Place("HONOLULU", "HI", "96813", "US"),
    "816": Place("KANSAS CITY", "MO", "64106", "US"),
    "907": Place("ANCHORAGE", "AK", "99501", "US"),
    "916": Place("SACRAMENTO", "CA", "95814", "US"),
    "919": Place("RALEIGH", "NC", "27601", "US"),
}
LINES_IN_USE = frozenset({"1212", "4334"})  # directory assistance, and the one that was not given back

# prefix, digits that follow, country
FOREIGN_RANGES = (
    ("+442079460", 3, "GB"),
    ("+493023125", 3, "DE"),
    ("+3319900", 4, "FR"),
    ("+52200123", 4, "MX"),
)
# From when the caller ID is withheld: words on a keypad, words, nothing (Twilio's help article 223179988).
WITHHELD_ADDRESSES = (
    "+266696687",
    "+7378742833",
    "+2562533",
    "+8656696",
    "+86282452253",
    "+464",
    "+7748283",
    "anonymous",
    "Anonymous",
    "unknown",
    "RESTRICTED",
    "private",
    "unavailable",
    "sip:anonymous@anonymous.invalid",
    "client:Anonymous",
    "",
    None,
)
SIP_ADDRESSES = (
    "sip:reception@pbx.example.com",
    "sip:+12125550123@trunk.example.net;user=phone",
    "sip:204@10.0.0.5",
)
CLIENT_ADDRESSES = ("client:front-desk", "client:web_visitor", "client:jürgen")
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


def new_caller(rng: Random) -> Caller:
    return pick(rng, MAKERS_AND_WEIGHTS)(rng)


def pick(rng: Random, choices: tuple[tuple[T, int], ...]) -> T:
    """One of the choices, by weight."""
    return rng.choices([choice for choice, _ in choices], [weight for _, weight in choices])[0]


def place_of(number: str) -> Place:
    """Where a number that is called is registered; blank where the table does not know."""
    if not number.startswith("+1"):
        return NOWHERE
    return AREAS.get(number[2:5], Place("", "", "", "US"))


def _us(rng: Random) -> Caller:
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
    return Caller(WITHHELD, rng.choice(WITHHELD_ADDRESSES), NOWHERE)


def _sip(rng: Random) -> Caller:
    return Caller(SIP, rng.choice(SIP_ADDRESSES))


def _client(rng: Random) -> Caller:
    return Caller(CLIENT, rng.choice(CLIENT_ADDRESSES))


MAKERS_AND_WEIGHTS: tuple[tuple[Callable[[Random], Caller], int], ...] = (
    (_us, 78),
    (_foreign, 8),
    (_withheld, 8),
    (_sip, 3),
    (_client, 3),
)
