"""The Desk on the real unit of work: what a person may change, and what becomes of it when others change it too."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer.commands import Desk, DuplicateCustomer
from customer.domain import hidden, new_own, new_record
from customer.handlers import RecordEvents
from customer.people import Needs, People
from customer.store import CUSTOMERS, ERASED, TIMELINE
from ringback.callers import customer_id_of
from ringback.contracts.envelope import Event, decode, new_event
from ringback.errors import ConcurrentUpdate, Invalid, NotFound
from ringback.seals import seal_with
from ringback.store.database import OUTBOX
from ringback.store.idempotency import KEYS, KeyReused, RequestKey
from ringback.store.unit_of_work import ATTEMPTS
from ringback.web.versions import StaleVersion
from tests.unit.fakes import CALLER, SECRET, T0, Document, MemoryDatabase, at, sample_settings

BOB = "+14155550101"
CLEO = "+442079460018"
SEAL = seal_with(SECRET)
BUSINESSES = {name: sample_settings().businesses["demo"] for name in ("demo", "other")}
CLEANING: Document = {"starts_at": at(86_400), "service": "Cleaning", "price": 5000}
KEY = RequestKey("k", "d")


class Bureau:
    """A desk with its database, its clock and what it told others."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.now = T0
        ids: Iterator[int] = count(1)
        self.desk = Desk(self.database.as_database(), BUSINESSES, lambda: self.now, lambda: f"id-{next(ids)}", SEAL)

    def told(self) -> list[str]:
        return [event.type for event in self.events()]

    def events(self) -> list[Event]:
        return [decode(row["body"]) for row in self.database.documents(OUTBOX).values()]

    def customer(self, customer_id: str) -> Document:
        return self.database.documents(CUSTOMERS)[customer_id]

    def merged(self, root: Document, member: Document) -> None:
        """Make one part of the other, as plainly as can be."""
        work = self.database.work(self.now)
        people = People(work, BUSINESSES, self.now)
        people.load(Needs(records={root["_id"], member["_id"]}))
        work.save(CUSTOMERS, hidden(member, root["_id"]))
        people.put({**root, "members": [member["_id"]]})
        work.commit()

    def happen(self, *events: Event) -> None:
        work = self.database.work(self.now)
        RecordEvents(BUSINESSES, lambda: self.now, SEAL)(work, events)
        work.commit()


def called(caller: str = CALLER, call: str = "CA1", seconds: float = 0, name: str | None = None) -> Event:
    data = {
        "call_sid": call,
        "caller": caller,
        "called": "+15558675310",
        "caller_kind": "mobile",
        "caller_name": name,
        "at": at(seconds),
        "direction": "inbound",
    }
    return new_event(
        "call.started", business="demo", subject=call, time=at(seconds), data=data, cause=(call, str(seconds))
    )


@pytest.fixture
def bureau() -> Bureau:
    return Bureau()


# Creating.


def test_a_customer_entered_by_hand_is_the_one_who_calls_later(bureau: Bureau) -> None:
    made = bureau.desk.create("demo", {"name": "Anna", "phone": CALLER, "source": "referral"})
    assert made["_id"] == customer_id_of("demo", CALLER, "")
    assert made == bureau.customer(made["_id"])
    assert bureau.told() == ["customer.created"]
    bureau.happen(called(name="CALLER ID", seconds=60))
    customer = bureau.customer(made["_id"])
    assert (customer["name"], customer["source"], customer["total_calls"]) == ("Anna", "referral", 1)


def test_what_is_known_by_a_number_is_not_created_again(bureau: Bureau) -> None:
    bureau.happen(called())
    with pytest.raises(DuplicateCustomer) as refused:
        bureau.desk.create("demo", {"name": "Anna", "phones": [BOB, CALLER]})
    assert refused.value.extra == {"customer_id": customer_id_of("demo", CALLER, "")}
    assert bureau.desk.create("other", {"phone": CALLER})["business"] == "other"


