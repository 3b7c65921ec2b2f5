"""RabbitMQ: users and permissions over its management API, then exchange, queues and bindings of all services."""

import base64
import hashlib
import os
import secrets
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import requests
import structlog

from ringback.bus.connection import Bus, discard
from ringback.errors import InvalidSettings, Transient, error_name
from ringback_setup.definitions import USERS, VHOST, definitions
from ringback_setup.secret_files import address, secret
from ringback_setup.waiting import patiently

SALT_BYTES = 4
ASK_SECONDS = 10.0

log = structlog.get_logger(__name__)


def prepare() -> None:
    host = os.environ.get("RINGBACK_SETUP_BROKER", "rabbitmq")
    name, password = secret("broker_admin_user"), secret("broker_admin_password")
    wanted = definitions() | {"users": [_user(user) for user in USERS]}
    patiently(lambda: _import(f"http://{host}:15672/api/definitions", (name, password), wanted))
    admin = f"amqp://{quote(name, safe='')}:{quote(password, safe='')}@{host}:5672/{VHOST}"
    patiently(lambda: _declare(Bus(admin)))
    log.info("setup.broker_ready", users=len(USERS))


def _user(name: str) -> dict[str, Any]:
    place = address(f"{name}_bus_url")
    if place.username != name:
        raise InvalidSettings(f"The secret {name}_bus_url is of another user.")
    return {
        "name": name,
        "password_hash": hashed(place.password or "", secrets.token_bytes(SALT_BYTES)),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": [],
    }


def hashed(password: str, salt: bytes) -> str:
    """As RabbitMQ keeps it (rabbitmq.com/docs/passwords#computing-password-hash)."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _import(url: str, credentials: tuple[str, str], wanted: dict[str, Any]) -> None:
    try:
        answer = requests.post(url, json=wanted, auth=credentials, timeout=ASK_SECONDS)
    except requests.RequestException as error:
        raise Transient(f"RabbitMQ's management is not there yet ({error_name(error)}).") from error
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        raise InvalidSettings("RabbitMQ refuses the administrator's password.")
    if not answer.ok:
        raise Transient(f"RabbitMQ did not take the definitions ({answer.status_code}).")


def _declare(bus: Bus) -> None:
    try:
        discard(bus.connect("setup"))
    except Exception as error:
        raise Transient(f"RabbitMQ did not take the topology ({error_name(error)}).") from error
