"""Outbound webhooks end to end: a receiver on this machine, the API, the delivery loop and a real MongoDB."""

import base64
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from werkzeug.test import TestResponse

from pipeline.app import create_app
from pipeline.automation import store as automation_store
from pipeline.automation.loops import automation_loops
from pipeline.events import subscriptions
from pipeline.indexes import INDEXES
from pipeline.outbound.client import NoAnswer, WebhookClient
from pipeline.outbound.delivering import MOST_AT_ONCE, Delivering, DeliveryLoop
from pipeline.outbound.signing import secrets_with
from pipeline.outbound.store import CLAIM, DELIVERIES, ENDPOINTS, claim, waiting_endpoints
from ringback.clock import system_clock
from ringback.contracts.envelope import decode, new_event
from ringback.seals import seal_with
from ringback.settings import load_settings
from ringback.store.database import OUTBOX, Database, open_database
from ringback.store.unit_of_work import UnitOfWork
from ringback.web.access import Principal, make_token
from tests.support.receiver import Receiver, serving, verified
from tests.support.waiting import eventually

SECRET = "s" * 40
ANNA = "+12125550123"
Json = dict[str, Any]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving(Receiver()) as one:
        yield one


class Shop:
    def __init__(self, database: Database, *allowed: str) -> None:
        settings = load_settings({"RINGBACK_SECRET_KEY": SECRET, "RINGBACK_WEBHOOK_ALLOW_PRIVATE": ",".join(allowed)})
        demo = settings.businesses["demo"]
        self.businesses = {"demo": demo, "other": replace(demo, key="other")}
        self.settings = replace(settings, businesses=self.businesses)
        self.database = database
        self.skew = timedelta()
        self.client = create_app(self.settings, database, self.clock).test_client()
        http = WebhookClient(settings.webhook_allow_private)
        self.delivering = Delivering(database, self.clock, http, secrets_with(SECRET), lambda: 0.5)

    def clock(self) -> datetime:
        """Now, as receivers check timestamps; moved on by `later`."""
        return system_clock() + self.skew

    def later(self, **time: float) -> None:
        self.skew += timedelta(**time)

    def ask(
        self, method: str, path: str, role: str = "owner", business: str = "demo", **request: Any
    ) -> TestResponse:
        token = make_token(SECRET, Principal("olga", business, role), system_clock(), timedelta(hours=1))
        return self.client.open(path, method=method, headers={"Authorization": f"Bearer {token}"}, **request)

    def endpoint(self, url: str, *events: str, **more: Any) -> Json:
        return answered(self.ask("POST", "/webhook-endpoints", json={"url": url, "events": events, **more}), 201)

    def test(self, endpoint: Json) -> str:
        """The id of the delivery of a test message."""
        answer = answered(self.ask("POST", f"/webhook-endpoints/{endpoint['id']}/test"), 202)
        return str(answer["delivery_id"])

    def attempt(self) -> int:
        """Every attempt that is due, one after the other; how many."""
        done = 0
        for endpoint_id in waiting_endpoints(self.database):
            while delivery := claim(self.database, endpoint_id, self.clock()):
                self.delivering.attempt(delivery)
                done += 1
        return done

    def delivery(self, delivery_id: str) -> Json:
        return answered(self.ask("GET", f"/webhook-deliveries/{delivery_id}", "staff"), 200)

    def shown(self, endpoint: Json) -> Json:
        return answered(self.ask("GET", f"/webhook-endpoints/{endpoint['id']}", "staff"), 200)

    def happen(self, event_type: str, subject: str, data: Json) -> None:
        event = new_event(
            event_type,
            business="demo",
            subject=subject,
            time=self.clock(),
            data=data,
            cause=(subject, event_type),
        )
        work = UnitOfWork(self.database, self.clock)
        subscriptions(self.businesses, self.clock, seal_with(SECRET))[event_type](work, [event])
        work.commit()

    def customer(self, customer_id: str = "c-1") -> str:
        data = {"name": "Anna Novak", "phone": ANNA, "phones": [ANNA], "email": None, "source": "call"}
        told = {"customer_id": customer_id, "segment": "lead", "revision": "000000000001.000000"}
        self.happen("customer.created", customer_id, data | told)
        return customer_id

    def move(self, customer_id: str, stage: str) -> None:
        answered(self.ask("POST", f"/customers/{customer_id}/move-stage", json={"stage": stage}), 200)

    def settle(self) -> None:
        """What was told of moves comes back, and facts set off what they do."""
        rows = self.database[OUTBOX].find({"type": "lead.stage_changed"})
        events = [decode(row["body"]) for row in rows]
        work = UnitOfWork(self.database, self.clock)
        subscriptions(self.businesses, self.clock, seal_with(SECRET))["lead.stage_changed"](work, events)
        work.commit()
        self.settle_facts()

    def settle_facts(self) -> None:
        for loop in automation_loops(self.database, self.businesses, self.clock, "worker"):
            loop.step()
            loop.close()