def test_a_number_of_a_merged_record_is_its_roots(bureau: Bureau) -> None:
    anna, bob = (bureau.desk.create("demo", {"phone": phone}) for phone in (CALLER, BOB))
    bureau.merged(anna, bob)
    with pytest.raises(DuplicateCustomer) as refused:
        bureau.desk.create("demo", {"phone": BOB})
    assert refused.value.extra == {"customer_id": anna["_id"]}


def test_customers_without_a_number_are_customers_each(bureau: Bureau) -> None:
    made = [bureau.desk.create("demo", {"name": "Anna"}) for _ in range(2)]
    assert made[0]["_id"] != made[1]["_id"]
    assert (made[0]["phone"], made[0]["phone_kind"]) == (None, "none")


def test_the_id_of_somebody_who_was_erased_does_not_come_back(bureau: Bureau) -> None:
    erased = customer_id_of("demo", CALLER, "")
    bureau.database.insert(ERASED, {"_id": SEAL(erased), "at": T0})
    assert bureau.desk.create("demo", {"phone": CALLER})["_id"] != erased


# Changing.


def test_what_a_person_wrote_no_caller_id_writes_over(bureau: Bureau) -> None:
    bureau.happen(called(name="ANNA"))
    changed = bureau.desk.update("demo", customer_id_of("demo", CALLER, ""), {"name": "Anna Nováková"})
    bureau.happen(called(call="CA2", name="EARLIER", seconds=-60))
    assert bureau.customer(changed["_id"])["name"] == "Anna Nováková"


def test_a_change_is_told_with_what_changed(bureau: Bureau) -> None:
    made = bureau.desk.create("demo", {"name": "Anna", "phone": CALLER})
    bureau.desk.update("demo", made["_id"], {"name": "Eva", "phones": [CALLER, BOB]})
    [updated] = [event for event in bureau.events() if event.type == "customer.updated"]
    assert updated.data["changed"] == {"name": "Eva", "phones": [CALLER, BOB]}


def test_what_changes_nothing_writes_nothing(bureau: Bureau) -> None:
    made = bureau.desk.create("demo", {"name": "Anna", "phone": CALLER})
    before = bureau.database.commits
    bureau.now += timedelta(hours=1)
    assert bureau.desk.update("demo", made["_id"], {"name": "Anna", "phone": CALLER}) == made
    assert bureau.database.commits == before


def refuse_all_but(version: int) -> Any:
    def check(stored: int) -> None:
        if stored != version:
            raise StaleVersion("Stale.")

    return check


def test_who_read_another_version_changes_nothing(bureau: Bureau) -> None:
    made = bureau.desk.create("demo", {"name": "Anna"})
    with pytest.raises(StaleVersion):
        bureau.desk.update("demo", made["_id"], {"name": "B"}, refuse_all_but(2))
    assert bureau.customer(made["_id"]) == made
    assert bureau.desk.update("demo", made["_id"], {"name": "B"}, refuse_all_but(1))["version"] == 2


@pytest.mark.parametrize(
    ("values", "phones"),
    [
        ({"phone": CLEO}, [CLEO, BOB]),
        ({"phone": BOB}, [BOB]),
        ({"phone": None}, [BOB]),
        ({"phone": CALLER}, [CALLER, BOB]),
        ({"phones": [BOB, CALLER]}, [BOB, CALLER]),
        ({"phones": [CLEO]}, [CLEO]),
        ({"phones": []}, []),
        ({"name": "B"}, [CALLER, BOB]),
    ],
)
def test_one_number_takes_the_place_of_the_first_and_all_of_all(
    bureau: Bureau, values: Document, phones: list[str]
) -> None:
    made = bureau.desk.create("demo", {"name": "Anna", "phones": [CALLER, BOB]})
    changed = bureau.desk.update("demo", made["_id"], values)
    assert (changed["phones"], changed["phone"]) == (phones, phones[0] if phones else None)
    assert changed["phone_kind"] == {CLEO: "landline"}.get(changed["phone"], "none" if not phones else KIND)


