"""A profile and its timeline are functions of the set of facts: not of order, repetition or batches."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer.domain import (
    OUTCOMES_BY_WEIGHT,
    CallFact,
    Document,
    changed_fields,
    customer_id_of,
    entry_id_of,
    new_profile,
    see_call,
)
from ringback.contracts.calls import MISSED_REASONS
from tests.unit.fakes import CALLER, at

KIND = "mobile"


def fact(call: str = "CA1", seconds: float = 0, name: str | None = None, **values: Any) -> CallFact:
    return CallFact("demo", call, CALLER, KIND, name, at(seconds), **values)


def started(call: str = "CA1", seconds: float = 0, name: str | None = None) -> CallFact:
    return fact(call, seconds, name, direction="inbound")


def answered(call: str = "CA1", seconds: float = 30, name: str | None = None) -> CallFact:
    return fact(call, seconds, name, outcome="answered", duration_seconds=20, answered_at=at(seconds - 20))


def missed(call: str = "CA1", seconds: float = 30, reason: str = "no-answer", name: str | None = None) -> CallFact:
    return fact(call, seconds, name, outcome="missed", reason=reason, voicemail=True)


class History:
    """One customer's documents, as facts are taken in one by one."""

    def __init__(self, *facts: CallFact) -> None:
        self.profile: Document | None = None
        self.entries: dict[str, Document] = {}
        for one in facts:
            self.see(one)

    def see(self, one: CallFact) -> None:
        seen = see_call(self.profile, self.entries.get(one.call_sid), one, "USD")
        self.profile, self.entries[one.call_sid] = seen.profile, seen.entry

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self.shown() == other.shown()

    def __hash__(self) -> int:
        return id(self)

    def shown(self) -> tuple[Document | None, dict[str, Document]]:
        return self.profile, self.entries


@st.composite
def facts_of_a_call(draw: st.DrawFn, call: str) -> list[CallFact]:
    """What call-ingest may tell of a call: each fact once, a reason superseded by another perhaps."""
    names = st.sampled_from([None, None, "ANNA", "BOB"])
    moments = st.integers(0, 5).map(lambda minutes: minutes * 60)
    reasons = draw(st.lists(st.sampled_from(MISSED_REASONS), max_size=3, unique=True))
    facts = [missed(call, draw(moments), reason, draw(names)) for reason in reasons]
    if draw(st.booleans()):
        facts.append(started(call, draw(moments), draw(names)))
    if draw(st.booleans()) or not facts:
        facts.append(answered(call, draw(moments), draw(names)))
    return facts


histories = st.tuples(*(facts_of_a_call(call) for call in ("CA1", "CA2", "CA3"))).map(
    lambda calls: [one for call in calls for one in call]
)


@given(histories, st.data())
def test_order_and_repetition_do_not_matter(facts: list[CallFact], data: st.DataObject) -> None:
    repeated = facts + data.draw(st.lists(st.sampled_from(facts), max_size=5))
    assert History(*data.draw(st.permutations(repeated))) == History(*facts)


@given(histories)
def test_the_counters_are_those_of_the_entries(facts: list[CallFact]) -> None:
    history = History(*facts)
    assert history.profile is not None
    entries = list(history.entries.values())
    assert history.profile["total_calls"] == len(entries)
    assert history.profile["missed_calls"] == sum(entry["outcome"] == "missed" for entry in entries)


@given(histories)
def test_a_profile_spans_all_that_was_seen(facts: list[CallFact]) -> None:
    profile = History(*facts).profile
    assert profile is not None
    moments = [one.at for one in facts]
    assert profile["created_at"] == min(moments)
    assert profile["last_activity_at"] == profile["updated_at"] == max(moments)


@given(histories)
def test_of_several_names_the_earliest_stays(facts: list[CallFact]) -> None:
    profile = History(*facts).profile
    assert profile is not None
    named = sorted((one.at, one.name) for one in facts if one.name)
    assert (profile["named_at"], profile["name"]) == (named[0] if named else (None, None))


@given(histories)
def test_a_call_shows_its_best_evidence(facts: list[CallFact]) -> None:
    for call, entry in History(*facts).entries.items():
        of_call = [one for one in facts if one.call_sid == call]
        ends = [(one.outcome, one.reason) for one in of_call if one.outcome]
        if ends:
            assert (entry["outcome"], entry["reason"]) == max(ends, key=OUTCOMES_BY_WEIGHT.index)
        begun = [one.at for one in of_call if one.outcome is None]
        assert entry["started_at"] == (begun[0] if begun else None)
        assert entry["at"] == (entry["started_at"] or entry["ended_at"])


@given(histories)
def test_nothing_is_changed_in_place(facts: list[CallFact]) -> None:
    history = History(*facts[:-1])
    profile = dict(history.profile) if history.profile else None
    entry = dict(history.entries.get(facts[-1].call_sid, {}))
    see_call(history.profile, history.entries.get(facts[-1].call_sid), facts[-1], "USD")
    assert (history.profile, history.entries.get(facts[-1].call_sid, {})) == (profile, entry)