def answered(answer: TestResponse, status: int) -> Json:
    assert answer.status_code == status, answer.text
    assert isinstance(answer.json, dict)
    return answer.json


@pytest.fixture
def shop(mongo_url: str, receiver: Receiver) -> Iterator[Shop]:
    database = open_database(mongo_url, "pipeline")
    database.ensure_indexes(INDEXES)
    yield Shop(database, receiver.address)
    database.close()


# What is delivered.


def test_a_moved_lead_reaches_a_receiver_that_verifies_with_the_library_and_by_the_specification(
    shop: Shop, receiver: Receiver
) -> None:
    endpoint = shop.endpoint(receiver.url("/crm?from=ringback"), "lead_stage_changed")
    customer_id = shop.customer()
    shop.move(customer_id, "contacted")
    for _ in range(2):
        shop.settle()
    assert shop.attempt() == 1
    [received] = receiver.received
    assert Webhook(endpoint["secret"]).verify(received.body, received.headers) == received.payload
    assert verified(received, endpoint["secret"])
    assert received.path == "/crm?from=ringback"
    assert received.headers["content-type"] == "application/json"
    payload, data = received.payload, received.payload["data"]
    assert (payload["type"], data["previous_stage"], data["current_stage"]) == (
        "lead_stage_changed",
        "new_lead",
        "contacted",
    )
    assert data["customer"] == {"id": customer_id, "name": "Anna Novak", "phone": ANNA}
    assert (data["actor"], data["cause"]) == ("olga", "manual")
    assert data["seconds_in_previous_stage"] >= 0
    assert datetime.fromisoformat(payload["timestamp"]).tzinfo is not None


def test_a_receiver_takes_no_other_secret_nor_another_body(shop: Shop, receiver: Receiver) -> None:
    endpoint = shop.endpoint(receiver.url())
    shop.test(endpoint)
    shop.attempt()
    [received] = receiver.received
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets_with("t" * 40)(endpoint["id"], 1)).verify(received.body, received.headers)
    forged = replace(received, body=received.body.replace(b"olga", b"otto"))
    assert not verified(forged, endpoint["secret"])
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint["secret"]).verify(forged.body, forged.headers)


def test_an_automation_sends_to_an_endpoint_that_is_subscribed_to_nothing(shop: Shop, receiver: Receiver) -> None:
    endpoint = shop.endpoint(receiver.url())
    rule = {
        "name": "Tell the till",
        "trigger": {"type": "lead_stage_changed", "to": ["contacted"]},
        "actions": [{"type": "webhook", "endpoint_id": endpoint["id"]}],
    }
    rule_id = answered(shop.ask("POST", "/automations", json=rule), 201)["id"]
    shop.move(shop.customer(), "contacted")
    shop.settle()
    shop.attempt()
    [received] = receiver.received
    assert received.payload["data"]["automation"]["id"] == rule_id
    assert received.payload["data"]["customer"]["phone"] == ANNA
    [run] = shop.database[automation_store.RUNS].find()
    assert run["log"][0]["delivery_id"] == received.headers["webhook-id"]


# Secrets.


