"""Questions and answers as JSON: what one side writes the other reads, and nothing else is taken."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.errors import Invalid
from ringback.rpc.codec import (
    KEYS,
    NOT_FOUND,
    QUESTION_BYTES,
    VALUE_CHARACTERS,
    Question,
    decode_answer,
    decode_question,
    encode_error,
    encode_found,
    encode_question,
)
from ringback.rpc.errors import LookupRefused, LookupUnavailable

TEXTS = st.text(min_size=1, max_size=VALUE_CHARACTERS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(business=TEXTS.filter(str.isascii), key=st.sampled_from(KEYS), value=TEXTS.filter(str.isascii))
def test_a_question_is_read_as_it_was_asked(business: str, key: str, value: str) -> None:
    question = Question(business, key, value)
    assert decode_question(encode_question(question)) == question


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_a_question_or_invalid(body: bytes) -> None:
    try:
        question = decode_question(body)
    except Invalid:
        return
    assert decode_question(encode_question(question)) == question


@given(st.dictionaries(st.sampled_from(["business", *KEYS]), JSON.filter(lambda value: not isinstance(value, str))))
def test_only_text_is_taken(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        decode_question(json.dumps(fields).encode())


@pytest.mark.parametrize(
    "value", ["", "x" * (VALUE_CHARACTERS + 1), "\ud800", "x\udfff", 7, None, True, ["x"], {"$gt": ""}]
)
def test_a_value_that_is_no_short_text_is_refused(value: Any) -> None:
    assert decode_question(json.dumps({"business": "demo", "customer_id": "x"}).encode()).value == "x"
    with pytest.raises(Invalid):
        decode_question(json.dumps({"business": "demo", "customer_id": value}).encode())


def test_a_long_body_is_not_read() -> None:
    body = b'{"business":"demo","phone":"1"}'
    assert decode_question(body.ljust(QUESTION_BYTES)) == Question("demo", "phone", "1")
    with pytest.raises(Invalid):
        decode_question(body.ljust(QUESTION_BYTES + 1))


@given(st.dictionaries(st.text(), JSON))
def test_a_customer_arrives_as_it_was_sent(customer: dict[str, Any]) -> None:
    assert decode_answer(encode_found(customer)) == customer


def test_not_found_is_an_answer() -> None:
    assert decode_answer(NOT_FOUND) is None
    assert json.loads(NOT_FOUND) == {"found": False}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("invalid", LookupRefused),
        ("unknown_business", LookupRefused),
        ("store_unavailable", LookupUnavailable),
        ("internal", LookupUnavailable),
    ],
)
def test_an_error_keeps_its_code(code: str, error: type[LookupRefused | LookupUnavailable]) -> None:
    with pytest.raises(error) as raised:
        decode_answer(encode_error(code, "Why."))
    assert (raised.value.code, raised.value.message) == (code, "Why.")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"found": 1}', b'{"found": true}', b'{"error": "x"}', b"[" * 9999]
)
def test_an_answer_that_is_none_is_an_error(body: bytes) -> None:
    with pytest.raises(LookupUnavailable):
        decode_answer(body)
