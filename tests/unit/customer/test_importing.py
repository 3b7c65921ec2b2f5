"""Bringing in customers: once each, however often the file is brought in, and every row accounted for."""

from collections.abc import Mapping
from uuid import uuid4

import pytest

from customer.commands import Desk
from customer.csv_files import Row
from customer.handlers import RecordEvents
from customer.importing import Importing, Report
from customer.lifecycle import Lifecycle
from customer.store import CUSTOMERS, ERASED, INDEXES, TIMELINE
from ringback.callers import customer_id_of
from ringback.contracts.envelope import decode, new_event
from ringback.seals import seal_with
from ringback.store.database import OUTBOX
from tests.support.events import call_event
from tests.unit.fakes import CALLER, SECRET, T0, Document, MemoryDatabase, sample_settings

BUSINESSES = sample_settings().businesses
SEAL = seal_with(SECRET)


def row(line: int, **values: str) -> Row:
    return Row(line, values)


def bring_in(database: MemoryDatabase, *rows: Row, dry_run: bool = False) -> Report:
    return Importing(database.as_database(), BUSINESSES, lambda: T0, SEAL).run("demo", rows, dry_run=dry_run)


def counts(report: Report) -> Mapping[str, int]:
    return dict(report.counts)


def customers(database: MemoryDatabase) -> list[Document]:
    return list(database.documents(CUSTOMERS).values())


def desk(database: MemoryDatabase) -> Desk:
    return Desk(database.as_database(), BUSINESSES, lambda: T0, lambda: str(uuid4()), SEAL)


def erase(database: MemoryDatabase, customer_id: str) -> None:
    Lifecycle(database.as_database(), BUSINESSES, lambda: T0, lambda: str(uuid4()), SEAL).delete("demo", customer_id)


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase(indexes=INDEXES)


def test_a_row_becomes_a_customer(database: MemoryDatabase) -> None:
    report = bring_in(database, row(2, name="Anna", phone="(212) 555-0123", email="Anna@B.example"))
    assert counts(report) == {"created": 1}
    [anna] = customers(database)
    assert (anna["name"], anna["phone"], anna["email"]) == ("Anna", CALLER, "anna@b.example")
    assert (anna["source"], anna["segment"], anna["pipeline_stage"]) == ("import", "lead", "new_lead")
    [told] = [decode(one["body"]) for one in database.documents(OUTBOX).values()]
    assert (told.type, told.data["source"]) == ("customer.created", "import")


def test_a_second_time_nobody_is_new(database: MemoryDatabase) -> None:
    rows = [row(2, name="Anna", phone="2125550123"), row(3, name="Bob", email="bob@b.example")]
    bring_in(database, *rows)
    before = customers(database)
    report = bring_in(database, *rows)
    assert counts(report) == {"exists": 2}
    assert [result.customer_id for result in report.notable] == [customer["_id"] for customer in before]
    assert customers(database) == before


def test_after_an_interruption_the_rest_is_brought_in(database: MemoryDatabase) -> None:
    rows = [row(number, phone=f"212555{number:04d}") for number in range(2, 500)]
    bring_in(database, *rows[:200])
    assert counts(bring_in(database, *rows)) == {"exists": 200, "created": 298}
    assert len(customers(database)) == 498


def test_whoever_called_before_is_there_already(database: MemoryDatabase) -> None:
    work = database.work()
    RecordEvents(BUSINESSES, lambda: T0, SEAL)(work, [call_event("call.started", "CA1", CALLER)])
    work.commit()
    report = bring_in(database, row(2, name="Anna", phone=CALLER))
    assert counts(report) == {"exists": 1}


