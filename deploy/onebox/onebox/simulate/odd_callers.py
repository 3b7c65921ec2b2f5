"""Callers that a run must not miss: every caller ID that identifies nobody, and numbers written unusually."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random

from onebox.simulate import addresses
from onebox.simulate.callers import CLIENT, SIP, WITHHELD, Caller, us_caller
from onebox.simulate.places import NOWHERE

MALFORMED, SHORT = "malformed", "short"


@dataclass(frozen=True, slots=True)
class OddCaller:
    """`make` gets the number that is called, too: it decides in which country a national number is read."""

    oddity: str
    make: Callable[[Random, str], Caller]


def _in_national_digits(rng: Random, number: str) -> Caller:
    caller = us_caller(rng)
    if not number.startswith("+1") or caller.address is None:
        return caller
    return replace(caller, address=caller.address.removeprefix("+1"), e164=caller.address)


def _always(caller: Caller) -> Callable[[Random, str], Caller]:
    return lambda _rng, _number: caller


NOBODIES: tuple[tuple[str, str, tuple[str | None, ...]], ...] = (
    ("withheld_number", WITHHELD, addresses.WITHHELD_NUMBERS),
    ("withheld_misprint", WITHHELD, addresses.WITHHELD_MISPRINTS),
    ("withheld_word", WITHHELD, addresses.WITHHELD_WORDS),
    ("withheld_address", WITHHELD, addresses.WITHHELD_ADDRESSES),
    ("from_empty", WITHHELD, ("",)),
    ("from_missing", WITHHELD, (None,)),
    ("sip", SIP, addresses.SIP),
    ("client", CLIENT, (*addresses.CLIENT, addresses.LONGEST_CLIENT)),
    ("sim", MALFORMED, addresses.SIM),
    ("short_code_caller", SHORT, addresses.SHORT_CODES),
)


def _nobodies() -> Iterator[OddCaller]:
    for oddity, kind, held in NOBODIES:
        place = NOWHERE if kind == WITHHELD else None
        yield from (OddCaller(oddity, _always(Caller(kind, address, place))) for address in held)


ODD_CALLERS = (
    *_nobodies(),
    OddCaller("client_calls_an_app", _always(Caller(WITHHELD, "client:Anonymous", calls_an_app=True))),
    *[OddCaller("national_digits", _in_national_digits)] * 2,
)
