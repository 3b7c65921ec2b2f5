"""RecordEvents: the set of events counts, not their order; who is erased does not come back."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier import domain
from notifier.domain import Document
from notifier.handlers import KEEP_UNKNOWN_SIDS
from notifier.heeding import ACCOUNT_LINE
from notifier.outcomes import Accepted
from notifier.sids import sid_id
from notifier.store import CONTACTS, MESSAGES, SIDS
from notifier.telling import put_message
from ringback.contracts.envelope import Event
from ringback.errors import Permanent
from ringback.store.unit_of_work import UnitOfWork
from tests.unit.fakes import T0, at
from tests.unit.notifier.shop import ANNA, BOB, SID, Shop, deleted, received, requested, status_changed

OTHER_SID = "SM" + "2" * 32


def happened(events: Iterable[Event], one_by_one: bool = True) -> Shop:
    shop = Shop()
    if one_by_one:
        for event in events:
            shop.happen(event)
    else:
        shop.happen(*events)
    return shop


def comparable(shop: Shop) -> Any:
    """What is stored, without what was told when, and what happened when: those are of the order of time."""
    stored = shop.everything()
    for message in stored[MESSAGES].values():
        del message["history"], message["told"]
    return stored


def reserved(shop: Shop, request_id: str = "r1") -> None:
    work = UnitOfWork(shop.database, shop.clock)
    [message] = work.load(MESSAGES, {"_id": f"demo:{request_id}"})
    put_message(work, domain.reserved(message, "a1", shop.now, "+15558675310", dry_run=False, now=shop.now), shop.now)
    work.commit()


def test_a_request_waits_to_be_sent_with_what_it_takes() -> None:
    shop = happened([requested(to="(212) 555-0123", body="€" * 81, expires_at=at(60))])
    message = shop.message()
    assert (message["to"], message["encoding"], message["segments"]) == (ANNA, "GSM-7", 2)
    assert (message["state"], message["due_at"], message["expires_at"]) == ("pending", T0, at(60))
    assert shop.told() == []


def test_a_request_without_an_end_has_one() -> None:
    assert happened([requested()]).message()["expires_at"] == T0 + domain.LIFETIME


def test_another_text_under_the_same_id_is_refused_and_recorded() -> None:
    shop = happened([requested(), requested(body="Something else"), requested()])
    message = shop.message()
    assert (message["body"], len(message["refused"])) == ("Hello", 1)


def test_the_same_id_of_another_business_is_another_request() -> None:
    shop = Shop(businesses={"demo": Shop().businesses["demo"], "other": Shop().businesses["demo"]})
    shop.happen(requested(), requested(business="other", body="Something else"))
    assert shop.message()["refused"] == []


def test_an_event_of_an_unknown_business_is_permanent() -> None:
    with pytest.raises(Permanent):
        Shop().happen(requested(business="nobody"))


# What Twilio says.

LIFE: tuple[Event, ...] = (
    requested(customer_id="c1"),
    status_changed("sent", at(2), request_id=None),
    status_changed("undelivered", at(3), error_code=30003),
    status_changed("delivered", at(4), request_id=None),
    received("opt_out", "STOP", at(5)),
    received("opt_in", "START", at(1)),
)


@given(st.permutations(LIFE))
def test_a_text_ends_the_same_in_any_order_of_events(events: Sequence[Event]) -> None:
    """Also when Twilio tells of a message before its request is here, as after a restored backup: it is not sent."""
    shop = happened(events)
    assert comparable(shop) == comparable(happened(LIFE))
    message = shop.message()
    assert (message["state"], message["message_sid"], message["due_at"]) == ("delivered", SID, None)
    assert shop.contact()["opted_out"]


@given(st.lists(st.sampled_from(LIFE), min_size=1, unique_by=lambda event: event.id), st.booleans())
def test_repeated_events_change_nothing(events: list[Event], one_by_one: bool) -> None:
    shop = happened(events, one_by_one)
    before = comparable(shop)
    for event in events:
        shop.happen(event)
    assert comparable(shop) == before


def test_what_is_told_of_a_sid_that_nobody_knows_is_kept_for_a_while() -> None:
    shop = happened([status_changed("sent", at(2), request_id=None)])
    row = shop.stored(SIDS, sid_id("demo", SID))
    assert (row["message_id"], list(row["statuses"])) == (None, ["sent"])
    assert row["expires_at"] == at(2) + KEEP_UNKNOWN_SIDS


def test_a_callback_names_its_request_before_the_answer_is_recorded() -> None:
    shop = happened([requested()])
    reserved(shop)
    shop.happen(status_changed("sent", at(1)), status_changed("queued", at(2)))
    assert shop.state() == ("sent", None)
    assert shop.told_types() == ["sms.sent"]
    assert shop.told()[0].data["message_sid"] == SID
    shop.happen(status_changed("delivered", at(3), request_id=None))
    assert shop.told_types() == ["sms.sent", "sms.delivered"]


def test_an_undelivered_text_fails_with_its_code() -> None:
    shop = happened([requested()])
    reserved(shop)
    shop.happen(status_changed("undelivered", at(1), error_code=30006))
    failed = shop.told("sms.failed")[0]
    assert (failed.data["error_code"], failed.data["reason"]) == (30006, "undelivered")


def test_a_stop_that_twilio_tells_of_is_one() -> None:
    shop = happened([requested()])
    reserved(shop)
    shop.happen(status_changed("failed", at(1), error_code=21610))
    assert shop.contact()["opted_out"]
    assert shop.told_types("contact") == ["contact.opted_out"]


def test_a_suspended_account_sends_nothing() -> None:
    shop = happened([requested()])
    reserved(shop)
    shop.happen(status_changed("failed", at(1), error_code=30002))
    assert shop.line(ACCOUNT_LINE)["pause"]["reason"] == "suspended"


# What people say.


def test_a_stop_is_told_once_and_a_start_takes_it_back() -> None:
    shop = happened([received("opt_out", "STOP"), received("opt_out", "QUIT", at(1))])
    assert [event.data["keyword"] for event in shop.told("contact.opted_out")] == ["STOP"]
    shop.happen(received("opt_in", "START", at(2)))
    [opted_in] = shop.told("contact.opted_in")
    assert (opted_in.data["phone"], opted_in.data["scope"], opted_in.time) == (ANNA, "business", at(2))


@pytest.mark.parametrize(("consent", "keyword"), [("help", "HELP"), (None, None)])
def test_a_call_for_help_is_no_refusal(consent: str | None, keyword: str | None) -> None:
    assert happened([received(consent, keyword)]).everything()[CONTACTS] == {}


# Who is erased.

HISTORY: tuple[Event, ...] = (
    requested("r1", customer_id="c1"),
    requested("r2", at=at(1)),
    requested("r3", to=BOB, at=at(1), customer_id="c1"),
    received("opt_out", "STOP", at(2)),
    status_changed("delivered", at(3), request_id="r1"),
    status_changed("sent", at(4), sid=OTHER_SID, request_id="r3"),
    deleted("c1", at(10), [ANNA, BOB]),
)


@pytest.mark.parametrize("one_by_one", [True, False])
@given(st.permutations(HISTORY))
def test_nothing_of_who_was_erased_is_left_or_comes_back(one_by_one: bool, events: list[Event]) -> None:
    shop = happened(events, one_by_one)
    everything = repr(shop.everything())
    assert not [trace for trace in (ANNA, BOB, "Hello", "'c1'") if trace in everything]
    assert shop.contact()["opted_out"]
    assert shop.state("r2") == ("suppressed", "erased")
    assert shop.message("r1")["segments"] == 1


def test_whoever_writes_after_that_is_somebody_new() -> None:
    shop = happened([deleted("c1", at(10)), requested("r9", at=at(11)), received("opt_out", "STOP", at(12))])
    assert shop.message("r9")["to"] == ANNA
    assert shop.contact()["phone"] == ANNA


def test_a_deletion_that_names_no_numbers_erases_those_that_were_texted() -> None:
    """From before the event told them."""
    shop = happened([requested(customer_id="c1"), received("opt_out", "STOP"), deleted("c1", at(5), None)])
    assert (shop.message()["to"], shop.contact()["phone"], shop.contact()["opted_out"]) == (None, None, True)


def test_a_text_on_its_way_ends_as_twilio_says_and_is_not_told_of() -> None:
    shop = happened([requested(customer_id="c1")])
    reserved(shop)
    shop.happen(deleted("c1", at(5)))
    shop.happen(status_changed("delivered", at(6)))
    message: Document = shop.message()
    assert (message["state"], message["to"], shop.told()) == ("delivered", None, [])
    assert message["history"][-1]["at"] == T0 + timedelta(seconds=6)


def test_a_late_word_of_a_refusal_does_not_undo_the_consent_that_came_after_it() -> None:
    shop = Shop()
    shop.happen(requested())
    shop.send(Accepted(SID, "queued"))
    shop.wait(minutes=10)
    shop.happen(received("opt_in", "START", at=shop.now))
    shop.wait(minutes=10)
    shop.happen(status_changed("failed", at=T0, error_code=21610))
    assert not shop.contact()["opted_out"]


def test_a_number_that_is_somebody_elses_now_keeps_their_texts() -> None:
    shop = Shop()
    shop.happen(requested("r1", customer_id="c1"), requested("r2", customer_id="c2"), requested("r3"))
    shop.happen(deleted("c1", at=shop.now, phones=[BOB]))
    shop.happen(requested("r4", customer_id="c2"))
    assert [shop.message(f"r{number}")["erased"] for number in (1, 2, 3, 4)] == [True, False, True, False]
    assert shop.state("r2") == shop.state("r4") == ("pending", None)