def test_a_secret_is_told_once_and_stored_nowhere(shop: Shop, receiver: Receiver) -> None:
    endpoint = shop.endpoint(receiver.url())
    assert len(base64.b64decode(endpoint["secret"].removeprefix("whsec_"))) == 32
    assert "secret" not in shop.shown(endpoint)
    names = shop.database.client[shop.database.name].list_collection_names()
    stored = str([row for name in names for row in shop.database[name].find()])
    assert endpoint["secret"].removeprefix("whsec_") not in stored


def test_while_a_secret_is_rotated_both_sign_and_then_only_the_new_one(shop: Shop, receiver: Receiver) -> None:
    endpoint = shop.endpoint(receiver.url())
    rotated = answered(shop.ask("POST", f"/webhook-endpoints/{endpoint['id']}/rotate-secret"), 200)
    assert rotated["secret"] != endpoint["secret"]
    assert rotated["previous_secret_until"] is not None
    shop.test(endpoint)
    shop.attempt()
    [both] = receiver.received
    assert len(both.headers["webhook-signature"].split(" ")) == 2
    for secret in (endpoint["secret"], rotated["secret"]):
        assert verified(both, secret)
        Webhook(secret).verify(both.body, both.headers)
    shop.database[ENDPOINTS].update_one({}, {"$set": {"previous_until": shop.clock()}})
    shop.test(endpoint)
    shop.attempt()
    assert verified(receiver.received[-1], rotated["secret"])
    assert not verified(receiver.received[-1], endpoint["secret"])


# When it fails.


def test_every_attempt_has_the_same_id_and_its_own_timestamp(shop: Shop, receiver: Receiver) -> None:
    receiver.status, receiver.body = 500, b"x" * 5000
    endpoint = shop.endpoint(receiver.url())
    delivery_id = shop.test(endpoint)
    assert shop.attempt() == 1
    assert shop.attempt() == 0
    shop.later(seconds=6)
    receiver.status, receiver.body = 204, b""
    assert shop.attempt() == 1
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery_id
    assert int(second.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    assert first.body == second.body
    delivery = shop.delivery(delivery_id)
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 2)
    assert [(entry["status"], len(entry["body"])) for entry in delivery["log"]] == [(500, 1024), (204, 0)]
    assert json.loads(delivery["payload"]) == first.payload
    assert shop.shown(endpoint)["failing_since"] is None


def test_retries_end_after_a_day(shop: Shop, receiver: Receiver) -> None:
    receiver.status = 503
    delivery_id, began = shop.test(shop.endpoint(receiver.url())), shop.clock()
    while shop.delivery(delivery_id)["state"] == "pending":
        due = datetime.fromisoformat(shop.delivery(delivery_id)["next_attempt_at"])
        shop.skew += max(due - shop.clock(), timedelta()) + timedelta(milliseconds=2)
        assert shop.attempt() == 1
    delivery = shop.delivery(delivery_id)
    assert (delivery["state"], delivery["reason"], delivery["attempts"]) == ("failed", "attempts_used_up", 10)
    assert timedelta(days=1) < shop.clock() - began < timedelta(days=1.5)