def test_a_file_that_repeats_itself_is_told_where(database: MemoryDatabase) -> None:
    report = bring_in(database, row(2, phone="2125550123"), row(3, phone="+1 212 555 0123"))
    assert counts(report) == {"created": 1, "repeated": 1}
    assert report.notable[0].why == "as line 2"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"phone": "12"}, "the phone is no number"),
        ({"phone": "anonymous"}, "the phone is no number"),
        ({"name": "Anna"}, "neither phone nor e-mail"),
        ({"email": "anna"}, "the e-mail is none"),
        ({"phone": "2125550123", "name": "x" * 201}, "the name is too long or holds control characters"),
        ({"phone": "2125550123", "name": "a\x00b"}, "the name is too long or holds control characters"),
    ],
)
def test_a_row_that_is_none_is_told_and_left_out(database: MemoryDatabase, values: dict[str, str], why: str) -> None:
    report = bring_in(database, row(2, **values), row(3, phone="2125550199"))
    assert counts(report) == {"invalid": 1, "created": 1}
    assert (report.notable[0].line, report.notable[0].why) == (2, why)


def test_a_dry_run_says_the_same_and_changes_nothing(database: MemoryDatabase) -> None:
    rows = [row(2, phone="2125550123"), row(3, phone="x")]
    assert counts(bring_in(database, *rows, dry_run=True)) == {"created": 1, "invalid": 1}
    assert (customers(database), database.documents(OUTBOX)) == ([], {})


def test_an_old_file_does_not_bring_back_who_was_erased(database: MemoryDatabase) -> None:
    rows = [row(2, name="Anna", phone=CALLER), row(3, name="Bob", email="bob@b.example")]
    bring_in(database, *rows)
    for customer_id in list(database.documents(CUSTOMERS)):
        erase(database, customer_id)
    assert counts(bring_in(database, *rows)) == {"erased": 2}
    assert customers(database) == []


def test_nor_by_a_number_or_an_address_that_they_got_later(database: MemoryDatabase) -> None:
    anna = desk(database).create("demo", {"name": "Anna"})["_id"]
    desk(database).update("demo", anna, {"phones": [CALLER], "email": "Anna@b.example"})
    erase(database, anna)
    assert counts(bring_in(database, row(2, phone=CALLER), row(3, email="anna@B.example"))) == {"erased": 2}
    assert customers(database) == []


def test_a_number_that_was_taken_away_is_nobody_s(database: MemoryDatabase) -> None:
    """And whoever had it keeps what is theirs, however often that happens."""
    seen: set[str] = set()
    for had in range(3):
        assert counts(bring_in(database, row(2, phone=CALLER))) == {"created": 1}
        [owner] = [customer["_id"] for customer in customers(database) if customer["phones"] == [CALLER]]
        assert owner not in seen
        assert counts(bring_in(database, row(2, phone=CALLER))) == {"exists": 1}
        desk(database).update("demo", owner, {"phones": []})
        seen.add(owner)
        assert len(customers(database)) == had + 1


def test_who_had_the_number_once_and_was_erased_does_not_come_back(database: MemoryDatabase) -> None:
    bring_in(database, row(2, phone=CALLER))
    [first] = database.documents(CUSTOMERS)
    desk(database).update("demo", first, {"phones": []})
    erase(database, first)
    assert counts(bring_in(database, row(2, phone=CALLER))) == {"created": 1}
    assert first not in database.documents(CUSTOMERS)


def test_who_was_erased_and_called_again_is_there(database: MemoryDatabase) -> None:
    database.insert(ERASED, {"_id": SEAL(customer_id_of("demo", CALLER, "")), "at": T0})
    work = database.work()
    RecordEvents(BUSINESSES, lambda: T0, SEAL)(work, [call_event("call.started", "CA1", CALLER)])
    work.commit()
    [again] = customers(database)
    [result] = bring_in(database, row(2, name="Anna", phone=CALLER)).notable
    assert (result.outcome, result.customer_id) == ("exists", again["_id"])


def test_texts_that_went_to_the_number_before_are_theirs(database: MemoryDatabase) -> None:
    data = {"request_id": "r1", "recipient": CALLER, "message_sid": "SM1", "error_code": None, "reason": None}
    sent = new_event("sms.sent", business="demo", subject="r1", time=T0, data=data, cause=("r1",))
    work = database.work()
    RecordEvents(BUSINESSES, lambda: T0, SEAL)(work, [sent])
    work.commit()
    bring_in(database, row(2, phone=CALLER))
    [customer] = customers(database)
    [entry] = database.documents(TIMELINE).values()
    assert (customer["total_texts"], entry["customer_id"], entry["awaits"]) == (1, customer["_id"], None)
