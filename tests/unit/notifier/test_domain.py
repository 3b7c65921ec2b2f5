"""A request from first to last: what outweighs what, in whatever order it comes."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier import domain
from notifier.domain import Document, Request
from notifier.outcomes import STATUSES_BY_RANK
from tests.unit.fakes import T0, at

REQUEST = Request("demo", "r1", "+12125550123", "Hello", "transactional", "text_back", None, None, T0, "e1")
# Each status is told at a time of its own; what is not Twilio's word ranks below all.
told = st.lists(
    st.tuples(
        st.sampled_from([*STATUSES_BY_RANK, "new_word"]),
        st.sampled_from([None, 30003, 30006]),
        st.integers(0, 1000).map(at),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one[2],
)


def message(**changes: Any) -> Document:
    return domain.new_message(REQUEST, "digest") | changes


def reserved() -> Document:
    return domain.reserved(message(), "a1", T0, "+15558675310", dry_run=False, now=T0)


def with_statuses(*told: tuple[str, int | None, Any]) -> Document:
    result = reserved()
    for status, code, moment in told:
        result = domain.with_status(result, status, code, moment)
    return result


@given(told, st.randoms())
def test_what_twilio_says_counts_in_any_order_and_however_often(told: list[Any], random: Any) -> None:
    again = [*told, *told[:2]]
    random.shuffle(again)
    assert with_statuses(*told) == with_statuses(*again)


@given(told)
def test_a_state_never_goes_back(told: list[Any]) -> None:
    """Sent, then lost, then arrived: nothing leads back."""
    ranks = [
        ("sent", "failed", "delivered").index(with_statuses(*told[: count + 1])["state"])
        for count in range(len(told))
    ]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    ("told", "state", "code"),
    [
        ([("queued", None)], "sent", None),
        ([("sent", None), ("queued", None)], "sent", None),
        ([("delivered", None), ("sent", None)], "delivered", None),
        ([("undelivered", 30003)], "failed", 30003),
        ([("undelivered", 30003), ("undelivered", None)], "failed", 30003),
        ([("failed", 30007), ("undelivered", None)], "failed", 30007),
        ([("undelivered", 30003), ("delivered", None)], "delivered", None),
        ([("delivered", None), ("undelivered", 30003)], "delivered", None),
        ([("canceled", None)], "failed", None),
        ([("read", None)], "delivered", None),
        ([("new_word", None)], "sent", None),
    ],
)
def test_the_furthest_status_counts_and_its_code(told: list[Any], state: str, code: int | None) -> None:
    result = with_statuses(*[(status, error, at(second)) for second, (status, error) in enumerate(told)])
    assert (result["state"], result["error_code"]) == (state, code)


def test_what_twilio_says_outweighs_what_was_thought() -> None:
    """The callback comes before the answer, and after somebody gave up."""
    sent = with_statuses(("sent", None, T0))
    assert domain.not_sent(sent, T0, "unreachable", None, T0) == sent
    assert domain.failed(sent, "refused_by_twilio", 21211, T0) == sent
    assert domain.uncertain(sent, "ReadTimeout", T0) == sent
    unknown = reserved() | {"state": "unknown", "settle_at": None}
    assert domain.with_status(unknown, "delivered", None, T0)["state"] == "delivered"


def test_what_may_have_been_sent_is_never_due_again() -> None:
    uncertain = domain.uncertain(reserved(), "ReadTimeout", at(10))
    assert (uncertain["state"], uncertain["due_at"], uncertain["settle_at"]) == ("reserved", None, at(15))
    looks = [uncertain]
    while looks[-1]["state"] == "reserved":
        assert len(looks) < 30
        looks.append(domain.not_found_yet(looks[-1], looks[-1]["settle_at"], asked=True))
    assert (looks[-1]["state"], looks[-1]["due_at"], looks[-1]["settle_at"]) == ("unknown", None, None)
    assert looks[-2]["settle_at"] == T0 + domain.UNKNOWN_AFTER


def test_while_twilio_cannot_be_asked_nothing_is_given_up_for_a_day() -> None:
    later = domain.not_found_yet(reserved(), T0 + timedelta(hours=23), asked=False)
    assert later["state"] == "reserved"
    assert domain.not_found_yet(later, T0 + timedelta(hours=24), asked=False)["state"] == "unknown"


def test_a_status_is_told_once_and_what_is_unknown_is_not() -> None:
    assert domain.outcomes_to_tell(with_statuses(("delivered", None, T0))) == ("sms.sent", "sms.delivered")
    sent = with_statuses(("queued", None, T0)) | {"told": ["sms.sent"]}
    assert domain.outcomes_to_tell(sent) == ()
    lost = domain.with_status(sent, "undelivered", 30003, at(1))
    assert domain.outcomes_to_tell(lost) == ("sms.failed",)
    assert domain.outcomes_to_tell(reserved() | {"state": "unknown"}) == ()
    assert domain.outcomes_to_tell(domain.failed(reserved(), "refused_by_twilio", 21211, T0)) == ("sms.failed",)


def test_another_request_under_the_same_id_is_refused_and_kept() -> None:
    first = message()
    assert domain.with_another_request(first, REQUEST, "digest") == first
    second = domain.with_another_request(first, REQUEST, "other")
    assert (second["body"], [one["event_id"] for one in second["refused"]]) == ("Hello", ["e1"])
    assert domain.with_another_request(second, REQUEST, "other") == second


def test_what_is_erased_leaves_figures_only() -> None:
    erased = domain.erased(message(customer_id="c1"), at(5))
    assert (erased["state"], erased["state_reason"]) == ("suppressed", "erased")
    assert not {"+12125550123", "Hello", "c1"} & {str(value) for value in erased.values()}
    assert (erased["segments"], erased["due_at"], domain.outcomes_to_tell(erased)) == (1, None, ())
    in_flight = domain.erased(reserved(), at(5))
    assert (in_flight["state"], in_flight["settle_at"]) == ("reserved", at(60))


def test_a_person_settles_what_is_unknown() -> None:
    unknown = reserved() | {"state": "unknown", "settle_at": None}
    assert domain.outcomes_to_tell(domain.resolved(unknown, "sent", T0)) == ("sms.sent",)
    assert domain.outcomes_to_tell(domain.resolved(unknown, "failed", T0)) == ("sms.failed",)
    again = domain.resolved(unknown, "retry", at(90000))
    assert (again["state"], again["due_at"]) == ("pending", at(90000))
    assert again["expires_at"] > at(90000)


def test_the_history_is_in_the_order_of_time_and_has_an_end() -> None:
    result = with_statuses(("delivered", None, at(3)), ("sent", None, at(2)), ("delivered", None, at(1)))
    assert [line["status"] for line in result["history"]] == ["pending", "reserved", "delivered", "sent"]
    for _ in range(domain.LONGEST_HISTORY):
        result = domain.held(message(history=result["history"]), T0, T0)
    assert len(result["history"]) == domain.LONGEST_HISTORY