def test_who_asks_for_time_gets_it(shop: Shop, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 429, {"Retry-After": "600"}
    delivery_id = shop.test(shop.endpoint(receiver.url()))
    shop.attempt()
    shop.later(seconds=590)
    assert shop.attempt() == 0
    shop.later(seconds=11)
    receiver.status = 200
    assert shop.attempt() == 1
    assert shop.delivery(delivery_id)["state"] == "delivered"


def test_a_redirect_is_not_followed(shop: Shop, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 302, {"Location": receiver.url("/elsewhere")}
    delivery_id = shop.test(shop.endpoint(receiver.url()))
    shop.attempt()
    assert [received.path for received in receiver.received] == ["/hook"]
    assert shop.delivery(delivery_id)["log"][0]["status"] == 302
    assert shop.delivery(delivery_id)["state"] == "pending"


def test_an_endpoint_that_is_gone_is_disabled_with_what_waits_for_it(shop: Shop, receiver: Receiver) -> None:
    endpoint = shop.endpoint(receiver.url(), "customer_created")
    shop.customer("c-1")
    shop.settle_facts()
    receiver.status = 410
    shop.attempt()
    shown = shop.shown(endpoint)
    assert (shown["active"], shown["disabled_reason"]) == (False, "gone")
    assert shown["notices"][-1]["notice"] == "disabled: gone"
    shop.customer("c-2")
    shop.settle_facts()
    assert shop.database[DELIVERIES].count_documents({}) == 1
    assert shop.attempt() == 0


def test_after_five_days_of_nothing_but_failure_an_endpoint_is_disabled(shop: Shop, receiver: Receiver) -> None:
    receiver.status = 500
    endpoint = shop.endpoint(receiver.url(), "customer_created")
    shop.customer("c-1")
    shop.settle_facts()
    shop.attempt()
    failing_since = shop.shown(endpoint)["failing_since"]
    assert failing_since is not None
    shop.later(days=5)
    shop.customer("c-2")
    shop.settle_facts()
    shop.attempt()
    shown = shop.shown(endpoint)
    assert (shown["active"], shown["disabled_reason"]) == (False, "failing")
    assert shown["failing_since"] == failing_since
    again = answered(shop.ask("PUT", f"/webhook-endpoints/{endpoint['id']}", json={"active": True}), 200)
    assert (again["active"], again["failing_since"], again["disabled_at"]) == (True, None, None)


def test_what_comes_while_an_endpoint_is_off_is_canceled_and_can_be_sent_again(
    shop: Shop, receiver: Receiver
) -> None:
    endpoint = shop.endpoint(receiver.url(), "customer_created")
    shop.customer()
    shop.settle_facts()
    [row] = shop.database[DELIVERIES].find()
    answered(shop.ask("PUT", f"/webhook-endpoints/{endpoint['id']}", json={"active": False}), 200)
    shop.attempt()
    assert shop.delivery(row["_id"])["reason"] == "endpoint_disabled"
    replay = f"/webhook-deliveries/{row['_id']}/replay"
    assert answered(shop.ask("POST", replay), 409)["code"] == "endpoint_disabled"
    answered(shop.ask("PUT", f"/webhook-endpoints/{endpoint['id']}", json={"active": True}), 200)
    assert answered(shop.ask("POST", replay), 202)["state"] == "pending"
    assert answered(shop.ask("POST", replay), 409)["code"] == "pending"
    shop.attempt()
    assert [received.headers["webhook-id"] for received in receiver.received] == [row["_id"]]
    assert shop.delivery(row["_id"])["state"] == "delivered"


def test_an_endpoint_that_is_deleted_is_sent_nothing_more(shop: Shop, receiver: Receiver) -> None:
    endpoint = shop.endpoint(receiver.url())
    delivery_id = shop.test(endpoint)
    assert shop.ask("DELETE", f"/webhook-endpoints/{endpoint['id']}").status_code == 204
    assert shop.attempt() == 0
    assert shop.delivery(delivery_id)["reason"] == "endpoint_deleted"
    assert answered(shop.ask("POST", f"/webhook-deliveries/{delivery_id}/replay"), 409)["code"] == "endpoint_disabled"


def test_who_is_deleted_is_in_no_delivery_and_nothing_of_them_is_sent_again(shop: Shop, receiver: Receiver) -> None:
    receiver.body = b"got Anna Novak"
    shop.endpoint(receiver.url(), "customer_created")
    customer_id = shop.customer()
    shop.settle_facts()
    shop.attempt()
    shop.happen("customer.deleted", customer_id, {"customer_id": customer_id})
    [row] = shop.database[DELIVERIES].find()
    assert "Anna" not in str(row)
    assert ANNA not in str(row)
    assert (row["state"], row["customer_id"]) == ("delivered", None)
    assert answered(shop.ask("POST", f"/webhook-deliveries/{row['_id']}/replay"), 409)["code"] == "erased"


# Workers.


def test_of_two_workers_one_gets_a_delivery_and_the_other_when_the_first_died(shop: Shop, receiver: Receiver) -> None:
    endpoint = shop.endpoint(receiver.url())
    delivery_id = shop.test(endpoint)
    dead = claim(shop.database, endpoint["id"], shop.clock())
    assert dead is not None
    assert claim(shop.database, endpoint["id"], shop.clock()) is None
    shop.later(seconds=CLAIM.total_seconds())
    assert shop.attempt() == 1
    shop.delivering.attempt(dead)  # it was not dead, but slow
    assert (shop.delivery(delivery_id)["attempts"], len(receiver.received)) == (1, 2)


@contextmanager
def running(shop: Shop) -> Iterator[Callable[[], float]]:
    loop = DeliveryLoop(shop.delivering, shop.database, shop.clock)
    yield loop.step
    loop.close()


def test_a_slow_receiver_holds_up_no_other(mongo_url: str, receiver: Receiver) -> None:
    database = open_database(mongo_url, "pipeline")
    database.ensure_indexes(INDEXES)
    with serving(Receiver()) as slow:
        shop = Shop(database, receiver.address, slow.address)
        slow.held.clear()
        stuck = shop.endpoint(slow.url())
        for _ in range(10):
            shop.test(stuck)
        prompt = [shop.test(shop.endpoint(receiver.url())) for _ in range(5)]
        with running(shop) as step:
            eventually(lambda: (step(), len(receiver.received) == len(prompt))[1])
            eventually(lambda: len(slow.received) == MOST_AT_ONCE)
            assert all(eventually(lambda one=one: shop.delivery(one)["state"] == "delivered") for one in prompt)  # type: ignore[misc]
            slow.held.set()
            eventually(lambda: (step(), len(slow.received) == 10)[1])
    assert database[DELIVERIES].count_documents({"state": "delivered"}) == 15
    database.close()


def test_what_waits_is_found_by_an_index(shop: Shop, receiver: Receiver) -> None:
    for _ in range(3):
        shop.test(shop.endpoint(receiver.url()))
    plan = shop.database.client[shop.database.name].command(
        "explain",
        {"distinct": DELIVERIES, "key": "endpoint_id", "query": {"state": "pending"}},
        verbosity="executionStats",
    )
    assert "DISTINCT_SCAN" in str(plan["queryPlanner"]["winningPlan"])


# The client itself, on a real socket.


def test_a_receiver_that_drips_is_broken_off_in_time(receiver: Receiver) -> None:
    receiver.drips = True
    client = WebhookClient(frozenset({receiver.address}), total_seconds=0.4)
    began = time.monotonic()
    answer = client.post(receiver.url(), b"{}", {})
    assert time.monotonic() - began < 5
    assert (answer.status, len(answer.body) <= 1024) == (200, True)


@pytest.mark.parametrize("location", [b"/elsewhere", b"http://[::1", b"http://a/\xff"])
def test_a_redirect_is_an_answer_of_which_no_more_is_read_than_of_any_other(location: bytes) -> None:
    """Nor is it looked at where it leads: neither an endless body nor an odd address harms."""
    sent = 0

    def redirect(server: socket.socket) -> None:
        nonlocal sent
        with server.accept()[0] as connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\n\r\n")
            while sent < 64 * 2**20:
                sent += connection.send(bytes(2**16))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=redirect, args=(server,))
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        answer = WebhookClient(frozenset({address})).post(f"http://{address}/", b"{}", {})
        thread.join()
    assert answer.status == 302
    assert sent < 64 * 2**20


def test_a_receiver_that_says_nothing_is_broken_off_in_time(receiver: Receiver) -> None:
    receiver.held.clear()
    client = WebhookClient(frozenset({receiver.address}), total_seconds=0.4)
    began = time.monotonic()
    with pytest.raises(NoAnswer) as broken:
        client.post(receiver.url(), b"{}", {})
    assert broken.value.code == "timeout"
    assert time.monotonic() - began < 5


def test_a_receiver_that_is_not_there_is_told_apart() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NoAnswer) as broken:
        WebhookClient(frozenset({address})).post(f"http://{address}/", b"{}", {})
    assert broken.value.code == "connection_refused"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of `hooks.example.com`, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    name = ["-subj", "/CN=hooks.example.com", "-addext", "subjectAltName=DNS:hooks.example.com"]
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*new, *name, *files], check=True, capture_output=True, timeout=30)
    return certificate, key


