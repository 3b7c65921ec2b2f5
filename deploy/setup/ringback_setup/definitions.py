"""RabbitMQ's users and permissions, out of the catalogue of events: deploy/rabbitmq/definitions.json.

A service may configure its own queues, publish its own events and read its own queues. It may publish to the default
exchange, too, which is where retries, dead letters and replies go: RabbitMQ cannot say to which queues only.
"""

import json
import re
import sys
from collections.abc import Iterable
from typing import Any

from ringback.bus.topology import EXCHANGE, RETRY_SECONDS, dead_queue, parked_queue, retry_queue
from ringback.contracts.catalogue import BOOKING_SYSTEMS, EVENT_TYPES, consuming_services, subscriptions_of
from ringback.rpc.codec import QUEUE as LOOKUPS
from ringback_setup.services import SERVICES

VHOST = "ringback"
DEFAULT_EXCHANGE = "amq.default"
# Internal services that look customers up.
LOOKUP_USER = "lookups"
# Whoever scales workers by the length of their queues: it may look, and nothing else.
SCALER_USER = "scaler"
# All that publish or read, by the user's name; the name of its secret is `<user>_bus_url`.
USERS = (*SERVICES, BOOKING_SYSTEMS, LOOKUP_USER, SCALER_USER)


def definitions() -> dict[str, Any]:
    """Without users: their passwords are secrets, `broker` adds them."""
    return {
        "vhosts": [{"name": VHOST}],
        "permissions": [_permission(user) for user in USERS],
        "topic_permissions": [_topic_permission(user) for user in USERS],
    }


def show() -> None:
    json.dump(definitions(), sys.stdout, indent=2)
    sys.stdout.write("\n")


def _permission(user: str) -> dict[str, str]:
    own = _queues(user)
    listens, tells = user in consuming_services(), bool(_told_by(user))
    return {
        "user": user,
        "vhost": VHOST,
        "configure": _only(own),
        "write": _only([*own, *[EXCHANGE] * tells, *[DEFAULT_EXCHANGE] * (listens or user == LOOKUP_USER)]),
        "read": _only([*own, *[EXCHANGE] * listens]),
    }


def _topic_permission(user: str) -> dict[str, str]:
    names = {"write": _only(_told_by(user)), "read": _only(subscriptions_of(user))}
    return {"user": user, "vhost": VHOST, "exchange": EXCHANGE, **names}


def _told_by(user: str) -> list[str]:
    return [name for name, known in EVENT_TYPES.items() if user in (known.producer, *known.also_by)]


def _queues(user: str) -> list[str]:
    if user not in consuming_services():
        return []
    retries = [retry_queue(user, seconds) for seconds in RETRY_SECONDS]
    answered = [LOOKUPS] if LOOKUPS.startswith(f"{user}.") else []
    return [user, dead_queue(user), parked_queue(user), *retries, *answered]


def _only(names: Iterable[str]) -> str:
    """A pattern for these names and no other; for none of them, one that fits nothing."""
    listed = "|".join(re.escape(name) for name in names)
    return f"^({listed})$" if listed else "^$"
