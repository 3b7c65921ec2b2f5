"""What the rules work on and what they find: stored webhooks in, facts out. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Identity = tuple[str, str]
"""Kind of a caller, and E.164 or the caller ID itself when it identifies nobody."""

Identify = Callable[[str], Identity]
"""A caller ID as Twilio sent it → who that is."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A stored raw request.

    `kind` is its route's, or `rest` for what Twilio's API told. `received_at` is when it was accepted, `known_at`
    when it reached the store: later if it waited in the spool. `answer` names what Twilio was told to do.
    """

    kind: str
    received_at: datetime
    known_at: datetime
    params: Mapping[str, str]
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """An event in the making; `cause` (with the SID it is about) is what its id is made from."""

    type: str
    at: datetime
    data: Mapping[str, Any]
    cause: tuple[str, ...] = ()


def in_order(webhook: Webhook) -> tuple[datetime, str, list[tuple[str, str]], datetime, str]:
    """A sort key that leaves nothing to the order in which webhooks are given."""
    return webhook.received_at, webhook.kind, sorted(webhook.params.items()), webhook.known_at, webhook.answer


def seconds_of(text: str | None) -> int | None:
    """A duration in seconds as Twilio writes it; None when it is missing or not a number."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 6:
        return None
    return int(text)


def moment_of(text: str | None) -> datetime | None:
    """A time that we noted from Twilio's API (ISO 8601 with zone)."""
    return datetime.fromisoformat(text) if text else None


def whole_characters(text: str) -> str:
    """JSON can escape half a character (RFC 8259 section 8.2), which no store can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