def test_tls_is_checked_against_the_name_in_the_url_not_the_address(certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with serving(Receiver(), context) as secure:
        allowed = frozenset(f"{host}:{secure.port}" for host in ("hooks.example.com", "other.example.com"))
        client = WebhookClient(allowed, lambda _host, _port: ["127.0.0.1"], verify=str(certificate[0]))
        assert client.post(f"https://hooks.example.com:{secure.port}/", b"{}", {}).status == 200
        for untrusting, host in (
            (client, "other.example.com"),
            (replace(client, verify=True), "hooks.example.com"),
        ):
            with pytest.raises(NoAnswer) as refused:
                untrusting.post(f"https://{host}:{secure.port}/", b"{}", {})
            assert refused.value.code == "tls"


# Endpoints over HTTP.


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ({"url": "http://hooks.example.com/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "https://localhost/"}, "url"),
        ({}, "url"),
        ({"url": "https://hooks.example.com/", "events": ["call_started"]}, "events"),
        ({"url": "https://hooks.example.com/", "secret": "whsec_mine"}, "secret"),
        ({"url": 7}, "url"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused_by_field(shop: Shop, body: Json, bad: str) -> None:
    assert bad in answered(shop.ask("POST", "/webhook-endpoints", json=body), 422)["errors"]


def test_a_change_of_the_url_is_checked_and_by_version(shop: Shop, receiver: Receiver) -> None:
    endpoint = shop.endpoint(receiver.url(), description="Till")
    path = f"/webhook-endpoints/{endpoint['id']}"
    assert shop.ask("PUT", path, json={"url": "https://[::1]/"}).status_code == 422
    changed = answered(shop.ask("PUT", path, json={"events": ["customer_created"], "version": 1}), 200)
    assert (changed["events"], changed["description"], changed["version"]) == (["customer_created"], "Till", 2)
    assert answered(shop.ask("PUT", path, json={"events": [], "version": 1}), 409)["code"] == "stale_version"


def test_staff_read_and_only_owners_write(shop: Shop, receiver: Receiver) -> None:
    endpoint = shop.endpoint(receiver.url())
    delivery_id = shop.test(endpoint)
    path = f"/webhook-endpoints/{endpoint['id']}"
    writing = [("POST", "/webhook-endpoints"), ("PUT", path), ("DELETE", path), ("POST", f"{path}/rotate-secret")]
    writing += [("POST", f"{path}/test"), ("POST", f"/webhook-deliveries/{delivery_id}/replay")]
    for method, one in writing:
        assert shop.ask(method, one, "staff", json={"url": receiver.url()}).status_code == 403
    for one in ("/webhook-endpoints", path, f"{path}/deliveries", f"/webhook-deliveries/{delivery_id}"):
        assert shop.ask("GET", one, "staff").status_code == 200
    reading = [("GET", path), ("GET", f"{path}/deliveries"), ("GET", f"/webhook-deliveries/{delivery_id}")]
    for method, one in [*writing[1:], *reading]:
        body: Json = {"json": {}} if method == "PUT" else {}
        assert shop.ask(method, one, business="other", **body).status_code == 404
    assert answered(shop.ask("GET", "/webhook-endpoints", business="other"), 200)["items"] == []


def test_deliveries_are_listed_newest_first_without_what_they_said(shop: Shop, receiver: Receiver) -> None:
    endpoint = shop.endpoint(receiver.url())
    ids = []
    for _ in range(3):
        ids.append(shop.test(endpoint))
        shop.later(seconds=1)
    first = answered(shop.ask("GET", f"/webhook-endpoints/{endpoint['id']}/deliveries?limit=2"), 200)
    rest = answered(
        shop.ask("GET", f"/webhook-endpoints/{endpoint['id']}/deliveries?limit=2&cursor={first['next']}"), 200
    )
    assert [item["id"] for item in (*first["items"], *rest["items"])] == ids[::-1]
    assert "payload" not in first["items"][0]
