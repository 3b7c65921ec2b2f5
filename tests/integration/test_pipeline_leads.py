"""The board on a real MongoDB: what it shows, moves, races, walls between businesses, and what serves its queries."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from pipeline.app import NAME, create_app
from pipeline.domain import Document
from pipeline.handlers import RecordLeads
from pipeline.moves import Moves
from pipeline.stages import STAGES
from pipeline.store import BY_RANK, IS_SHOWN, LEADS, NUMBERS, TOTALS, VISITS
from pipeline.store import INDEXES as LEADS_INDEXES
from ringback.clock import system_clock
from ringback.contracts.envelope import Event, new_event
from ringback.errors import ConcurrentUpdate
from ringback.seals import seal_with
from ringback.settings import load_settings
from ringback.store.database import OUTBOX, Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from ringback.web.access import Principal, make_token
from tests.support.events import NOON

SECRET = "s" * 40
Json = dict[str, Any]
ANNA, BOB, CLEO = "id-anna", "id-bob", "id-cleo"


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def phone_of(customer_id: str) -> str:
    return f"+1212555{sum(customer_id.encode()) % 10_000:04d}"


class Front:
    """The API as clients of two businesses see it, and the worker that is told events."""

    def __init__(self, database: Database) -> None:
        settings = load_settings({"RINGBACK_SECRET_KEY": SECRET})
        demo = settings.businesses["demo"]
        self.businesses = {"demo": demo, "other": replace(demo, key="other", country="GB", currency="GBP")}
        self.database = database
        self.now = at(100_000)
        self.app = create_app(replace(settings, businesses=self.businesses), database, lambda: self.now)
        self._numbers = itertools.count()

    def ask(
        self, method: str, path: str, body: Any = None, *, role: str = "staff", business: str = "demo", **headers: str
    ) -> TestResponse:
        token = make_token(SECRET, Principal("olga", business, role), system_clock(), timedelta(hours=1))
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"json": body} if body is not None else {}
        headers_sent = {"Authorization": f"Bearer {token}", **given}
        return self.app.test_client().open(path, method=method, headers=headers_sent, **sent)

    def get(self, path: str, **who: Any) -> Json:
        return answered(self.ask("GET", path, **who), 200)

    def move(self, customer_id: str, stage: str, status: int = 200, **more: Any) -> Json:
        headers = {name: more.pop(name) for name in ("If_Match", "business") if name in more}
        self.now += timedelta(seconds=1)
        return answered(
            self.ask("POST", f"/customers/{customer_id}/move-stage", {"stage": stage, **more}, **headers), status
        )

    def happen(self, *events: Event) -> None:
        self.handled(*events).commit()

    def handled(self, *events: Event) -> UnitOfWork:
        """What events change, not committed yet."""
        work = UnitOfWork(self.database, lambda: self.now)
        RecordLeads(self.businesses, lambda: self.now, seal_with(SECRET))(work, events)
        return work

    def moves(self) -> Moves:
        return Moves(self.database, self.businesses, lambda: self.now, lambda: f"move-{next(self._numbers)}")

    def create(self, *customer_ids: str, **more: Any) -> None:
        """One after the other, so that the last one is on top of its column."""
        self.happen(*(created(one, number, **more) for number, one in enumerate(customer_ids)))

    def cards(self, query: str = "", **who: Any) -> dict[str, list[str]]:
        columns = self.get(f"/leads?{query}", **who)["columns"]
        return {one["stage"]: [card["customer_id"] for card in one["cards"]] for one in columns if one["cards"]}

    def column(self, stage: str, query: str = "") -> Json:
        [column] = self.get(f"/leads?stage={stage}&{query}")["columns"]
        return dict(column)

    def counts(self) -> dict[str, tuple[int, int]]:
        columns = self.get("/leads")["columns"]
        return {one["stage"]: (one["count"], one["value"]) for one in columns if one["count"]}


def answered(response: TestResponse, status: int) -> Json:
    assert response.status_code == status, response.text
    assert response.json is not None
    return dict(response.json)


def created(customer_id: str, seconds: float = 0, business: str = "demo", **more: Any) -> Event:
    phone = phone_of(customer_id)
    data = {
        "customer_id": customer_id,
        "revision": "000000000001",
        "name": customer_id.removeprefix("id-").title(),
        "phone": phone,
        "phones": [phone],
        "email": None,
        "source": "call",
        "segment": "lead",
        **more,
    }
    return event("customer.created", customer_id, seconds, data, business)


def called(customer_id: str, seconds: float) -> Event:
    data: Json = {"call_sid": f"CA{customer_id}{seconds}", "caller": phone_of(customer_id), "called": "+15558675310"}
    data |= {"caller_kind": "mobile", "caller_name": None}
    more = {"duration_seconds": 30, "answered_at": None, "at": at(seconds)}
    return event("call.completed", data["call_sid"], seconds, data | more)


def booked(customer_id: str, seconds: float, status: str = "booked", price: int = 5000) -> Event:
    data = {
        "customer_id": customer_id,
        "appointment_id": f"of-{customer_id}",
        "starts_at": at(seconds),
        "service": "Cleaning",
        "price": price,
        "currency": "USD",
        "at": at(seconds),
        "told_by": str(seconds),
    }
    return event(f"appointment.{status}", customer_id, seconds, data)


def merged(kept: str, other: str, action: str = "merged", revision: int = 2) -> Event:
    data = {"customer_id": kept, "other_id": other, "phones": [phone_of(other)]}
    data |= dict.fromkeys(("revision", "other_revision"), f"{revision:012d}")
    return event(f"customer.{action}", kept, 50, data)


def deleted(customer_id: str) -> Event:
    return event("customer.deleted", customer_id, 60, {"customer_id": customer_id})


def event(event_type: str, subject: str, seconds: float, data: Json, business: str = "demo") -> Event:
    return new_event(
        event_type, business=business, subject=subject, time=at(seconds), data=data, cause=(subject, str(seconds))
    )


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, NAME)
    database.ensure_indexes(LEADS_INDEXES)
    yield database
    database.close()


@pytest.fixture
def front(database: Database) -> Front:
    return Front(database)


# What it shows.


def test_an_empty_board_has_its_five_columns(front: Front) -> None:
    columns = front.get("/leads")["columns"]
    assert [column["stage"] for column in columns] == list(STAGES)
    for column in columns:
        assert column["label"]
        assert (column["count"], column["value"], column["cards"], column["next"]) == (0, 0, [], None)
        assert (column["oldest_at"], column["oldest_age_seconds"]) == (None, None)


def test_a_column_shows_what_it_comes_to_and_who_is_in_it(front: Front) -> None:
    front.create(ANNA, BOB)
    front.happen(booked(ANNA, 10), booked(BOB, 20, price=700))
    [column] = [one for one in front.get("/leads")["columns"] if one["count"]]
    assert (column["stage"], column["kind"], column["count"], column["value"]) == (
        "appointment_set",
        "ongoing",
        2,
        5700,
    )
    assert (column["currency"], column["is_floor"], column["next"]) == ("USD", False, None)
    assert (column["oldest_at"], column["oldest_age_seconds"]) == ("2026-03-02T17:00:10.000Z", 99_990)
    bob, anna = column["cards"]
    assert (bob["customer_id"], anna["customer_id"]) == (BOB, ANNA)
    assert (anna["name"], anna["phone"], anna["value"]) == ("Anna", phone_of(ANNA), 5000)
    assert (anna["segment"], anna["source"], anna["entered_at"]) == ("lead", "call", column["oldest_at"])


def test_cards_come_page_by_page_whatever_moves_meanwhile(front: Front) -> None:
    people = [f"id-{number}" for number in range(45)]
    front.create(*people)
    first = front.column("new_lead")
    assert [card["customer_id"] for card in first["cards"]] == people[::-1][:20]
    front.move(people[44], "lost")
    seen = [card["customer_id"] for card in first["cards"]]
    cursor = first["next"]
    while cursor:
        page = front.column("new_lead", f"cursor={cursor}&limit=10")
        seen += [card["customer_id"] for card in page["cards"]]
        cursor = page["next"]
    assert seen == people[::-1]


@pytest.mark.parametrize("cursor", ["x", "W10", "WzEsMl0", "WyJcdWQ4MDAiLCJhIl0", "bnVsbA"])
def test_a_cursor_of_somebody_else_is_refused(front: Front, cursor: str) -> None:
    problem = answered(front.ask("GET", f"/leads?stage=lost&cursor={cursor}"), 422)
    assert list(problem["errors"]) == ["cursor"]


def test_filters_count_what_they_leave(front: Front) -> None:
    front.happen(created(ANNA, 0), created(BOB, 1, source="sms", segment="vip"), created(CLEO, 80_000))
    front.happen(booked(BOB, 10))
    assert front.cards("source=sms") == {"appointment_set": [BOB]}
    assert front.cards("segment=lead") == {"new_lead": [CLEO, ANNA]}
    assert front.cards("min_age=1") == {"new_lead": [ANNA], "appointment_set": [BOB]}
    assert front.cards("max_age=0") == {}
    assert front.cards("max_age=1") == {"new_lead": [CLEO]}
    column = front.column("appointment_set", "source=sms")
    assert (column["count"], column["value"], column["is_floor"]) == (1, 5000, False)


@pytest.mark.parametrize("query", ["anna", "NOV", "anna%20nov", "%2B1%20(212)%20555-0101", "2125550101", "0101"])
def test_a_lead_is_found_by_words_of_the_name_and_the_number_in_any_writing(front: Front, query: str) -> None:
    front.happen(created(ANNA, name="Anna Novak", phone="+12125550101", phones=["+12125550101"]), created(BOB))
    assert front.cards(f"q={query}") == {"new_lead": [ANNA]}


def test_a_lead_shows_how_it_came_where_it_is(front: Front) -> None:
    front.create(ANNA)
    front.happen(called(ANNA, 60))
    front.move(ANNA, "lost", lost_reason="Too expensive")
    lead = front.get(f"/leads/{ANNA}")
    shown = [(one["stage"], one["from"], one["seconds"], one["cause"], one["actor"]) for one in lead["history"]]
    assert shown == [
        ("new_lead", None, 60, "auto", None),
        ("contacted", "new_lead", 99_941, "auto", None),
        ("lost", "contacted", 0, "manual", "olga"),
    ]
    assert [one["fact"] for one in lead["history"]] == [None, "call", None]
    assert lead["history"][-1]["lost_reason"] == "Too expensive"
    assert (lead["stage"], lead["label"]) == ("lost", "Lost")


# Moves.


def test_a_card_is_put_between_others(front: Front) -> None:
    front.create(ANNA, BOB, CLEO)
    assert front.cards() == {"new_lead": [CLEO, BOB, ANNA]}
    front.move(ANNA, "new_lead", before=BOB)
    assert front.cards() == {"new_lead": [CLEO, ANNA, BOB]}
    front.move(CLEO, "new_lead", after=BOB)
    assert front.cards() == {"new_lead": [ANNA, BOB, CLEO]}
    front.move(CLEO, "new_lead", after=ANNA, before=BOB)
    assert front.cards() == {"new_lead": [ANNA, CLEO, BOB]}
    assert front.database[OUTBOX].count_documents({}) == 0


def test_who_comes_in_later_is_below_whom_somebody_put_on_top(front: Front) -> None:
    front.create(ANNA, BOB)
    front.move(ANNA, "new_lead", before=BOB)
    front.happen(created(CLEO, 99_000))
    assert front.cards() == {"new_lead": [ANNA, CLEO, BOB]}


def test_a_card_goes_to_another_column_at_once_where_it_is_wanted(front: Front) -> None:
    front.create(ANNA, BOB, CLEO)
    front.move(ANNA, "contacted")
    front.move(BOB, "contacted", after=ANNA)
    front.move(CLEO, "contacted", after=ANNA, before=BOB)
    assert front.cards() == {"contacted": [ANNA, CLEO, BOB]}
    assert front.counts() == {"contacted": (3, 0)}


def test_many_cards_put_into_the_same_gap_keep_their_order(front: Front) -> None:
    people = [f"id-{number}" for number in range(30)]
    front.create(*people)
    top = people[-1]
    for number in range(28):
        front.move(people[number], "new_lead", after=top)
    assert front.cards("limit=100") == {"new_lead": [top, *people[:28][::-1], people[28]]}


def test_cards_that_were_put_into_the_same_gap_unseen_have_room_between(front: Front) -> None:
    front.create(ANNA, BOB, CLEO, "id-dan", "id-eve")
    for one in (ANNA, BOB):
        front.move(one, "new_lead", after="id-eve", before="id-dan")
    upper, lower = front.cards()["new_lead"][1:3]
    front.move(CLEO, "new_lead", after=upper, before=lower)
    assert front.cards() == {"new_lead": ["id-eve", upper, CLEO, lower, "id-dan"]}


@pytest.mark.parametrize(
    "beside",
    [
        {"after": BOB},
        {"before": BOB},
        {"after": "nobody"},
        {"after": CLEO},
        {"after": ANNA, "before": "id-dan"},
    ],
)
def test_neighbours_that_are_elsewhere_are_a_conflict(front: Front, beside: Json) -> None:
    """In another column, nowhere, the card itself, or the other way round."""
    front.create(ANNA, BOB, CLEO, "id-dan")
    front.move(BOB, "lost")
    assert front.move(CLEO, "new_lead", 409, **beside)["code"] == "stale_neighbour"
    assert front.cards() == {"new_lead": ["id-dan", CLEO, ANNA], "lost": [BOB]}


def test_a_card_that_was_moved_since_it_was_read_is_not_moved(front: Front) -> None:
    front.create(ANNA)
    version = front.get(f"/leads/{ANNA}")["version"]
    response = front.ask("GET", f"/leads/{ANNA}")
    moved = front.move(ANNA, "contacted", version=version)
    assert moved["version"] == version + 1
    assert front.move(ANNA, "lost", 409, version=version)["code"] == "stale_version"
    assert front.move(ANNA, "lost", 412, If_Match=response.headers["ETag"])["code"] == "stale_version"
    assert front.get(f"/leads/{ANNA}")["stage"] == "contacted"


def test_of_many_who_move_the_same_card_each_has_its_turn_and_one_version_one(front: Front) -> None:
    front.create(ANNA)
    version = front.get(f"/leads/{ANNA}")["version"]
    stages = list(STAGES)[1:] * 2
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(
                lambda stage: (
                    front.ask(
                        "POST", f"/customers/{ANNA}/move-stage", {"stage": stage, "version": version}
                    ).status_code
                ),
                stages,
            )
        )
    assert answers.count(200) == 1
    assert set(answers) == {200, 409}
    assert sum(count for count, _ in front.counts().values()) == 1


def test_a_move_writes_few_documents(front: Front) -> None:
    front.create(*(f"id-{number}" for number in range(50)))
    before = written(front.database)
    front.move("id-7", "contacted")
    changed = {name: before[name] ^ after for name, after in written(front.database).items()}
    assert {name: len({_id for _id, _ in rows}) for name, rows in changed.items() if rows} == {
        LEADS: 1,
        VISITS: 2,
        TOTALS: 2,
        OUTBOX: 1,
    }


def written(database: Database) -> dict[str, set[tuple[str, str]]]:
    names = (LEADS, NUMBERS, VISITS, TOTALS, OUTBOX)
    return {name: {(row["_id"], str(row)) for row in database[name].find()} for name in names}


# Races and counters.


def test_counters_are_right_whoever_writes_at_the_same_time(front: Front) -> None:
    people = [f"id-{number}" for number in range(40)]

    def story(customer_id: str) -> None:
        for one in (created(customer_id), called(customer_id, 10), booked(customer_id, 20)):
            retried(lambda one=one: front.happen(one))  # type: ignore[misc]
        front.moves().move("demo", customer_id, "lost", actor="olga")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(story, people))
    assert front.counts() == {"lost": (40, 40 * 5000)}
    for one in people:
        retried(lambda one=one: front.happen(deleted(one)))  # type: ignore[misc]
    assert front.counts() == {}
    assert list(front.database[VISITS].find()) == list(front.database[LEADS].find()) == []


def retried(act: Callable[[], None]) -> None:
    for _ in range(30):
        try:
            act()
        except ConcurrentUpdate:
            continue
        return
    raise AssertionError("Others were first every time.")


@pytest.mark.parametrize("turn", range(2))
def test_a_call_and_its_customer_that_come_at_the_same_moment_find_each_other(front: Front, turn: int) -> None:
    call, customer = called(ANNA, 10), created(ANNA)
    first, second = ([call, customer], [customer, call])[turn]
    late = front.handled(second)
    front.happen(first)
    with pytest.raises(ConcurrentUpdate):
        late.commit()
    front.happen(second)
    assert front.cards() == {"contacted": [ANNA]}


def test_two_appointments_at_the_same_moment_are_both_counted(front: Front) -> None:
    front.create(ANNA)
    other = event(
        "appointment.booked", ANNA, 30, dict(booked(ANNA, 30, price=0).data) | {"appointment_id": "another"}
    )
    late = front.handled(other)
    front.happen(booked(ANNA, 20))
    with pytest.raises(ConcurrentUpdate):
        late.commit()
    front.happen(other)
    assert front.counts() == {"appointment_set": (1, 5000)}


def test_merged_customers_are_one_card_and_apart_two_again(front: Front) -> None:
    front.create(ANNA, BOB)
    front.happen(booked(BOB, 20))
    before = front.get("/leads")
    front.happen(merged(ANNA, BOB))
    assert front.cards() == {"appointment_set": [ANNA]}
    assert front.counts() == {"appointment_set": (1, 5000)}
    assert front.get(f"/leads/{BOB}")["customer_id"] == ANNA
    front.happen(merged(ANNA, BOB, "unmerged", 3))
    assert stripped(front.get("/leads")) == stripped(before)


def stripped(board: Json) -> Json:
    """Without how often a card was elsewhere."""
    for column in board["columns"]:
        for card in column["cards"]:
            del card["version"]
    return board


# Walls.


def test_another_businesss_lead_is_not_there(front: Front) -> None:
    front.create(ANNA)
    assert front.cards(business="other") == {}
    answered(front.ask("GET", f"/leads/{ANNA}", business="other"), 404)
    front.move(ANNA, "lost", 404, business="other")
    assert front.get("/leads/funnel?from=2026-03-01&to=2026-04-01", business="other")["stages"][0]["entered"] == 0
    assert front.cards() == {"new_lead": [ANNA]}


def test_who_is_erased_is_not_there_any_more(front: Front) -> None:
    front.create(ANNA)
    front.happen(deleted(ANNA))
    answered(front.ask("GET", f"/leads/{ANNA}"), 404)
    front.move(ANNA, "lost", 404)
    assert front.counts() == {}


# The funnel.


def test_the_funnel_tells_how_leads_got_on(front: Front) -> None:
    front.create(ANNA, BOB, CLEO)
    front.happen(called(ANNA, 100), booked(BOB, 200), booked(BOB, 300, "completed"))
    front.move(CLEO, "lost", lost_reason="Too expensive")
    funnel = front.get("/leads/funnel?from=2026-03-01&to=2026-04-01")
    stages = {one["stage"]: one for one in funnel["stages"]}
    assert (stages["new_lead"]["entered"], stages["new_lead"]["moved_on"], stages["new_lead"]["lost"]) == (3, 2, 1)
    assert stages["new_lead"]["conversion"] == 0.6667
    assert stages["appointment_set"]["median_seconds"] == 100
    assert funnel["lost_reasons"] == [{"reason": "Too expensive", "source": "call", "count": 1}]
    assert funnel["sources"] == [{"source": "call", "entered": 3, "converted": 1, "lost": 1, "conversion": 0.3333}]
    assert funnel["is_partial"] is False


def test_the_funnel_is_of_a_period_and_a_source(front: Front) -> None:
    front.happen(created(ANNA, 0), created(BOB, 1, source="sms"))
    entered = {
        query: front.get(f"/leads/funnel?{query}")["stages"][0]["entered"]
        for query in (
            "from=2026-03-02&to=2026-03-03",
            "from=2026-03-03&to=2026-03-04",
            "from=2026-03-02T17:00:00.500Z&to=2026-03-02T18:00:00Z",
            "from=2026-03-02&to=2026-03-03&source=sms",
            "source=sms",
        )
    }
    assert list(entered.values()) == [2, 0, 1, 1, 1]


# What serves the queries.

COLUMN = {"business": "demo", "stage": {"$eq": "new_lead"}, **IS_SHOWN}


@pytest.mark.parametrize(
    ("collection", "query", "order"),
    [
        (LEADS, COLUMN, BY_RANK),
        (LEADS, COLUMN | {"source": {"$eq": "sms"}}, BY_RANK),
        (LEADS, COLUMN | {"segment": {"$eq": "vip"}}, BY_RANK),
        (LEADS, COLUMN, [("entered_at", 1)]),
        (VISITS, {"business": "demo", "entered_at": {"$gte": at(0), "$lt": at(1)}}, [("entered_at", -1)]),
    ],
)
def test_an_index_serves_each_query_in_its_order(
    front: Front, collection: str, query: Document, order: Sequence[tuple[str, int]]
) -> None:
    front.create(*(f"id-{number}" for number in range(30)))
    plan = str(
        front.database[collection].find(query).sort(list(order)).limit(21).explain()["queryPlanner"]["winningPlan"]
    )
    assert "IXSCAN" in plan
    assert "'SORT'" not in plan
    assert "COLLSCAN" not in plan