KIND = "landline_or_mobile"


def test_a_number_that_was_taken_away_and_calls_is_somebody_new(bureau: Bureau) -> None:
    made = bureau.desk.create("demo", {"phones": [CALLER, BOB]})
    bureau.desk.update("demo", made["_id"], {"phones": [BOB]})
    bureau.happen(called(CALLER))
    calls = {one["phone"]: one["total_calls"] for one in bureau.database.documents(CUSTOMERS).values()}
    assert calls == {BOB: 0, CALLER: 1}


def group(bureau: Bureau) -> tuple[Document, Document]:
    root = bureau.desk.create("demo", {"name": "Anna", "phone": CALLER})
    member = bureau.desk.create("demo", {"name": "A.", "phones": [BOB, CLEO]})
    bureau.merged(root, member)
    return root, member


def test_a_merged_record_stands_for_its_root(bureau: Bureau) -> None:
    root, member = group(bureau)
    assert bureau.desk.update("demo", member["_id"], {"email": "a@b.cz"})["_id"] == root["_id"]
    assert bureau.desk.add_note("demo", member["_id"], "Hello", "olga")["customer_id"] == root["_id"]
    assert bureau.desk.book("demo", member["_id"], CLEANING)["customer_id"] == root["_id"]


def test_a_number_taken_away_from_a_merged_record_is_told_and_free(bureau: Bureau) -> None:
    root, member = group(bureau)
    changed = bureau.desk.update("demo", root["_id"], {"phones": [CALLER, CLEO], "name": "Eva"})
    assert changed["phones"] == bureau.customer(root["_id"])["phones"] == [CALLER, CLEO]
    assert bureau.customer(member["_id"])["own"]["phones"] == [CLEO]
    updated = [event for event in bureau.events() if event.type == "customer.updated"]
    assert updated[-1].data["changed"] == {"name": "Eva", "phones": [CALLER, CLEO]}
    assert bureau.desk.create("demo", {"phone": BOB})["phones"] == [BOB]
    assert bureau.desk.update("demo", root["_id"], {"phones": [CALLER]})["phones"] == [CALLER]


def test_the_first_number_of_several_is_the_roots_own(bureau: Bureau) -> None:
    root, _ = group(bureau)
    before = bureau.customer(root["_id"])
    with pytest.raises(Invalid) as refused:
        bureau.desk.update("demo", root["_id"], {"phones": [BOB, CALLER]})
    assert list(refused.value.errors) == ["phones"]
    assert bureau.customer(root["_id"]) == before
    assert bureau.desk.update("demo", root["_id"], {"phones": [BOB]})["phones"] == [BOB]


# Appointments.


def test_a_person_s_word_on_an_appointment_comes_last_whatever_the_clocks_say(bureau: Bureau) -> None:
    made = bureau.desk.create("demo", {"name": "Anna"})
    booked = bureau.desk.book("demo", made["_id"], CLEANING)
    for status in ("completed", "canceled", "no_show", "completed", "booked") * 4:
        bureau.now -= timedelta(minutes=1)
        changed = bureau.desk.change_appointment("demo", made["_id"], booked["appointment_id"], {"status": status})
        assert changed["status"] == status


def test_a_change_of_an_appointment_leaves_the_rest_as_it_was(bureau: Bureau) -> None:
    made = bureau.desk.create("demo", {"name": "Anna"})
    booked = bureau.desk.book("demo", made["_id"], {**CLEANING, "currency": "EUR"})
    moved = bureau.desk.change_appointment("demo", made["_id"], booked["appointment_id"], {"starts_at": at(60)})
    assert (moved["starts_at"], moved["at"]) == (at(60), at(60))
    assert [moved[name] for name in ("price", "currency", "service", "status")] == [5000, "EUR", "Cleaning", "booked"]
    before = bureau.database.commits
    same = bureau.desk.change_appointment("demo", made["_id"], booked["appointment_id"], {"starts_at": at(60)})
    assert (same, bureau.database.commits) == (moved, before)


