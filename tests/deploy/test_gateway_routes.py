"""The gateway sends every route of every service to the service that has it."""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pymongo
import pytest

from ringback.clock import system_clock
from ringback.store.database import Database
from ringback_setup.services import SERVICES, package_name
from tests.unit.fakes import sample_settings

Route = Callable[[str], str]

# What DESIGN section 6 and the pages ask for, whether it is served yet or not.
CONTRACT = {
    "/": "customer",
    "/login": "customer",
    "/logout": "customer",
    "/settings": "customer",
    "/openapi.json": "customer",
    "/customers": "customer",
    "/customers/create": "customer",
    "/customers/abc": "customer",
    "/customers/abc/timeline": "customer",
    "/customers/abc/send-sms": "customer",
    "/customers/move-stage": "customer",
    "/customers/abc/move-stage": "pipeline",
    "/twilio/voice": "call-ingest",
    "/twilio/voice/dial": "call-ingest",
    "/twilio/sms/status": "call-ingest",
    "/twilio/nobody-knows-this": "call-ingest",
    "/calls": "call-ingest",
    "/calls/CA1/recording": "call-ingest",
    "/leads": "pipeline",
    "/leads/funnel": "pipeline",
    "/automations/abc/dry-run": "pipeline",
    "/webhook-endpoints/abc": "pipeline",
    "/webhook-deliveries/abc/replay": "pipeline",
    "/missed-calls": "recovery",
    "/missed-calls/abc/mark-handled": "recovery",
    "/messages": "notifier",
    "/opt-outs": "notifier",
    "/templates": "notifier",
    "/parts/missed-calls": "recovery",
    "/parts/calls": "call-ingest",
    "/parts/leads": "pipeline",
    "/parts/customers": "customer",
    "/parts/messages": "notifier",
    "/callsign": "customer",
    "/leadership": "customer",
}
# Every service has them, and any may answer.
EVERYWHERE = ("health.", "assets.")


@pytest.fixture(scope="session")
def route(root: Path) -> Route:
    """nginx's `map`: exact paths first, then the patterns in their order."""
    text = (root / "deploy/gateway/routes.conf").read_text()
    body = re.fullmatch(r"(?s).*map \$uri \$service \{(.*)\}\s*", text)
    assert body
    entries = [line.split() for line in body[1].splitlines() if line.strip() and not line.strip().startswith("#")]
    pairs = [(key, value.removesuffix(";")) for key, value in entries]
    exact = {key: value for key, value in pairs if not key.startswith("~")}
    patterns = [(re.compile(key[1:]), value) for key, value in pairs if key.startswith("~")]

    def service_of(path: str) -> str:
        if path in exact:
            return exact[path]
        return next((value for pattern, value in patterns if pattern.search(path)), exact["default"])

    return service_of


@pytest.mark.parametrize(("path", "service"), CONTRACT.items())
def test_the_contracts_paths(route: Route, path: str, service: str) -> None:
    assert route(path) == service


@pytest.mark.parametrize("service", SERVICES)
def test_every_rule_of_a_service_reaches_it(route: Route, service: str) -> None:
    package: Any = import_module(f"{package_name(service)}.app")
    client = cast("pymongo.MongoClient[dict[str, Any]]", pymongo.MongoClient(connect=False))
    try:
        app = package.create_app(sample_settings(), Database(client, "routes"), system_clock)
    finally:
        client.close()
    rules = [rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith(EVERYWHERE)]
    paths = [re.sub("<[^>]*>", "abc", rule.rule) for rule in rules]
    assert {path: route(path) for path in paths} == dict.fromkeys(paths, service)


def test_every_part_of_the_start_page_is_somebodys(route: Route) -> None:
    home: Any = import_module("customer.home")
    assert {f"/parts/{name}" for name in home.PARTS} <= set(CONTRACT)


def test_whoever_is_named_exists(route: Route) -> None:
    assert {route(path) for path in CONTRACT} == set(SERVICES)


def test_clients_do_not_say_who_they_are(root: Path) -> None:
    text = (root / "deploy/gateway/nginx.conf").read_text()
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in text
    assert "proxy_add_x_forwarded_for" not in text
    # nginx drops inherited headers where a location sets one of its own.
    assert text.count("proxy_set_header") == text.split("server {", 1)[0].count("proxy_set_header")
