"""Cursors: what was given out comes back, and nothing else is taken."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.errors import Invalid
from ringback.store.paging import _decode, _encode

moments = st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
document_ids = st.uuids().map(str) | st.builds("{}:call:CA{}".format, st.text(max_size=20), st.integers(0))


def cursor(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(moments, document_ids)
def test_a_cursor_comes_back_as_it_went_out(at: datetime, document_id: str) -> None:
    assert _decode(_encode(at, document_id)) == (at, document_id)


@given(moments, document_ids)
def test_a_cursor_can_stand_in_an_address(at: datetime, document_id: str) -> None:
    assert set(_encode(at, document_id)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize(
    "garbage",
    [
        "x",
        "é",
        "=",
        "a" * 500,
        "\x00",
        cursor(None),
        cursor([]),
        cursor([1]),
        cursor([1, "a", 2]),
        cursor("ab"),
        cursor({"a": 1, "b": 2}),
        cursor(["soon", "a"]),
        cursor([None, "a"]),
        cursor([10**30, "a"]),
        cursor([-(10**30), "a"]),
        cursor([10**400, "a"]),
        cursor([float("nan"), "a"]),
        cursor([float("inf"), "a"]),
        cursor([[1], "a"]),
        cursor([{"$gt": 0}, "a"]),
        cursor([1, "\ud800"]),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 375).decode(),
    ],
)
def test_what_is_no_cursor_is_invalid_input(garbage: str) -> None:
    with pytest.raises(Invalid) as refused:
        _decode(garbage)
    assert list(refused.value.errors) == ["cursor"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@given(
    st.text(max_size=100)
    | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
    | json_values.map(cursor)
)
def test_anything_is_a_cursor_or_invalid(text: str) -> None:
    """Never an operator of MongoDB."""
    try:
        at, document_id = _decode(text)
    except Invalid:
        return
    assert at.tzinfo is UTC
    assert isinstance(document_id, str)
