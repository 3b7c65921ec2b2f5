"""Whose message is which, by number, text and time alone."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from notifier.matching import TRIAL_PREFIX, Listed, owners
from tests.unit.fakes import at

SENDER = "+15558675310"


def unsettled(name: str, second: float = 0, **changes: Any) -> dict[str, Any]:
    message = {"_id": name, "to": "+12125550123", "body": "Hello ", "sender": SENDER, "attempted_at": at(second)}
    return message | changes


def listed(sid: str, second: float = 0, **changes: Any) -> Listed:
    one = Listed(sid, "+12125550123", SENDER, "Hello", "outbound-api", "queued", None, at(second))
    return replace(one, **changes)


def sids(found: dict[str, Listed]) -> dict[str, str]:
    return {name: one.sid for name, one in found.items()}


def found(messages: list[Any], on_list: list[Listed], taken: tuple[str, ...] = (), last_look: bool = False) -> Any:
    return sids(owners(messages, on_list, taken, last_look=last_look))


def test_the_same_text_to_the_same_number_from_the_same_sender_is_it() -> None:
    assert found([unsettled("a")], [listed("S1")]) == {"a": "S1"}
    assert found([unsettled("a")], [listed("S1", body=TRIAL_PREFIX + "Hello")]) == {"a": "S1"}
    service = unsettled("a", sender="MG1")
    assert found([service], [listed("S1", from_="+15550001111", messaging_service_sid="MG1")]) == {"a": "S1"}


def test_any_other_is_not() -> None:
    others = [
        listed("S1", body="Hello!"),
        listed("S2", to="+12125550124"),
        listed("S3", from_="+15550001111"),
        listed("S4", direction="inbound"),
        listed("S5", second=-31),
        listed("S6", created_at=None),
    ]
    assert found([unsettled("a")], others, last_look=True) == {}


def test_what_is_anothers_is_not_taken_again() -> None:
    assert found([unsettled("a")], [listed("S1")], taken=("S1",), last_look=True) == {}
    assert found([unsettled("a")], [listed("S1"), listed("S2", 1)], taken=("S1",)) == {"a": "S2"}


def test_as_many_as_there_are_belong_to_them_in_the_order_of_time() -> None:
    both = [unsettled("b", 10), unsettled("a", 0)]
    assert found(both, [listed("S2", 11), listed("S1", 1)]) == {"a": "S1", "b": "S2"}


def test_of_fewer_nobody_knows_whose_they_are_until_the_last_look() -> None:
    both = [unsettled("b", 10), unsettled("a", 0)]
    assert found(both, [listed("S1", 1)]) == {}
    assert found(both, [listed("S1", 1)], last_look=True) == {"a": "S1"}


@given(
    st.lists(st.integers(0, 600), max_size=5),
    st.lists(st.integers(-60, 600), max_size=5),
    st.sets(st.integers(0, 4)),
    st.booleans(),
)
def test_no_sid_is_given_twice_and_none_that_is_taken(
    attempts: list[int], created: list[int], taken: set[int], last_look: bool
) -> None:
    if not attempts:
        return
    messages = [unsettled(f"m{place}", second) for place, second in enumerate(attempts)]
    on_list = [listed(f"S{place}", second) for place, second in enumerate(created)]
    given_to = owners(messages, on_list, [f"S{place}" for place in taken], last_look=last_look)
    given_sids = [one.sid for one in given_to.values()]
    assert len(set(given_sids)) == len(given_sids)
    assert not set(given_sids) & {f"S{place}" for place in taken}
