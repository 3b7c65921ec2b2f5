"""The envelope: what goes out comes back, and what is not ours is refused for the right reason."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, fields, validate

from ringback.contracts.appointments import BookingRecorded
from ringback.contracts.catalogue import EVENT_TYPES
from ringback.contracts.envelope import decode, encode, event_id, new_event, traceparent_of
from ringback.contracts.fields import Timestamp
from ringback.errors import MalformedEvent, UnknownVersion

texts = st.text(max_size=20)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)


identities = st.sampled_from(
    [
        ("mobile", "+14155550123"),
        ("withheld", ""),
        ("sip", "sip:somebody@example.com"),
    ]
)


def values_of(field: fields.Field[Any]) -> st.SearchStrategy[Any]:
    """Anything that a field of the catalogue holds."""
    ruled = (values_by(validator) for validator in field.validators)
    chosen = next((strategy for strategy in ruled if strategy is not None), None)
    strategy = plain_values_of(field) if chosen is None else chosen
    return st.none() | strategy if field.allow_none else strategy


def values_by(validator: object) -> st.SearchStrategy[Any] | None:
    """What a rule allows, of one that says it all."""
    if isinstance(validator, validate.OneOf):
        return st.sampled_from(list(validator.choices))
    if isinstance(validator, validate.Regexp):
        return st.from_regex(validator.regex, fullmatch=True)
    return None


def plain_values_of(field: fields.Field[Any]) -> st.SearchStrategy[Any]:
    strategy: st.SearchStrategy[Any]
    if isinstance(field, Timestamp):
        strategy = moments
    elif isinstance(field, fields.Boolean):
        strategy = st.booleans()
    elif isinstance(field, fields.Integer):
        strategy = st.integers(least_of(field), 2**31 - 1)
    elif isinstance(field, fields.Float):
        strategy = st.floats(0, 1)
    elif isinstance(field, fields.Dict):
        strategy = st.dictionaries(texts, st.none() | texts | st.integers(-9, 9) | st.booleans(), max_size=3)
    elif isinstance(field, fields.Nested):
        strategy = data_of(field.schema)
    elif isinstance(field, fields.List):
        strategy = st.lists(values_of(field.inner), max_size=3)
    else:
        assert isinstance(field, fields.String)
        never_blank = any(isinstance(validator, validate.Length) for validator in field.validators)
        strategy = texts.filter(bool) if never_blank else texts
    return strategy


def least_of(field: fields.Integer) -> int:
    return max((rule.min for rule in field.validators if isinstance(rule, validate.Range) and rule.min), default=0)


def data_of(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    drawn = st.fixed_dictionaries({name: values_of(field) for name, field in schema.fields.items()})
    if isinstance(schema, BookingRecorded):
        return drawn.filter(lambda data: data["phone"] or data["customer_id"])
    who = next((name for name in ("caller", "sender") if f"{name}_kind" in schema.fields), None)
    if who is None:
        return drawn
    return st.builds(lambda data, identity: data | {f"{who}_kind": identity[0], who: identity[1]}, drawn, identities)


def envelope(**changes: Any) -> dict[str, Any]:
    """A well-formed event as a document; `None` leaves an attribute out."""
    document = {
        "specversion": "1.0",
        "id": "an-id",
        "source": "/ringback/call-ingest",
        "type": "call.recorded",
        "subject": "CA1",
        "time": "2026-03-02T15:00:00.000Z",
        "business": "demo",
        "dataversion": "1.0",
        "data": {
            "call_sid": "CA1",
            "recording_sid": "RE1",
            "duration_seconds": 5,
            "at": "2026-03-02T15:00:00.000Z",
        },
        **changes,
    }
    return {name: value for name, value in document.items() if value is not None}


def changed_data(**changes: Any) -> dict[str, Any]:
    data = envelope()["data"] | changes
    return {name: value for name, value in data.items() if value is not None}


@pytest.mark.parametrize("name", EVENT_TYPES)
@given(draw=st.data())
def test_every_type_comes_back_as_it_went_out(name: str, draw: st.DataObject) -> None:
    event = new_event(
        name,
        business=draw.draw(texts.filter(bool)),
        subject=draw.draw(texts.filter(bool)),
        time=draw.draw(moments),
        data=draw.draw(data_of(EVENT_TYPES[name].schema)),
        cause=("cause",),
        traceparent=traceparent_of("a", "b"),
    )
    assert decode(encode(event)) == event
    assert decode(encode(event).encode()) == event


def test_an_envelope_has_the_attributes_of_the_contract() -> None:
    event = decode(json.dumps(envelope()))
    written = json.loads(encode(event))
    assert {key: written[key] for key in envelope()} == envelope()
    assert written["datacontenttype"] == "application/json"
    assert "traceparent" not in written


def test_times_are_utc_whatever_zone_they_were_written_in() -> None:
    event = decode(json.dumps(envelope(time="2026-03-02T17:00:00+02:00")))
    assert event.time == datetime(2026, 3, 2, 15, tzinfo=UTC)
    assert event.time.tzinfo is UTC
    local = event.time.astimezone(timezone(timedelta(hours=-5)))
    encoded = encode(new_event("customer.deleted", business="b", subject="s", time=local, data={}, cause=()))
    assert json.loads(encoded)["time"] == "2026-03-02T15:00:00.000Z"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not json", id="not JSON"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"text"', id="text"),
        pytest.param(json.dumps(envelope()).encode()[:-1], id="cut off"),
        pytest.param(json.dumps([envelope()]).encode(), id="batch"),
        pytest.param(json.dumps(envelope()).replace(": 5", ": NaN"), id="NaN in data"),
        pytest.param(json.dumps(envelope(unknown=5)).replace('"unknown": 5', '"unknown": NaN'), id="NaN anywhere"),
        pytest.param(json.dumps(envelope()).replace(": 5", ": Infinity"), id="Infinity in data"),
        pytest.param(json.dumps(envelope()).replace(": 5", ": 1e999"), id="number beyond floats"),
        pytest.param(json.dumps(envelope()).replace(": 5", ": " + "9" * 5000), id="number of 5000 digits"),
        pytest.param(json.dumps(envelope()).replace(": 5", ": 1" + "0" * 30), id="number beyond 64 bits"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="nested too deep"),
        pytest.param(b"[" * 200_000, id="opened too deep"),
    ],
)
def test_what_is_no_json_object_is_malformed(body: bytes | str) -> None:
    with pytest.raises(MalformedEvent):
        decode(body)


@pytest.mark.parametrize("name", [name for name in envelope() if name != "data"])
@pytest.mark.parametrize("value", [None, "", 1, 1.5, True, [], {}, ["1.0"]])
def test_an_attribute_that_is_missing_or_no_text_is_malformed(name: str, value: object) -> None:
    with pytest.raises(MalformedEvent):
        decode(json.dumps(envelope(**{name: value})))


@pytest.mark.parametrize(
    "changes",
    [
        {"specversion": "0.3"},
        {"specversion": "1.1"},
        {"type": "call.ended"},
        {"type": "Call.Recorded"},
        {"time": "yesterday"},
        {"time": "2026-03-02T15:00:00"},
        {"time": "2026-03-02"},
        {"time": "2026-13-02T15:00:00Z"},
        {"time": "0001-01-01T00:00:00+14:00"},
        {"time": "9999-12-31T23:59:59-14:00"},
        {"dataversion": "one"},
        {"dataversion": "-1.0"},
        {"dataversion": ".1"},
        {"data": None},
        {"data": []},
        {"data": "text"},
        {"data": {}},
        {"data": changed_data(call_sid=None)},
        {"data": changed_data(call_sid=7)},
        {"data": changed_data(duration_seconds=-1)},
        {"data": changed_data(duration_seconds="long")},
        {"data": changed_data(duration_seconds=[5])},
        {"data": changed_data(at="later")},
        {"data": changed_data(at="0001-01-01T00:00:00+14:00")},
        {"data": changed_data(call_sid="\ud800")},
        {"subject": "\ud800"},
    ],
    ids=str,
)
def test_what_breaks_the_contract_is_malformed(changes: dict[str, Any]) -> None:
    """Malformed goes to the dead letters at once; any other error would walk the retry schedule first."""
    with pytest.raises(MalformedEvent):
        decode(json.dumps(envelope(**changes)))


@pytest.mark.parametrize("traceparent", [7, {"a": 1}, "", "00-1-2-01", traceparent_of("a", "b") + "\n"])
def test_what_is_no_traceparent_is_ignored(traceparent: object) -> None:
    """As W3C Trace Context has it: a broken trace is no reason to lose an event."""
    assert decode(json.dumps(envelope(traceparent=traceparent))).traceparent is None


def test_the_reason_names_the_field_and_not_its_value() -> None:
    with pytest.raises(MalformedEvent) as refused:
        decode(json.dumps(envelope(data=changed_data(duration_seconds="since 555"))))
    assert "duration_seconds" in refused.value.message
    assert "555" not in refused.value.message


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.0", "2"])
def test_an_unknown_major_version_is_not_guessed(version: str) -> None:
    with pytest.raises(UnknownVersion):
        decode(json.dumps(envelope(dataversion=version, data={"meaning": "changed"})))


def test_a_newer_minor_version_with_more_fields_is_understood() -> None:
    newer = envelope(dataversion="1.7", data=changed_data(shiny="new"), extension="x", datacontenttype="x/y")
    known = decode(json.dumps(envelope()))
    event = decode(json.dumps(newer))
    assert event.data == known.data
    assert event.dataversion == "1.7"


@given(st.binary(max_size=60) | texts)
def test_decoding_anything_ends_in_an_event_or_a_verdict(body: bytes | str) -> None:
    with pytest.raises((MalformedEvent, UnknownVersion)):
        decode(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(envelope())), json_values)
def test_any_value_of_any_attribute_ends_in_an_event_or_a_verdict(name: str, value: object) -> None:
    document = envelope() | {name: value}
    try:
        event = decode(json.dumps(document))
    except (MalformedEvent, UnknownVersion):
        return
    assert decode(encode(event)) == event


@given(st.sampled_from(sorted(changed_data())), json_values)
def test_any_value_of_any_field_ends_in_an_event_or_a_verdict(name: str, value: object) -> None:
    document = envelope(data=changed_data() | {name: value})
    try:
        event = decode(json.dumps(document))
    except MalformedEvent:
        return
    assert decode(encode(event)) == event


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1, max_size=8)
causes = st.tuples(words, words) | st.tuples(words, words, words) | st.tuples(words, words, words, words)


@given(causes)
def test_the_same_cause_makes_the_same_id(cause: tuple[str, ...]) -> None:
    assert event_id(*cause) == event_id(*cause)


@given(causes, causes)
def test_another_cause_makes_another_id(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (event_id(*one) == event_id(*other)) == (one == other)


def test_an_id_stays_what_it_was() -> None:
    """Ids are kept in inboxes for weeks: the next version must make the same."""
    assert event_id("demo", "call.missed", "CA1", "busy") == "781b068c-2072-5605-b0af-a91f80375f48"


def test_a_traceparent_is_well_formed_and_shares_its_trace() -> None:
    one, other = traceparent_of("CA1", "a"), traceparent_of("CA1", "b")
    version, trace, span, flags = one.split("-")
    assert (version, len(trace), len(span), flags) == ("00", 32, 16, "01")
    assert int(trace, 16)
    assert int(span, 16)
    assert other.split("-")[1] == trace
    assert other.split("-")[2] != span