@pytest.mark.parametrize("reason", MISSED_REASONS)
def test_a_call_that_somebody_answered_was_not_missed(reason: str) -> None:
    for facts in ([missed(reason=reason), answered()], [answered(), missed(reason=reason)]):
        history = History(*facts)
        assert history.profile is not None
        assert history.profile["missed_calls"] == 0
        assert history.entries["CA1"]["outcome"] == "answered"
        assert history.entries["CA1"]["duration_seconds"] == 20


@pytest.mark.parametrize("reason", [reason for reason in MISSED_REASONS if reason not in ("abandoned", "timeout")])
def test_what_ringing_led_to_says_more_than_a_guess(reason: str) -> None:
    for guess in ("abandoned", "timeout"):
        assert History(missed(reason=guess), missed(reason=reason)).entries["CA1"]["reason"] == reason
        assert History(missed(reason=reason), missed(reason=guess)).entries["CA1"]["reason"] == reason


def test_of_two_ends_alike_the_earlier_counts_whichever_came_first() -> None:
    early, late = missed(seconds=20), missed(seconds=30)
    assert History(early, late) == History(late, early)
    assert History(early, late).entries["CA1"]["ended_at"] == at(20)


def test_every_end_that_can_be_told_is_weighed() -> None:
    every = [("answered", ""), *(("missed", reason) for reason in MISSED_REASONS)]
    assert sorted(OUTCOMES_BY_WEIGHT) == sorted(every)


def test_a_missed_call_fills_a_profile_and_an_entry() -> None:
    history = History(started(name="ANNA"), missed())
    assert history.profile is not None
    shown = (
        "name",
        "phone",
        "phones",
        "total_calls",
        "missed_calls",
        "segment",
        "pipeline_stage",
        "source",
        "currency",
    )
    assert {name: history.profile[name] for name in shown} == {
        "name": "ANNA",
        "phone": CALLER,
        "phones": [CALLER],
        "total_calls": 1,
        "missed_calls": 1,
        "segment": "lead",
        "pipeline_stage": "new_lead",
        "source": "call",
        "currency": "USD",
    }
    entry = history.entries["CA1"]
    assert (entry["kind"], entry["outcome"], entry["reason"], entry["voicemail"]) == (
        "call",
        "missed",
        "no-answer",
        True,
    )
    assert (entry["at"], entry["ended_at"], entry["direction"]) == (at(0), at(30), "inbound")
    assert entry["customer_id"] == history.profile["_id"]


def edited(name: str | None) -> Document:
    """A profile whose name a person set: there is no `named_at`."""
    return {**new_profile(started(), "USD"), "name": name, "named_at": None}


def test_a_persons_edit_is_never_overwritten() -> None:
    for one in (started(seconds=-100, name="CALLER ID"), answered(name="CALLER ID")):
        assert see_call(edited("Anna Nováková"), None, one, "USD").profile["name"] == "Anna Nováková"


def test_a_blank_is_filled() -> None:
    assert see_call(edited(None), None, started(name="ANNA"), "USD").profile["name"] == "ANNA"


def test_a_fact_without_a_name_takes_none_away() -> None:
    history = History(started(name="ANNA"), missed(seconds=-5))
    assert history.profile is not None
    assert history.profile["name"] == "ANNA"


def test_what_others_added_to_a_profile_stays() -> None:
    profile = {
        **new_profile(started(), "USD"),
        "email": "a@b.c",
        "segment": "vip",
        "total_spent": 900,
        "extra": 1,
    }
    seen = see_call(profile, None, missed("CA9", 99), "CZK").profile
    assert {name: seen[name] for name in ("email", "segment", "total_spent", "extra", "currency")} == {
        "email": "a@b.c",
        "segment": "vip",
        "total_spent": 900,
        "extra": 1,
        "currency": "USD",
    }


ids = st.tuples(
    st.sampled_from(["demo", "other"]),
    st.none() | st.sampled_from([CALLER, "+420601123456"]),
    st.sampled_from(["CA1", "CA2"]),
)


@given(ids, ids)
def test_one_number_is_one_customer_and_nobody_merges_with_anybody(
    one: tuple[str, str | None, str], other: tuple[str, str | None, str]
) -> None:
    same = one[0] == other[0] and ((one[1] or one[2]) == (other[1] or other[2]))
    assert (customer_id_of(*one) == customer_id_of(*other)) is same


def test_ids_stay_what_they_were() -> None:
    """They are addresses in other services and in people's bookmarks."""
    assert customer_id_of("demo", CALLER, "CA1") == "e51e0ea3-1bba-5572-b599-fc9c99ff43ea"
    assert customer_id_of("demo", None, "CA1") == "2deef25a-6a5c-5b6f-a7b3-e52d35c1fde1"
    assert entry_id_of("demo", "CA1") == "demo:call:CA1"


def test_what_changed_is_named_with_its_new_value() -> None:
    before: Document = {"name": None, "phone": "+1", "at": at(0)}
    after: Document = {"name": "ANNA", "phone": "+1", "at": at(1)}
    assert changed_fields(before, after, ("name", "phone")) == {"name": "ANNA"}
    moment: datetime = after["at"]
    assert changed_fields(before, after, ("at",)) == {"at": moment}
