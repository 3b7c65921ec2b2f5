"""The signature that Twilio puts on a webhook."""

from functools import lru_cache
from urllib.parse import urlsplit

from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from onebox.simulate.model import SMS, SMS_STATUS, Webhook

HEADER = "X-Twilio-Signature"


class Signer:
    """Signs over the public address that Twilio was told, wherever the webhook is really posted."""

    def __init__(self, public_url: str, token: str) -> None:
        self._public_url = public_url
        self._validator = RequestValidator(token)

    def sign(self, webhook: Webhook) -> str:
        url = signed_base(self._public_url, webhook.path) + webhook.path
        signature: str = self._validator.compute_signature(url, MultiDict(webhook.params))
        return signature


@lru_cache(maxsize=16)
def signed_base(public_url: str, path: str) -> str:
    """Without user and password, for voice over https also without the port (docs/usage/security)."""
    is_text = path in (SMS, SMS_STATUS)
    parts = urlsplit(public_url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "https" and parts.port is not None and not is_text:
        host = host.removesuffix(f":{parts.port}")
    return parts._replace(netloc=host, query="", fragment="").geturl().rstrip("/")
