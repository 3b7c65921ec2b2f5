"""The projection of customers is the same whatever the order of what is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ringback.contracts.envelope import Event, decode, encode, new_event
from ringback.known_customers import Row, root_id, tellings, with_told

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def told(kind: str, revision: int, **data: Any) -> Event:
    data = {"customer_id": "anna", "revision": f"{revision:012d}.000000", **data}
    time = AT + timedelta(hours=revision)
    event = new_event(
        f"customer.{kind}", business="demo", subject="anna", time=time, data=data, cause=(str(revision),)
    )
    return decode(encode(event))


def rows_after(events: list[Event]) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for event in events:
        for telling in tellings(event):
            rows[telling.customer_id] = with_told(rows.get(telling.customer_id), event.business, telling)
    return rows


CREATED = told(
    "created",
    1,
    name="Anna",
    phone="+14155550199",
    phones=["+14155550199"],
    email=None,
    source="call",
    segment="lead",
)
HISTORY = [
    CREATED,
    told("updated", 2, changed={"name": "Anna Smith", "segment": "active"}),
    told("updated", 3, changed={"phones": ["+14155550199", "+14155550198"], "pipeline_stage": "contacted"}),
    told("merged", 4, other_id="bert", other_revision="000000000002.000000", phones=[]),
    told("unmerged", 5, other_id="bert", other_revision="000000000003.000000", phones=[]),
    told("updated", 6, changed={"name": None}),
]


@given(st.permutations(HISTORY + HISTORY[2:5]))
def test_any_order_and_repetition_makes_the_same_rows(events: list[Event]) -> None:
    assert rows_after(events) == rows_after(HISTORY)


def test_the_latest_of_each_field_is_known() -> None:
    anna = rows_after(HISTORY)["anna"]
    assert anna["name"] is None
    assert anna["phones"] == ["+14155550199", "+14155550198"]
    assert (anna["phone"], anna["segment"], anna["source"]) == ("+14155550199", "active", "call")
    assert anna["created_at"] == CREATED.time
    assert "pipeline_stage" not in anna


def test_a_creation_that_did_not_tell_all_numbers_tells_the_first() -> None:
    created = told("created", 1, name=None, phone="+14155550199", email=None, source="call")
    assert rows_after([created])["anna"]["phones"] == ["+14155550199"]


def test_who_was_merged_leads_to_whom_they_are_part_of() -> None:
    rows = rows_after(HISTORY[:4])
    assert root_id("bert", rows.get) == "anna"
    assert root_id("anna", rows.get) == "anna"
    rows["anna"]["merged_into"] = "carl"
    assert root_id("bert", rows.get) == "carl"
    rows["anna"]["merged_into"] = "bert"
    assert root_id("bert", rows.get) in {"anna", "bert"}


def test_other_events_tell_nothing() -> None:
    data = {"previous": "lead", "current": "vip", "reason": "10 appointments"}
    assert not list(tellings(told("segment_changed", 2, **data)))
