"""A message as it goes out, and what came back of a publish."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ringback.bus.topology import EXCHANGE
from ringback.contracts.envelope import CONTENT_TYPE


@dataclass(frozen=True, slots=True)
class Message:
    """`mandatory`: somebody must get it, else the publish reports it as unroutable. `expires_ms`: its TTL."""

    id: str
    body: str | bytes
    routing_key: str
    exchange: str = EXCHANGE
    headers: Mapping[str, str] = field(default_factory=dict)
    mandatory: bool = True
    expires_ms: int | None = None
    content_type: str = CONTENT_TYPE


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it came in; `tag` acknowledges it on the channel that it came by."""

    body: bytes
    headers: Mapping[str, str]
    message_id: str
    tag: object
