"""Review requests and texts by hand: told with what they change, or refused with the reason."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from customer.handlers import RecordEvents
from customer.outreach import COOL_DOWN, Outreach, Suppressed
from customer.store import CUSTOMERS, LINKS, TIMELINE
from ringback.businesses import Business
from ringback.contracts.envelope import Event, decode
from ringback.errors import NotFound
from ringback.seals import seal_with
from ringback.store.database import OUTBOX
from tests.support.events import call_event
from tests.unit.fakes import CALLER, NUMBER, SECRET, T0, MemoryDatabase, sample_settings

BUSINESSES = sample_settings().businesses
SEAL = seal_with(SECRET)


@dataclass
class Shop:
    """One customer who called."""

    caller: str = CALLER
    kind: str = "mobile"
    now: datetime = T0
    changes: dict[str, Any] = field(default_factory=dict)
    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    opted_out: Callable[[str, str], bool] = lambda _business, _phone: False

    def __post_init__(self) -> None:
        demo: Business = replace(BUSINESSES["demo"], **self.changes)
        work = self.database.work()
        event = call_event("call.started", "CA1", self.caller, caller_kind=self.kind)
        RecordEvents({"demo": demo}, lambda: self.now, SEAL)(work, [event])
        work.commit()
        ids = map(str, count(1))
        self.outreach = Outreach(
            database=self.database.as_database(),
            businesses={"demo": demo},
            clock=lambda: self.now,
            new_id=lambda: next(ids),
            public_url="https://ring.example",
            opted_out=self.opted_out,
        )

    @property
    def customer_id(self) -> str:
        [customer] = self.database.documents(CUSTOMERS)
        return customer

    def ask(self, *, force: bool = False) -> dict[str, Any]:
        return self.outreach.request_review("demo", self.customer_id, "anna", force=force)

    def requested(self) -> list[Event]:
        told = [decode(row["body"]) for row in self.database.documents(OUTBOX).values()]
        return [event for event in told if event.type == "sms.requested"]


def test_one_click_asks_for_a_review() -> None:
    shop = Shop()
    answer = shop.ask()
    [event] = shop.requested()
    assert (event.data["request_id"], event.data["recipient"]) == (answer["request_id"], CALLER)
    assert (event.data["purpose"], event.data["reason"]) == ("marketing", "review_request")
    [(code, link)] = shop.database.documents(LINKS).items()
    assert f"https://ring.example/r/{code}" in event.data["body"]
    assert (link["url"], link["customer_id"]) == ("https://example.com/review", shop.customer_id)
    customer = shop.database.documents(CUSTOMERS)[shop.customer_id]
    assert customer["review_requested_at"] == answer["review_requested_at"] == T0
    kinds = {entry["kind"] for entry in shop.database.documents(TIMELINE).values()}
    assert kinds == {"call", "review_request"}


def test_nobody_is_asked_twice_within_the_cool_down_unless_an_owner_says_so() -> None:
    shop = Shop()
    shop.ask()
    shop.now += COOL_DOWN - timedelta(seconds=1)
    with pytest.raises(Suppressed) as refused:
        shop.ask()
    assert refused.value.code == "cool_down"
    assert "2026-03-02" in refused.value.message
    shop.ask(force=True)
    shop.now += COOL_DOWN
    shop.ask()
    assert len(shop.requested()) == 3


@pytest.mark.parametrize(
    ("shop", "code"),
    [
        (Shop(caller="", kind="withheld"), "no_number"),
        (Shop(caller="+14155550123", kind="landline"), "landline"),
        (Shop(caller=NUMBER), "own_number"),
        (Shop(opted_out=lambda _business, phone: phone == CALLER), "opted_out"),
        (Shop(changes={"review_url": None}), "no_review_url"),
    ],
)
def test_who_may_not_be_asked_is_not_and_it_is_said_why(shop: Shop, code: str) -> None:
    with pytest.raises(Suppressed) as refused:
        shop.ask(force=True)
    assert refused.value.code == code
    assert shop.requested() == []
    assert shop.database.documents(LINKS) == {}


def test_a_text_by_hand_goes_out_as_it_was_written() -> None:
    shop = Shop()
    answer = shop.outreach.send_text("demo", shop.customer_id, "See you at 5 =)")
    [event] = shop.requested()
    assert (event.data["body"], event.data["purpose"]) == ("See you at 5 =)", "transactional")
    assert event.data["request_id"] == answer["request_id"]
    assert event.data["expires_at"] > T0


def test_nobody_texts_a_customer_who_is_not_there_or_another_business_s() -> None:
    shop = Shop()
    with pytest.raises(NotFound):
        shop.outreach.send_text("demo", "nobody", "hi")
    with pytest.raises(NotFound):
        shop.outreach.send_text("other", shop.customer_id, "hi")
