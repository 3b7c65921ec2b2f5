"""Who is calling: caller IDs as Twilio sends them, and E.164.

Numbers go through `phonenumbers` (Google's libphonenumber data). The pseudo-numbers of withheld caller IDs are
words spelled on a keypad; Twilio lists them in its help article 223179988.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType

WITHHELD_WORDS = frozenset(
    {"", "anonymous", "unknown", "restricted", "private", "unavailable", "blocked", "withheld"}
)
# ANONYMOUS, RESTRICTED (with its widely copied misprint), BLOCKED, UNKNOWN (likewise), UNAVAILABLE, "no caller
# ID", PRIVATE. Some carriers put a 1 in front of the ten-digit ones.
WITHHELD_DIGITS = frozenset(
    {
        "266696687",
        "7378742833",
        "17378742833",
        "7378742883",
        "17378742883",
        "2562533",
        "8656696",
        "8566696",
        "86282452253",
        "464",
        "7748283",
    }
)
KIND_OF_TYPE = {
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE: "landline",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "landline_or_mobile",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.SHARED_COST: "shared_cost",
    PhoneNumberType.VOIP: "voip",
    PhoneNumberType.PERSONAL_NUMBER: "personal",
    PhoneNumberType.PAGER: "pager",
    PhoneNumberType.UAN: "company",
    PhoneNumberType.VOICEMAIL: "voicemail",
}
# Kinds of caller IDs that identify nobody: many people share them, or they are no telephone number.
NAMELESS_KINDS = frozenset({"withheld", "sip", "client", "short", "malformed"})
# Kinds of numbers that cannot receive texts.
NOT_TEXTABLE = frozenset({"landline", "toll_free", "premium", "shared_cost", "pager", "company", "voicemail"})
PUNCTUATION = re.compile(r"[\s().+/-]")
SHORT_CODE = re.compile(r"\+?\d{3,6}")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller ID understood.

    `e164` is the number that identifies the caller, None for NAMELESS_KINDS. Kind `possible` is a well-formed
    number of no assigned range, `valid` an assigned one of no known type.
    """

    kind: str
    e164: str | None


def nameless_kind(raw: str) -> str | None:
    """The kind of a caller ID that is no telephone number, by its looks alone; None for what may be one."""
    text = raw.strip()
    if _is_withheld(text):
        return "withheld"
    if text.startswith(("sip:", "sips:")):
        return "sip"
    if text.startswith("client:"):
        return "client"
    number = _without_channel(text)
    if any(character.isalpha() for character in number):
        return "malformed"
    return "short" if SHORT_CODE.fullmatch(number) else None


@lru_cache(maxsize=4096)
def identify(raw: str, region: str) -> Caller:
    """The caller behind a From as Twilio sent it; `region` (ISO 3166) reads numbers written nationally."""
    kind = nameless_kind(raw)
    return Caller(kind, None) if kind else _identify_number(_without_channel(raw.strip()), region)


def to_e164(text: str, region: str) -> str | None:
    """A number in any usual writing as E.164, or None."""
    return identify(text, region).e164


def _without_channel(text: str) -> str:
    return text.removeprefix("whatsapp:").removeprefix("tel:")


def _is_withheld(text: str) -> bool:
    name = text.lower().removeprefix("client:").removeprefix("sip:").partition("@")[0]
    return name in WITHHELD_WORDS or PUNCTUATION.sub("", text) in WITHHELD_DIGITS


def _identify_number(text: str, region: str) -> Caller:
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        return Caller("malformed", None)
    # Not `is_possible_number`: it takes a number without its area code, too.
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return Caller("malformed", None)
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if _is_withheld(e164):
        return Caller("withheld", None)
    return Caller(_kind(number), e164) if _is_settled(e164) else Caller("malformed", None)


def _is_settled(e164: str) -> bool:
    """Whether reading the number again gives the same: else one caller would become two customers."""
    if not E164.fullmatch(e164):
        return False
    again = phonenumbers.parse(e164)
    return phonenumbers.format_number(again, phonenumbers.PhoneNumberFormat.E164) == e164


def digits_of(e164: str) -> tuple[str, ...]:
    """A number's digits as they are written abroad and, where its country is known, at home with trunk prefix."""
    abroad = e164.removeprefix("+")
    try:
        number = phonenumbers.parse(e164)
    except NumberParseException:
        return (abroad,)
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    return abroad, re.sub(r"[^0-9]", "", national)


def _kind(number: PhoneNumber) -> str:
    if not phonenumbers.is_valid_number(number):
        return "possible"
    return KIND_OF_TYPE.get(phonenumbers.number_type(number), "valid")
