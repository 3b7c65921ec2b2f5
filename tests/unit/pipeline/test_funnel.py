"""The funnel of a handful of visits, by hand."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.funnel import funnel_of
from pipeline.stages import STAGES
from tests.unit.fakes import at


def visit(
    who: str, stage: str, following: str | None = None, seconds: float = 0, source: str | None = "call", **more: Any
) -> dict[str, Any]:
    return {
        "customer_id": who,
        "source": source,
        "stage": stage,
        "following": following,
        "entered_at": at(0),
        "left_at": at(seconds) if following else None,
        "lost_reason": None,
        **more,
    }


def stages_of(*visits: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["stage"]: one for one in funnel_of(visits)["stages"]}


def test_an_empty_period_has_no_shares() -> None:
    funnel = funnel_of([])
    assert [one["stage"] for one in funnel["stages"]] == list(STAGES)
    for one in funnel["stages"]:
        assert (one["entered"], one["moved_on"], one["lost"]) == (0, 0, 0)
        assert (one["conversion"], one["median_seconds"]) == (None, None)
    assert (funnel["lost_reasons"], funnel["sources"]) == ([], [])


def test_conversion_is_of_leads_that_got_any_further() -> None:
    stages = stages_of(
        visit("a", "new_lead", "contacted"),
        visit("b", "new_lead", "appointment_set"),
        visit("c", "new_lead", "lost"),
        visit("d", "new_lead"),
        visit("a", "contacted", "new_lead"),
    )
    assert (stages["new_lead"]["entered"], stages["new_lead"]["moved_on"], stages["new_lead"]["lost"]) == (4, 2, 1)
    assert stages["new_lead"]["conversion"] == 0.5
    assert (stages["contacted"]["entered"], stages["contacted"]["conversion"]) == (1, 0.0)
    assert stages["converted"]["conversion"] is None


def test_a_lead_that_comes_back_counts_once_and_its_times_each() -> None:
    stages = stages_of(
        visit("a", "contacted", "new_lead", 10),
        visit("a", "contacted", "appointment_set", 30),
        visit("b", "contacted", "lost", 100),
        visit("c", "contacted"),
    )
    contacted = stages["contacted"]
    assert (contacted["entered"], contacted["moved_on"], contacted["median_seconds"]) == (3, 1, 30)


def test_why_leads_are_lost_the_most_frequent_first() -> None:
    lost = [
        visit("a", "lost", lost_reason="Too expensive", source="sms"),
        visit("b", "lost"),
        visit("c", "lost", lost_reason="Too expensive", source="sms"),
        visit("d", "lost", lost_reason="Too expensive", source=None),
    ]
    assert funnel_of(lost)["lost_reasons"] == [
        {"reason": "Too expensive", "source": "sms", "count": 2},
        {"reason": None, "source": "call", "count": 1},
        {"reason": "Too expensive", "source": None, "count": 1},
    ]


def test_each_source_has_its_own_conversion() -> None:
    visits = [
        visit("a", "new_lead", "converted"),
        visit("a", "converted"),
        visit("b", "new_lead"),
        visit("c", "new_lead", "lost", source="sms"),
        visit("c", "lost", source="sms"),
        visit("d", "converted", source="sms"),
    ]
    assert funnel_of(visits)["sources"] == [
        {"source": "call", "entered": 2, "converted": 1, "lost": 0, "conversion": 0.5},
        {"source": "sms", "entered": 1, "converted": 1, "lost": 1, "conversion": 0.0},
    ]


VISITS = st.builds(
    visit,
    st.sampled_from("abcd"),
    st.sampled_from(list(STAGES)),
    st.sampled_from([None, *STAGES]),
    st.floats(0, 10**6),
    st.sampled_from(["call", "sms", None]),
)


@given(visits=st.lists(VISITS, max_size=20), data=st.data())
def test_the_order_of_visits_says_nothing_and_no_part_exceeds_its_whole(
    visits: list[dict[str, Any]], data: st.DataObject
) -> None:
    funnel = funnel_of(visits)
    assert funnel == funnel_of(data.draw(st.permutations(visits)))
    for one in funnel["stages"]:
        assert one["moved_on"] <= one["entered"]
        assert one["conversion"] is None or 0 <= one["conversion"] <= 1
