"""A form's fields as the JSON that a schema reads, so that pages and the API go one way.

Names that begin with `_` are the page's own. Of a repeated name the last counts, save in lists: so a hidden `false`
before a checkbox says what an empty checkbox cannot. Times come without a zone (HTML's datetime-local): they are the
business's. Of a time that its clocks show twice the first is meant (RFC 5545 section 3.3.5), one that they skip is
refused. Money is typed as people write it; what could be meant in two ways is refused, too.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from babel.numbers import get_currency_precision, get_currency_symbol
from marshmallow import Schema, fields
from werkzeug.datastructures import MultiDict

from ringback.businesses import Business
from ringback.web.formats import locale_of
from ringback.web.sessions import CSRF_FIELD

FORM = "application/x-www-form-urlencoded"
# A schema's field of money is marked by `metadata=MONEY`.
MONEY: dict[str, Any] = {"form": "money"}
# An amount: a whole number, plain or in groups of three that one mark divides, then perhaps another mark and digits.
AMOUNT = re.compile(
    r"""(?P<minus>-?)
    (?P<whole> [1-9]\d{0,2}(?P<mark>[.,'\u2019\ \u00a0\u2009\u202f])\d{3}(?:(?P=mark)\d{3})* | \d+)
    (?:(?!(?P=mark))(?P<point>[.,])(?P<part>\d+))?""",
    re.ASCII | re.VERBOSE,
)
# Of `1.234` nobody knows at once whether it is a thousand or has a fraction of three digits.
ONE_GROUP = re.compile(r"(?P<whole>-?[1-9]\d{0,2})(?P<mark>[.,])(?P<rest>\d{3})", re.ASCII)
FRACTION_OF_THREE = 3
NUMBER = re.compile(r"[+-]?\d{1,20}", re.ASCII)
Form = MultiDict[str, str]
Read = Callable[[str, Business], Any]


def is_own(name: str) -> bool:
    """Whether a form's field is the page's, none of the schema's."""
    return name.startswith("_") or name == CSRF_FIELD


def form_values(schema: Schema, form: Form, business: Business) -> dict[str, Any]:
    """What the schema is to load. Whatever cannot be read as its type stays a text, which the schema then refuses."""
    by_key = {field.data_key or name: field for name, field in schema.fields.items()}
    values: dict[str, Any] = {}
    for key in form:
        if is_own(key):
            continue
        field = by_key.get(key)
        if isinstance(field, fields.List):
            values[key] = [_read(field.inner, text, business) for text in form.getlist(key) if text.strip()]
        elif form.getlist(key)[-1].strip() or field is None or field.required:
            values[key] = _read(field, form.getlist(key)[-1], business)
        elif field.allow_none:
            values[key] = None
    return values


def _read(field: Any, text: str, business: Business) -> Any:
    if field is not None and field.metadata.get("form") == "money":
        return _money(text, business)
    for kind, read in READ.items():
        if isinstance(field, kind):
            return read(text, business)
    return text


def _money(text: str, business: Business) -> Any:
    """Minor units: `12`, `12.5`, `$1,234.50`, `1.234,50 EUR`, `1 234`."""
    digits = get_currency_precision(business.currency)
    bare = _bare(text, business)
    one = ONE_GROUP.fullmatch(bare)
    if one:
        minor = _of_one_group(one, digits)
        return text if minor is None else minor
    found = AMOUNT.fullmatch(bare)
    part = found["part"] or "" if found else ""
    if found is None or part[digits:].strip("0"):
        return text
    whole = "".join(filter(str.isdigit, found["whole"]))
    return int(found["minus"] + whole + part[:digits].ljust(digits, "0"))


def _of_one_group(one: re.Match[str], digits: int) -> int | None:
    """A comma between thousands, or a point before a fraction where the currency has three digits; else unclear."""
    if one["mark"] == "," and digits < FRACTION_OF_THREE:
        return int(one["whole"] + one["rest"] + "0" * digits)
    if one["mark"] == "." and digits == FRACTION_OF_THREE:
        return int(one["whole"] + one["rest"])
    return None


def _bare(text: str, business: Business) -> str:
    """Without the currency, as its code or the sign that the country knows it by."""
    bare = text.strip()
    for sign in (business.currency, get_currency_symbol(business.currency, locale_of(business.country))):
        bare = bare.removeprefix(sign).removesuffix(sign).strip()
    return bare


def _whole(text: str, _business: Business) -> Any:
    return int(text) if NUMBER.fullmatch(text.strip()) else text


def _moment(text: str, business: Business) -> Any:
    try:
        moment = datetime.fromisoformat(text)
        local = moment.replace(tzinfo=business.timezone)
        known = local.astimezone(UTC).astimezone(business.timezone)
    except (ValueError, OverflowError):
        return text
    is_there = moment.tzinfo is None and known.replace(tzinfo=None) == moment
    return local.isoformat() if is_there else text


def _flag(text: str, _business: Business) -> Any:
    return {"true": True, "on": True, "false": False}.get(text, text)


READ: Mapping[type, Read] = {fields.Boolean: _flag, fields.Integer: _whole, fields.AwareDateTime: _moment}
