"""Questions and answers over RabbitMQ (direct reply-to), with pika: customer lookups (DESIGN section 5, "Lookup")."""

from ringback.rpc.client import LookupClient
from ringback.rpc.errors import LookupRefused, LookupTimedOut, LookupUnavailable

__all__ = ["LookupClient", "LookupRefused", "LookupTimedOut", "LookupUnavailable"]
