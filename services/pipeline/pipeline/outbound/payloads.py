"""What a webhook says: `{type, timestamp, data}`, as Standard Webhooks recommends. Pure."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ringback.clock import rfc3339

# What endpoints can subscribe to, and rules can begin with.
KINDS = (
    "lead_stage_changed",
    "segment_changed",
    "appointment_completed",
    "missed_call_opened",
    "customer_created",
)
TEST = "test"


def body_of(kind: str, at: datetime, data: Mapping[str, Any]) -> str:
    """The text that is signed and sent, the same in every attempt. `at`: when it happened."""
    payload = {"type": kind, "timestamp": rfc3339(at), "data": data}
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False, default=rfc3339)


def message_id(endpoint_id: str, *cause: str) -> str:
    """The id of the message that `cause` leads to at an endpoint: the same cause always makes the same id."""
    return "msg_" + hashlib.sha256(json.dumps([endpoint_id, *cause]).encode()).hexdigest()[:32]
