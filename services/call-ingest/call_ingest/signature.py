"""Twilio's request signature: who may speak to the webhooks.

Rules: twilio.com/docs/usage/security#validating-requests. The URL is the *configured* public address with the
path and query exactly as they came, never the Host header. Fails closed: without a token nothing is valid.
"""

from collections.abc import Sequence
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from ringback.errors import Forbidden

MAX_FIELDS = 1000

Params = list[tuple[str, str]]


class Unsigned(Forbidden):
    """Not signed by Twilio with one of our tokens, or for another account."""

    code = "unsigned"


class SignatureCheck:
    """Checks with each token in turn, so that a token can be rotated."""

    def __init__(self, public_url: str, account_sid: str, tokens: Sequence[str]) -> None:
        self._public_url = public_url
        self._account_sid = account_sid
        self._validators = [RequestValidator(token) for token in tokens if token]

    def verify(self, target: str, body: bytes, signature: str | None) -> Params:
        """The form's parameters, in order and with repeats and blanks.

        `target` is the request's path and query, byte for byte (see `path_and_query`). Whatever comes from
        outside, nothing but Unsigned is raised.
        """
        if not signature:
            raise Unsigned("The signature is missing.")
        params = _parse(body)
        url = self._public_url + target
        form = MultiDict(params)
        if not any(validator.validate(url, form, signature) for validator in self._validators):
            raise Unsigned("The signature does not fit.")
        if form.get("AccountSid") != self._account_sid:
            raise Unsigned("Another account's request.", code="unknown_account")
        return params


def _parse(body: bytes) -> Params:
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:  # UnicodeError included: what is not URL-encoded UTF-8 cannot have been signed
        raise Unsigned("The body is not a form.") from error


def path_and_query(raw_uri: str) -> str:
    """A request line's target without scheme and host (RFC 9112 allows the absolute form) and fragment."""
    target = raw_uri.partition("#")[0]
    if target.startswith("/"):
        return target
    after_host = target.partition("://")[2].partition("/")
    return after_host[1] + after_host[2]
