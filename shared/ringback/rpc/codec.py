"""Questions and answers as JSON. Pure.

{"business", "phone"} or {"business", "customer_id"}
{"found": true, "customer": {…}} or {"found": false} or {"error": {"code", "message"}}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringback.errors import Invalid
from ringback.rpc.errors import LookupRefused, LookupUnavailable

QUEUE = "customer.lookup"
BY_PHONE, BY_ID = KEYS = ("phone", "customer_id")
QUESTION_BYTES = 4096
VALUE_CHARACTERS = 200
# Codes of errors that are the server's trouble and may pass; any other is the question's fault.
PASSING_CODES = frozenset({"store_unavailable", "internal"})
NOT_FOUND = b'{"found":false}'
MALFORMED = (
    'Not a question: JSON {"business", "phone"} or {"business", "customer_id"} of non-empty strings is expected.'
)


@dataclass(frozen=True, slots=True)
class Question:
    """`key` is BY_PHONE or BY_ID."""

    business: str
    key: str
    value: str


def encode_question(question: Question) -> bytes:
    return _encode({"business": question.business, question.key: question.value})


def decode_question(body: bytes) -> Question:
    """Raises Invalid for anything but a well-formed question."""
    fields = _object(body) if len(body) <= QUESTION_BYTES else {}
    key = next((key for key in KEYS if fields.keys() == {"business", key}), None)
    if key is None or not all(_is_text(value) for value in fields.values()):
        raise Invalid(MALFORMED)
    return Question(fields["business"], key, fields[key])


def encode_found(customer: Mapping[str, Any]) -> bytes:
    return _encode({"found": True, "customer": customer})


def encode_error(code: str, message: str) -> bytes:
    return _encode({"error": {"code": code, "message": message}})


def decode_answer(body: bytes) -> dict[str, Any] | None:
    """The customer, None when there is none. Raises LookupRefused or LookupUnavailable with the answer's code."""
    answer = _object(body)
    if answer.get("found") is False:
        return None
    if answer.get("found") is True and isinstance(answer.get("customer"), dict):
        customer: dict[str, Any] = answer["customer"]
        return customer
    raise _error_of(answer.get("error"))


def _error_of(error: Any) -> LookupRefused | LookupUnavailable:
    if not isinstance(error, dict):
        return LookupUnavailable("The answer cannot be understood.")
    code, message = str(error.get("code", "internal")), str(error.get("message", ""))
    return (LookupUnavailable if code in PASSING_CODES else LookupRefused)(message, code=code)


def _encode(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _object(body: bytes) -> dict[str, Any]:
    """A JSON object; empty when it is none. Deep nesting ends in RecursionError, not in ValueError."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_text(value: object) -> bool:
    """What JSON can spell and MongoDB cannot take is no text: half a surrogate pair."""
    if not isinstance(value, str) or not 0 < len(value) <= VALUE_CHARACTERS:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)
