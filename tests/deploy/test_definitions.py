"""Users and permissions of the broker, as they come out of the catalogue."""

import json
import re
from pathlib import Path

import pytest

from ringback.bus.topology import EXCHANGE, own_topology
from ringback.contracts.catalogue import EVENT_TYPES, consuming_services, subscriptions_of
from ringback.store.database import open_database
from ringback_setup.broker import hashed
from ringback_setup.definitions import USERS, definitions
from ringback_setup.services import SERVICES, database_name, indexes_of

QUEUES = ["{}", "{}.dead", "{}.parked", "{}.retry.5s", "{}.retry.3600s"]
PERMISSIONS = {entry["user"]: entry for entry in definitions()["permissions"]}
TOPICS = {entry["user"]: entry for entry in definitions()["topic_permissions"]}


def may(user: str, what: str, name: str) -> bool:
    return re.search(PERMISSIONS[user][what], name) is not None


def test_the_file_is_what_is_set_up(root: Path) -> None:
    """`make definitions` writes it."""
    assert json.loads((root / "deploy/rabbitmq/definitions.json").read_text()) == definitions()


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("owner", consuming_services())
def test_queues_are_their_owners_alone(user: str, owner: str) -> None:
    for queue in [pattern.format(owner) for pattern in QUEUES]:
        for what in ("configure", "write", "read"):
            assert may(user, what, queue) is (user == owner), (user, what, queue)


@pytest.mark.parametrize("user", USERS)
def test_nobody_makes_the_exchange_and_a_prefix_is_no_name(user: str) -> None:
    assert not may(user, "configure", EXCHANGE)
    assert not any(may(user, what, f"{user}.other") for what in ("configure", "write", "read"))
    assert not may(user, "configure", f"x{user}")


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_an_event_is_told_by_its_producers_alone(name: str) -> None:
    known = EVENT_TYPES[name]
    tellers = {user for user in USERS if re.search(TOPICS[user]["write"], name)}
    assert tellers == {known.producer, *known.also_by}
    assert all(may(user, "write", EXCHANGE) for user in tellers)


@pytest.mark.parametrize("service", consuming_services())
def test_a_service_may_bind_what_it_listens_to(service: str) -> None:
    assert may(service, "read", EXCHANGE)
    assert all(re.search(TOPICS[service]["read"], name) for name in subscriptions_of(service))


def test_a_service_declares_its_own_queues_alone() -> None:
    assert own_topology("customer").services == ("customer",)
    assert own_topology("somebody").services == ()
    assert own_topology("customer").exchange_exists


def test_passwords_are_kept_as_rabbitmq_documents_it() -> None:
    """The example of rabbitmq.com/docs/passwords#computing-password-hash."""
    assert hashed("test12", bytes.fromhex("908dc60a")) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


@pytest.mark.parametrize("service", SERVICES)
def test_a_services_role_is_for_the_database_that_the_service_opens(service: str) -> None:
    database = open_database("mongodb://127.0.0.1:9/ringback?connect=false", service)
    database.close()
    assert database.name == database_name(service)


def test_indexes_are_those_that_the_services_make() -> None:
    assert "raw_requests" in indexes_of("call-ingest")
    assert "customers" in indexes_of("customer")
