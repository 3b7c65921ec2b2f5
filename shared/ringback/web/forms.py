"""A form's fields as the JSON that a schema reads, so that pages and the API go one way.

Names that begin with `_` are the page's own. Of a repeated name the last counts, save in lists: so a hidden `false`
before a checkbox says what an empty checkbox cannot. Times come without a zone (HTML's datetime-local): they are the
business's. Money is typed as people write it.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from babel.numbers import get_currency_precision
from marshmallow import Schema, fields
from werkzeug.datastructures import MultiDict

from ringback.businesses import Business
from ringback.web.sessions import CSRF_FIELD

# A schema's field of money is marked by `metadata=MONEY`.
MONEY = {"form": "money"}
DECIMAL_COMMA = re.compile(r",(?=\d{1,2}\Z)")
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
    """Minor units. A comma before one or two last digits is a decimal point, any other stands between thousands."""
    plain = DECIMAL_COMMA.sub(".", "".join(text.split())).replace(",", "")
    try:
        minor = Decimal(plain).scaleb(get_currency_precision(business.currency))
    except InvalidOperation:
        return text
    return int(minor) if minor.is_finite() and minor == minor.to_integral_value() else text


def _whole(text: str, _business: Business) -> Any:
    try:
        return int(text)
    except ValueError:
        return text


def _moment(text: str, business: Business) -> Any:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if moment.tzinfo else moment.replace(tzinfo=business.timezone).isoformat()


def _flag(text: str, _business: Business) -> Any:
    return {"true": True, "on": True, "false": False}.get(text, text)


READ: Mapping[type, Read] = {fields.Boolean: _flag, fields.Integer: _whole, fields.AwareDateTime: _moment}
