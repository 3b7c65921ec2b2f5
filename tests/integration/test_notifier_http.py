"""The notifier's API as people of two businesses see it, on a real MongoDB."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from notifier.app import NAME, create_app
from notifier.outcomes import Accepted, Ambiguous, Refused
from notifier.store import INDEXES
from ringback.clock import rfc3339, system_clock
from ringback.seals import seal_with
from ringback.store.database import Database, open_database
from ringback.web.access import Principal, make_token
from tests.unit.fakes import SECRET, T0, at, sample_settings
from tests.unit.notifier.shop import ANNA, BOB, SID, Shop, deleted, received, requested, status_changed

Json = dict[str, Any]


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, NAME)
    database.ensure_indexes(INDEXES)
    yield database
    database.close()


class Api:
    def __init__(self, database: Database) -> None:
        settings = sample_settings()
        demo = settings.businesses["demo"]
        demo = replace(demo, texting=replace(demo.texting, per_second=1000))
        businesses = {"demo": demo, "other": replace(demo, key="other")}
        self.shop = Shop(database, businesses=businesses)
        served = replace(settings, businesses=businesses)
        self.client = create_app(served, database, self.shop.clock).test_client()

    def ask(
        self, method: str, path: str, role: str = "staff", business: str = "demo", **request: Any
    ) -> TestResponse:
        token = make_token(SECRET, Principal("olga", business, role), system_clock(), timedelta(hours=1))
        return self.client.open(path, method=method, headers={"Authorization": f"Bearer {token}"}, **request)

    def get(self, path: str, status: int = 200, **request: Any) -> Json:
        return answered(self.ask("GET", path, **request), status)


def answered(response: TestResponse, status: int = 200) -> Json:
    assert response.status_code == status, response.text
    answer: Json = response.get_json()
    return answer


@pytest.fixture
def api(database: Database) -> Api:
    return Api(database)


@pytest.fixture
def shop(api: Api) -> Shop:
    return api.shop


def test_the_seal_is_the_apps(api: Api, shop: Shop) -> None:
    """Else an opt-out by hand would be another contact's."""
    assert seal_with(SECRET)("x") == shop.reserving.seal("x")


def test_texts_are_listed_newest_first_and_found_by_what_they_are(api: Api, shop: Shop) -> None:
    shop.happen(
        requested("r1", customer_id="c1"),
        requested("r2", BOB, at(1)),
        requested("r3", body="", at=at(2)),
        requested("r4", business="other"),
    )
    shop.now = at(10)
    shop.reserve()

    def ids(query: str = "") -> list[str]:
        return [item["id"] for item in api.get(f"/messages{query}")["items"]]

    assert ids() == ["r3", "r2", "r1"]
    assert ids("?state=suppressed") == ["r3"]
    assert ids("?to=(415) 555-0101") == ["r2"]
    assert ids("?customer_id=c1") == ["r1"]
    first = api.get("/messages?limit=2")
    rest = api.get(f"/messages?limit=2&cursor={first['next']}")
    assert ([len(first["items"]), [one["id"] for one in rest["items"]]], rest["next"]) == ([2, ["r1"]], None)


@pytest.mark.parametrize("query", ["state=lost", "limit=0", "cursor=x", "purpose=marketing"])
def test_an_odd_query_is_refused_with_the_field(api: Api, query: str) -> None:
    assert query.partition("=")[0] in api.get(f"/messages?{query}", 422)["errors"]


def test_one_text_has_its_history(api: Api, shop: Shop) -> None:
    shop.happen(requested(expires_at=at(3600)), requested(body="Another"))
    shop.send(Accepted(SID, "queued"))
    shop.happen(status_changed("undelivered", at(5), error_code=30006))
    shown = api.get("/messages/r1")
    assert (shown["state"], shown["state_reason"], shown["error_code"]) == ("failed", "undelivered", 30006)
    assert (shown["segments"], shown["encoding"], shown["expires_at"]) == (1, "GSM-7", rfc3339(at(3600)))
    statuses = [line["status"] for line in shown["history"]]
    assert statuses == ["pending", "reserved", "queued", "undelivered"]
    assert [one["at"] for one in shown["refused"]] == [rfc3339(T0)]


def test_anothers_text_is_not_there(api: Api, shop: Shop) -> None:
    shop.happen(requested())
    api.get("/messages/r1", 404, business="other")
    assert api.get("/messages", business="other")["items"] == []
    unknown = api.ask("POST", "/messages/r1/resolve", "owner", "other", json={"outcome": "sent"})
    assert unknown.status_code == 404


def test_a_person_says_what_became_of_an_unknown_text(api: Api, shop: Shop) -> None:
    for number in range(3):
        shop.happen(requested(f"r{number}", body=f"Hello {number}"))
    shop.send(Ambiguous("ReadTimeout"))
    shop.wait(hours=25)
    shop.settle()
    assert api.get("/messages/status")["states"]["unknown"] == 3

    def resolve(request_id: str, outcome: str, status: int = 200, role: str = "owner") -> Json:
        path = f"/messages/{request_id}/resolve"
        return answered(api.ask("POST", path, role, json={"outcome": outcome}), status)

    resolve("r0", "sent", 403, "staff")
    assert resolve("r0", "sent")["state"] == "sent"
    assert resolve("r1", "failed")["state"] == "failed"
    assert resolve("r2", "retry")["state"] == "pending"
    assert resolve("r2", "retry", 409)["code"] == "not_resolvable"
    assert "outcome" in resolve("r2", "whatever", 422)["errors"]
    assert sorted(shop.told_types()) == ["sms.failed", "sms.sent"]
    assert [order.request_id for order in shop.reserve()] == ["r2"]


