"""The signature that Twilio puts on a webhook."""

from urllib.parse import urlsplit

from twilio.request_validator import RequestValidator

from onebox.simulate.model import Webhook

HEADER = "X-Twilio-Signature"


class Signer:
    """Signs over the public address that Twilio was told, wherever the webhook is really posted."""

    def __init__(self, public_url: str, token: str) -> None:
        self._base = signed_base(public_url)
        self._validator = RequestValidator(token)

    def sign(self, webhook: Webhook) -> str:
        signature: str = self._validator.compute_signature(self._base + webhook.path, dict(webhook.params))
        return signature


def signed_base(public_url: str) -> str:
    """Without user and password, for voice over https also without the port (docs/usage/security)."""
    parts = urlsplit(public_url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "https" and parts.port is not None:
        host = host.removesuffix(f":{parts.port}")
    return parts._replace(netloc=host, query="", fragment="").geturl().rstrip("/")
