"""docker-compose.yml as it is written: who is there, and what nobody may do."""

import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ringback_setup.definitions import USERS
from ringback_setup.services import SERVICES

PROCESSES = [f"{service}-{part}" for service in SERVICES for part in ("web", "worker")]
ONE_SHOTS = ["mongo-setup", "broker-setup", "indexes"]
BOUGHT_IN = ["gateway", "rabbitmq", "mongo"]
# RabbitMQ writes its cookie and its plugins beside its data.
WRITES = {"rabbitmq"}
REFERENCE = re.compile(r"(?P<name>[a-z-]+):(?P<tag>\$\{RINGBACK_VERSION:-[0-9.]+\}|[0-9][0-9a-z.-]*)")
TWILIO = {"twilio_account_sid", "twilio_auth_token", "twilio_generated"}


def secrets_of(service: dict[str, Any]) -> set[str]:
    return {secret if isinstance(secret, str) else secret["source"] for secret in service.get("secrets", [])}


def test_web_and_worker_of_every_service_and_nothing_unknown_are_there(compose: dict[str, Any]) -> None:
    assert sorted(compose["services"]) == sorted([*PROCESSES, *ONE_SHOTS, *BOUGHT_IN])


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_built_from_the_one_recipe(compose: dict[str, Any], name: str) -> None:
    service, part = name.rsplit("-", 1)
    found = compose["services"][name]
    assert found["build"]["dockerfile"] == "deploy/Dockerfile"
    assert found["build"]["args"] == {"SERVICE": service}
    assert found["command"] == [part]
    assert found["stop_grace_period"] == "30s"


@pytest.mark.parametrize("name", [*PROCESSES, *ONE_SHOTS, *BOUGHT_IN])
def test_nobody_has_more_rights_than_needed(compose: dict[str, Any], name: str) -> None:
    found = compose["services"][name]
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["user"] not in {"root", "0", "0:0"}
    assert found["read_only"] is (name not in WRITES)
    assert "privileged" not in found


@pytest.mark.parametrize("name", [*PROCESSES, *ONE_SHOTS, *BOUGHT_IN])
def test_every_image_has_a_version(compose: dict[str, Any], name: str) -> None:
    match = REFERENCE.fullmatch(compose["services"][name]["image"])
    assert match, compose["services"][name]["image"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_web_process_knows_its_own_database_and_no_broker(compose: dict[str, Any], service: str) -> None:
    found = compose["services"][f"{service}-web"]
    assert secrets_of(found) - TWILIO == {"secret_key", f"{service}_mongo_url"}
    assert "RINGBACK_BUS_URL_FILE" not in found["environment"]
    assert "bus" not in found["networks"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_worker_knows_its_own_database_and_its_own_user_of_the_broker(
    compose: dict[str, Any], service: str
) -> None:
    found = compose["services"][f"{service}-worker"]
    assert secrets_of(found) - TWILIO == {"secret_key", f"{service}_mongo_url", f"{service}_bus_url"}
    assert "web" not in found["networks"]
    # YAML merges of anchors: what is needed has arrived.
    assert found["environment"]["RINGBACK_DECLARES"] == "own"


def test_twilios_account_is_known_to_those_who_talk_with_twilio(compose: dict[str, Any]) -> None:
    knowing = {name for name, found in compose["services"].items() if secrets_of(found) & TWILIO}
    assert knowing == {"call-ingest-web", "call-ingest-worker", "notifier-worker"}


def test_only_the_gateway_is_published_and_only_to_this_machine(compose: dict[str, Any]) -> None:
    published = {name: found["ports"] for name, found in compose["services"].items() if "ports" in found}
    assert published == {"gateway": ["${RINGBACK_BIND:-127.0.0.1}:${RINGBACK_PORT:-8080}:8080"]}
    assert set(compose["services"]["gateway"]["networks"]) == {"public", "web"}
    assert all(compose["networks"][name].get("internal") for name in ("web", "store", "bus"))


@pytest.mark.parametrize("name", BOUGHT_IN)
def test_servers_have_a_health_check(compose: dict[str, Any], name: str) -> None:
    assert compose["services"][name]["healthcheck"]["test"][0] == "CMD"


def test_our_image_has_a_health_check_and_is_nobodys_root(root: Path) -> None:
    recipe = (root / "deploy/Dockerfile").read_text()
    last = recipe.split(" AS service\n")[1]
    assert "HEALTHCHECK" in last
    assert "USER 10001:10001" in last
    assert "--require-hashes" in recipe


def test_what_is_written_while_mongodb_is_away_outlives_the_container(compose: dict[str, Any]) -> None:
    assert compose["services"]["call-ingest-web"]["volumes"] == ["spool:/var/lib/ringback"]
    # And callers are answered whatever else is there, from the first moment.
    assert compose["services"]["call-ingest-web"]["depends_on"] == {}


def made_secrets(root: Path, folder: Path, *arguments: str, given: str = "") -> dict[str, str]:
    environ = os.environ | {"RINGBACK_SECRETS": str(folder)}
    script = root / "deploy/compose/make-secrets"
    subprocess.run([script, *arguments], env=environ, input=given, text=True, check=True, timeout=30)
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_all_secrets_are_made_and_used(compose: dict[str, Any], root: Path, tmp_path: Path) -> None:
    made = made_secrets(root, tmp_path / "secrets")
    assert set(made) == set(compose["secrets"])
    used = set().union(*(secrets_of(found) for found in compose["services"].values()))
    assert used == set(compose["secrets"])
    assert len(set(made.values())) == len(made)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {f"{user}_bus_url" for user in USERS} <= set(made)


def test_secrets_that_are_there_stay(root: Path, tmp_path: Path) -> None:
    before = made_secrets(root, tmp_path)
    assert made_secrets(root, tmp_path) == before


def test_an_account_at_twilio_takes_the_place_of_the_made_up_one(root: Path, tmp_path: Path) -> None:
    made_secrets(root, tmp_path)
    made = made_secrets(root, tmp_path, "--twilio", given="AC" + "1" * 32 + "\nits token\n")
    assert made["twilio_account_sid"] == "AC" + "1" * 32
    assert made["twilio_auth_token"] == "its token"
    assert made["twilio_generated"] == "no"