def test_an_appointment_of_a_merged_record_is_changed_through_its_root(bureau: Bureau) -> None:
    root = bureau.desk.create("demo", {"name": "Anna"})
    member = bureau.desk.create("demo", {"name": "A."})
    booked = bureau.desk.book("demo", member["_id"], CLEANING)
    bureau.merged(bureau.customer(root["_id"]), bureau.customer(member["_id"]))
    bureau.desk.change_appointment("demo", root["_id"], booked["appointment_id"], {"status": "completed"})
    assert bureau.customer(root["_id"])["total_spent"] == 5000
    assert bureau.customer(member["_id"])["own"]["spend"] == {"USD": {"total": 5000, "visits": 1}}


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["booked", "completed", "canceled", "no_show"]))))
def test_totals_are_those_of_the_appointments_whatever_was_done(changes: list[tuple[int, str]]) -> None:
    bureau = Bureau()
    made = bureau.desk.create("demo", {"name": "Anna"})
    booked = [bureau.desk.book("demo", made["_id"], {**CLEANING, "price": 10**place}) for place in range(4)]
    model = ["booked"] * 4
    for place, status in changes:
        bureau.desk.change_appointment("demo", made["_id"], booked[place]["appointment_id"], {"status": status})
        model[place] = status
    customer = bureau.customer(made["_id"])
    assert customer["total_spent"] == sum(10**place for place, one in enumerate(model) if one == "completed")
    assert customer["total_appointments"] == sum(one != "canceled" for one in model)


# Who is not there, and who was first.


def test_another_customer_s_appointment_is_not_there(bureau: Bureau) -> None:
    anna, bob = (bureau.desk.create("demo", {"name": name}) for name in ("Anna", "Bob"))
    booked = bureau.desk.book("demo", anna["_id"], CLEANING)
    with pytest.raises(NotFound):
        bureau.desk.change_appointment("demo", bob["_id"], booked["appointment_id"], {"status": "completed"})
    assert bureau.customer(anna["_id"])["total_spent"] == 0


def test_another_business_s_things_are_not_there(bureau: Bureau) -> None:
    theirs = bureau.desk.create("other", {"name": "Anna"})
    booked = bureau.desk.book("other", theirs["_id"], CLEANING)["appointment_id"]
    ours = bureau.desk.create("demo", {"name": "Bob"})
    desk = bureau.desk
    attempts: list[Callable[[], object]] = [
        lambda: desk.update("demo", theirs["_id"], {"name": "B"}),
        lambda: desk.add_note("demo", theirs["_id"], "Hello", "olga"),
        lambda: desk.book("demo", theirs["_id"], CLEANING),
        lambda: desk.change_appointment("demo", theirs["_id"], booked, {"status": "completed"}),
        lambda: desk.change_appointment("demo", ours["_id"], booked, {"status": "completed"}),
        lambda: desk.change_appointment("demo", ours["_id"], f"other:appointment:{booked}", {"status": "completed"}),
    ]
    before = bureau.database.commits
    for attempt in attempts:
        with pytest.raises(NotFound):
            attempt()
    assert bureau.database.commits == before


def test_when_another_write_came_first_it_is_done_again_on_what_is_there(bureau: Bureau) -> None:
    made = bureau.desk.create("demo", {"name": "Anna"})
    bureau.database.failures += [ConcurrentUpdate("Another was first.")] * (ATTEMPTS - 1)
    bureau.desk.book("demo", made["_id"], CLEANING)
    assert bureau.customer(made["_id"])["total_appointments"] == 1
    assert len(bureau.database.documents(TIMELINE)) == 2  # the appointment, and that it made them active
    bureau.database.failures += [ConcurrentUpdate("Another was first.")] * ATTEMPTS
    with pytest.raises(ConcurrentUpdate):
        bureau.desk.book("demo", made["_id"], CLEANING)
    assert bureau.customer(made["_id"])["total_appointments"] == 1


