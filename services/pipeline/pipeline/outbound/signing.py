"""Signatures and secrets of webhooks, by the Standard Webhooks specification (standardwebhooks.com).

A secret is stored nowhere: it is derived from RINGBACK_SECRET_KEY, the endpoint and how often it was rotated. Who has
the database alone has no secret; with another RINGBACK_SECRET_KEY all secrets are others.
"""

import base64
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime

from standardwebhooks import Webhook

Secret = Callable[[str, int], str]
"""(endpoint id, generation) → `whsec_…`."""

PREFIX = "whsec_"
PURPOSE = b"ringback webhook secrets 1"


def secrets_with(secret_key: str) -> Secret:
    """Secrets of 32 bytes; the specification asks for 24 to 64."""
    key = hmac.digest(secret_key.encode(), PURPOSE, "sha256")

    def secret(endpoint_id: str, generation: int) -> str:
        derived = hmac.digest(key, f"{endpoint_id}:{generation}".encode(), "sha256")
        return PREFIX + base64.b64encode(derived).decode()

    return secret


def signed_headers(secrets: Sequence[str], message_id: str, at: datetime, body: str) -> dict[str, str]:
    """The headers of one attempt at `at`: a signature by each secret, the newest first."""
    signatures = [Webhook(secret).sign(message_id, at, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
