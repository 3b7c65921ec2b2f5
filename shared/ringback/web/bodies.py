"""JSON bodies and forms through schemas: what is neither is refused, what breaks a rule is told by field."""

import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask import g, request
from marshmallow import RAISE, Schema, ValidationError, fields
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from ringback.errors import Invalid
from ringback.web.forms import FORM, Form, form_values

ReadForm = Callable[[Form], dict[str, Any]]

# Control characters, halves of characters (surrogates), separators of lines and paragraphs.
NOT_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
# They turn the direction of what follows, which makes one text look like another (Unicode TR 36).
TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Body(Schema):
    """A request's body: a field that it does not know is an error, not ignored."""

    class Meta:
        unknown = RAISE


class Line(fields.String):
    """One line of text for people, trimmed and in Unicode's composed form (NFC); at most `longest` characters.

    What cannot be seen is refused rather than dropped: nobody's words are changed in silence. Where null is allowed,
    nothing but blanks is null.
    """

    also = frozenset[str]()

    def __init__(self, longest: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._longest = longest

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = self._tidied(super()._deserialize(value, attr, data, **kwargs))
        if not text and self.allow_none:
            return None
        if not text:
            raise ValidationError("Must not be empty.")
        if len(text) > self._longest:
            raise ValidationError(f"Longer than maximum length {self._longest}.")
        if not all(self._is_text(character) for character in text):
            raise ValidationError("Has characters that are no text.")
        return text

    def _tidied(self, text: str) -> str:
        return unicodedata.normalize("NFC", text).strip()

    def _is_text(self, character: str) -> bool:
        seen = unicodedata.category(character) not in NOT_TEXT and character not in TURNS
        return seen or character in self.also


class Paragraphs(Line):
    """Text of several lines, each ended by a line feed."""

    also = frozenset("\n\t")

    def _tidied(self, text: str) -> str:
        return super()._tidied(text.replace("\r\n", "\n").replace("\r", "\n"))


def load_body(schema: Schema, read_form: ReadForm | None = None) -> dict[str, Any]:
    """The request's JSON object, or the form of one of our pages, as `schema` has it.

    `read_form` makes the object out of a form that is no list of plain fields.
    Raises UnsupportedMediaType (415), BadRequest (400: no JSON by RFC 8259), Invalid naming each field (422).
    """
    try:
        loaded: dict[str, Any] = schema.load(_object(schema, read_form))
    except ValidationError as error:
        raise Invalid("Some fields are not valid.", errors=flattened(error.messages_dict)) from error
    return loaded


def flattened(messages: Mapping[str, Any]) -> dict[str, list[str]]:
    """Marshmallow's messages with those of a field's parts listed under the field."""
    return {str(field): list(_each(found)) for field, found in messages.items()}


def _each(found: Any) -> Iterator[str]:
    if isinstance(found, Mapping):
        for part in found.values():
            yield from _each(part)
    elif isinstance(found, list):
        for part in found:
            yield from _each(part)
    else:
        yield str(found)


def _object(schema: Schema, read_form: ReadForm | None) -> dict[str, Any]:
    if request.mimetype == FORM and "business" in g:
        return read_form(request.form) if read_form else form_values(schema, request.form, g.business)
    if not request.is_json:
        raise UnsupportedMediaType("The body has to be JSON, with Content-Type: application/json.")
    document = _parsed(request.get_data())
    if not isinstance(document, dict):
        raise Invalid("The body is not a JSON object.", errors={"_body": ["Not a JSON object."]})
    return document


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is not JSON.") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON (RFC 8259)")
