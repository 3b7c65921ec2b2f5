"""What a query string may say: schemas that routes share, and errors that name the field."""

from collections.abc import Mapping
from typing import Any

from flask import g
from marshmallow import RAISE, Schema, ValidationError, fields, validate
from werkzeug.datastructures import MultiDict

from ringback.errors import Invalid
from ringback.web.forms import form_values


class PageQuery(Schema):
    class Meta:
        unknown = RAISE

    cursor = fields.String(load_default=None, validate=validate.Length(max=500))
    limit = fields.Integer(load_default=50, validate=validate.Range(min=1, max=200))


def load(schema: Schema, values: Mapping[str, Any]) -> dict[str, Any]:
    """A query as `schema` has it, of a person as a form is read: what is left empty is not asked for.

    Raises Invalid naming each field.
    """
    if isinstance(values, MultiDict) and "business" in g:
        values = form_values(schema, values, g.business)
    try:
        loaded: dict[str, Any] = schema.load(values)
    except ValidationError as error:
        raise Invalid("Some fields are not valid.", errors=error.messages_dict) from error
    return loaded