def test_what_stops_texts_is_shown(api: Api, shop: Shop) -> None:
    assert api.get("/messages/status")["account_pause"] is None
    shop.happen(requested())
    shop.send(Refused(401, 20003))
    pause = api.get("/messages/status")["account_pause"]
    assert (pause["reason"], pause["code"], pause["until"]) == ("unauthenticated", 20003, rfc3339(at(60)))


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"body": "Hi"}, {"text": "Hi", "encoding": "GSM-7", "segments": 1, "characters": 2}),
        ({"body": "😀" * 36}, {"text": "😀" * 36, "encoding": "UCS-2", "segments": 2, "characters": 36}),
        (
            {"template": "thanks", "name": "Anna"},
            {
                "text": "Hi Anna, thank you for visiting Bright Smile Dental!",
                "encoding": "GSM-7",
                "segments": 1,
                "characters": 52,
            },
        ),
    ],
)
def test_a_preview_says_what_a_text_takes(api: Api, body: Json, shown: Json) -> None:
    assert answered(api.ask("POST", "/messages/preview", json=body)) == shown


@pytest.mark.parametrize(("body", "status"), [({}, 422), ({"body": "a", "template": "b"}, 422), ({"body": ""}, 422)])
def test_an_odd_preview_is_refused(api: Api, body: Json, status: int) -> None:
    assert "body" in answered(api.ask("POST", "/messages/preview", json=body), status)["errors"]


def test_an_unknown_template_is_not_there(api: Api) -> None:
    assert api.ask("POST", "/messages/preview", json={"template": "none"}).status_code == 404


def test_templates_are_those_of_the_configuration(api: Api) -> None:
    items = {item["name"]: item for item in api.get("/templates")["items"]}
    assert set(items) == {"thanks", "call_back", "text_back.open", "text_back.closed"}
    assert items["thanks"]["template"] == "Hi {name}, thank you for visiting {business}!"
    assert items["thanks"]["segments"] == 1


# Opt-outs.


def test_who_opted_out_is_listed_and_may_be_asked_for(api: Api, shop: Shop) -> None:
    shop.happen(received("opt_out", "STOP"), received("opt_out", "QUIT", at(1), sender=BOB))
    items = api.get("/opt-outs")["items"]
    assert [item["phone"] for item in items] == [BOB, ANNA]
    [statement] = items[1]["statements"]
    assert (statement["about"], statement["keyword"]) == ("business/texted", "STOP")
    assert api.get("/opt-outs", business="other")["items"] == []
    first = api.get("/opt-outs?limit=1")
    assert [item["phone"] for item in api.get(f"/opt-outs?cursor={first['next']}")["items"]] == [ANNA]
    [asked] = api.get("/opt-outs?phone=2125550123")["items"]
    assert (asked["phone"], asked["opted_out"]) == (ANNA, True)
    [nobody] = api.get("/opt-outs?phone=%2B12125550199")["items"]
    assert (nobody["opted_out"], nobody["statements"]) == (False, [])
    assert "phone" in api.get("/opt-outs?phone=nobody", 422)["errors"]


def test_an_opt_out_by_hand_counts_and_is_told(api: Api, shop: Shop) -> None:
    shop.happen(requested())
    body = {"phone": "(212) 555-0123", "opted_out": True, "reason": "On the phone"}
    put = answered(api.ask("PUT", "/opt-outs", json=body))
    assert (put["phone"], put["opted_out"], put["statements"][0]["reason"]) == (ANNA, True, "On the phone")
    assert shop.reserve() == []
    assert shop.told_types() == ["contact.opted_out", "sms.suppressed"]
    shop.wait(seconds=1)
    answered(api.ask("PUT", "/opt-outs", json={"phone": ANNA, "opted_out": False}))
    shop.happen(requested("r2", at=shop.now))
    assert [order.request_id for order in shop.reserve()] == ["r2"]


def test_an_opt_out_of_this_sender_is_told_as_that(api: Api, shop: Shop) -> None:
    answered(api.ask("PUT", "/opt-outs", json={"phone": ANNA, "opted_out": True, "scope": "number"}))
    [told] = shop.told()
    assert (told.type, told.data["scope"]) == ("contact.opted_out", "number")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"phone": "nobody", "opted_out": True}, "phone"),
        ({"phone": {"$gt": ""}, "opted_out": True}, "phone"),
        ({"phone": ANNA}, "opted_out"),
        ({"phone": ANNA, "opted_out": "yes"}, "opted_out"),
        ({"phone": ANNA, "opted_out": True, "scope": "world"}, "scope"),
    ],
)
def test_an_odd_opt_out_is_refused(api: Api, body: Json, field: str) -> None:
    assert field in answered(api.ask("PUT", "/opt-outs", json=body), 422)["errors"]


def test_who_was_erased_is_listed_without_a_number(api: Api, shop: Shop) -> None:
    shop.happen(requested(customer_id="c1"), received("opt_out", "STOP"), deleted("c1", at(5)))
    assert [item["phone"] for item in api.get("/opt-outs")["items"]] == [None]
    [asked] = api.get("/opt-outs?phone=2125550123")["items"]
    assert asked["opted_out"]
    shown = api.get("/messages/r1")
    assert (shown["to"], shown["body"], shown["state_reason"]) == (None, None, "erased")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/messages"),
        ("GET", "/messages/r1"),
        ("GET", "/messages/status"),
        ("POST", "/messages/preview"),
        ("POST", "/messages/r1/resolve"),
        ("GET", "/templates"),
        ("GET", "/opt-outs"),
        ("PUT", "/opt-outs"),
    ],
)
def test_nobody_gets_in_without_a_token(api: Api, method: str, path: str) -> None:
    assert api.client.open(path, method=method).status_code == 401