# Sent again.


def test_a_key_leads_to_what_it_led_to(bureau: Bureau) -> None:
    made = bureau.desk.create("demo", {"phone": CALLER}, KEY)
    bureau.desk.update("demo", made["_id"], {"name": "Anna"})
    commits = bureau.database.commits
    again = bureau.desk.create("demo", {"phone": CALLER}, KEY)
    assert (again["_id"], again["name"], bureau.database.commits) == (made["_id"], "Anna", commits)


def test_a_key_of_another_request_is_refused(bureau: Bureau) -> None:
    bureau.desk.create("demo", {"phone": CALLER}, KEY)
    with pytest.raises(KeyReused):
        bureau.desk.create("demo", {"phone": BOB}, RequestKey(KEY.id, "other"))


@pytest.mark.parametrize(
    ("age", "again"), [(timedelta(hours=24, milliseconds=-1), False), (timedelta(hours=24), True)]
)
def test_a_key_counts_for_a_day(bureau: Bureau, age: timedelta, *, again: bool) -> None:
    made = bureau.desk.create("demo", {"name": "Anna"})
    first = bureau.desk.add_note("demo", made["_id"], "Hello", "olga", KEY)
    bureau.now += age
    second = bureau.desk.add_note("demo", made["_id"], "Hello", "olga", KEY)
    assert (second["_id"] != first["_id"]) is again
    kept: datetime = bureau.database.documents(KEYS)[KEY.id]["at"]
    assert kept == (bureau.now if again else T0)


def test_there_is_no_key_without_its_effect(bureau: Bureau) -> None:
    with pytest.raises(NotFound):
        bureau.desk.add_note("demo", "nobody", "Hello", "olga", KEY)
    bureau.database.failures.append(RuntimeError("killed"))
    with pytest.raises(RuntimeError):
        bureau.desk.create("demo", {"name": "Anna"}, KEY)
    assert not bureau.database.collections


def test_what_was_made_under_a_key_and_erased_is_not_made_again(bureau: Bureau) -> None:
    made = bureau.desk.create("demo", {"name": "Anna"}, KEY)
    del bureau.database.documents(CUSTOMERS)[made["_id"]]
    with pytest.raises(NotFound):
        bureau.desk.create("demo", {"name": "Anna"}, KEY)


def test_texts_that_waited_for_a_number_come_with_it(bureau: Bureau) -> None:
    def waiting(request: str, to: str) -> Document:
        told = {"requested": {"at": at(-60), "error_code": None, "reason": None}}
        entry = {
            "_id": f"demo:sms-out:{request}",
            "business": "demo",
            "customer_id": None,
            "kind": "sms",
            "told": told,
        }
        return {**entry, "at": at(-60), "awaits": f"demo:phone:{to}", "version": 1}

    bureau.database.insert(TIMELINE, waiting("r1", CALLER), waiting("r2", BOB), waiting("r3", CLEO))
    made = bureau.desk.create("demo", {"phone": CALLER})
    changed = bureau.desk.update("demo", made["_id"], {"phones": [CALLER, BOB]})
    owners = [entry["customer_id"] for entry in bureau.database.documents(TIMELINE).values()]
    assert (made["total_texts"], changed["total_texts"]) == (1, 2)
    assert owners == [made["_id"], made["_id"], None]


def test_a_record_of_another_business_is_never_taken_for_ours(bureau: Bureau) -> None:
    theirs = new_record("x", "other", new_own(None, "none", "manual", T0))
    work = bureau.database.work()
    People(work, BUSINESSES, T0).put(theirs)
    work.commit()
    with pytest.raises(NotFound):
        bureau.desk.update("demo", "x", {"name": "B"})
