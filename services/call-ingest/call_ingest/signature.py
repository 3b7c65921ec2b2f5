"""Twilio's request signature: who may speak to the webhooks.

Rules: twilio.com/docs/usage/security#validating-requests and twilio.com/docs/usage/webhooks/webhook-shared-keys.
The URL is the *configured* public address with the path and query exactly as they came, never the Host header.
Fails closed: without a token or shared key nothing is valid. A request never chooses how it is checked; it may
only name one of the configured shared keys.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, SIGNATURE_HEADER, SIGNATURE_SETTINGS_HEADER
from werkzeug.datastructures import Headers

from ringback.errors import Forbidden
from ringback.settings import SharedKey

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
BODY_HASH = "bodySHA256"
MAX_FIELDS = 1000
DIGESTS = {HMAC_SHA1: "sha1", HMAC_SHA256: "sha256"}
DEFAULT_PORTS = {"http": 80, "https": 443}

Params = list[tuple[str, str]]
RequestHeaders = Headers | Mapping[str, str]
"""Werkzeug's, which are no Mapping, or the like: names in any case."""
Sign = Callable[[str], str]
"""Text → signature, with one secret and one algorithm."""


class Unsigned(Forbidden):
    """Not signed by Twilio with one of our secrets, or for another account."""

    code = "unsigned"


class SignatureCheck:
    """Built once from configuration and never changed.

    Tokens are tried in turn, so that one can be rotated. A request signed with a shared key says so in a header:
    then that key alone counts, with the algorithm that is configured for it. An empty secret never counts.
    """

    def __init__(
        self, public_url: str, account_sid: str, tokens: Sequence[str], shared_keys: Sequence[SharedKey] = ()
    ) -> None:
        self._addresses: Final = _addresses(public_url)
        self._account_sid: Final = account_sid
        self._with_tokens: Final = tuple(_signer(token, HMAC_SHA1) for token in tokens if token)
        self._with_shared_keys: Final = {
            _named_in(f"key={key.id},algorithm={key.algorithm}"): (_signer(key.secret, key.algorithm),)
            for key in shared_keys
            if key.secret
        }

    def verify(self, target: str, body: bytes, headers: RequestHeaders, mimetype: str) -> Params:
        """The parameters of a form, or of a JSON object, in order and with repeats and blanks.

        `target` is the request's path and query, byte for byte (see `path_and_query`). Of JSON, null is an empty
        text, a list of texts a repeated name, and everything else compact JSON. Whatever comes from outside,
        nothing but Unsigned is raised.
        """
        if not target.isascii():
            raise Unsigned("The address is not ASCII.")
        _check_body_hash(target, body, required=mimetype == JSON)
        params = self._signed_params(target, body, headers, mimetype)
        self._check_account(params)
        return params

    def _signed_params(self, target: str, body: bytes, headers: RequestHeaders, mimetype: str) -> Params:
        if mimetype == FORM:
            params = _form(body)
            self._check_signature(target, params, headers)
            return params
        if mimetype == JSON:
            self._check_signature(target, [], headers)  # signs the body's hash, in the query
            return _json_object(body)
        raise Unsigned("Neither a form nor JSON.")

    def _check_signature(self, target: str, params: Params, headers: RequestHeaders) -> None:
        signature = headers.get(SIGNATURE_HEADER, "")
        if not signature or not signature.isascii():
            raise Unsigned("The signature is missing or malformed.")
        form = "".join(name + value for name, value in sorted(set(params)))
        signers = self._signers(headers.get(SIGNATURE_SETTINGS_HEADER))
        expected = (sign(address + target + form) for sign in signers for address in self._addresses)
        if not any(hmac.compare_digest(one, signature) for one in expected):
            raise Unsigned("The signature does not fit.")

    def _signers(self, signature_settings: str | None) -> Sequence[Sign]:
        if signature_settings is None:
            return self._with_tokens
        return self._with_shared_keys.get(_named_in(signature_settings), ())

    def _check_account(self, params: Params) -> None:
        """A request that names no account is ours: some callbacks lack it, and the secret is our account's."""
        accounts = {value for name, value in params if name == "AccountSid" and value.strip()}
        if accounts - {self._account_sid}:
            raise Unsigned("Another account's request.", code="unknown_account")


def _addresses(public_url: str) -> tuple[str, ...]:
    """What Twilio may have signed for the public address, the usual first.

    Voice over HTTPS leaves out user, password and port, the rest leaves out user and password only, and Twilio's
    own libraries accept the default port besides.
    """
    parts = urlsplit(public_url)
    credentials, at, host_and_port = parts.netloc.rpartition("@")
    host = host_and_port if parts.port is None else host_and_port.rpartition(":")[0]
    hosts = dict.fromkeys((host_and_port, host, f"{host}:{DEFAULT_PORTS[parts.scheme]}"))
    users = dict.fromkeys(("", credentials + at))
    return tuple(f"{parts.scheme}://{user}{host}{parts.path}" for user in users for host in hosts)


def _signer(secret: str, algorithm: str) -> Sign:
    return partial(_signature, hmac.new(secret.encode(), digestmod=DIGESTS[algorithm]))


def _signature(keyed: hmac.HMAC, text: str) -> str:
    code = keyed.copy()
    code.update(text.encode())
    return base64.b64encode(code.digest()).decode()


def _named_in(signature_settings: str) -> tuple[str, ...]:
    """The header's parts in any order; what is missing, repeated or unknown makes it another key's."""
    return tuple(sorted(part.strip() for part in signature_settings.split(",")))


def _check_body_hash(target: str, body: bytes, *, required: bool) -> None:
    """Each hash that the query names is the body's; a form that names one is held to it too.

    Without that, a signed request with a JSON body could be sent again with an empty form.
    """
    pairs = (pair.partition("=") for pair in target.partition("?")[2].split("&"))
    named = [value for name, _, value in pairs if name == BODY_HASH]
    if required and not named:
        raise Unsigned(f"{BODY_HASH} is missing.")
    actual = hashlib.sha256(body).hexdigest()
    if not all(hmac.compare_digest(value, actual) for value in named):
        raise Unsigned(f"{BODY_HASH} does not fit.")


def _form(body: bytes) -> Params:
    """As the standard library's parse_qsl with blanks kept, in a quarter of its time: most parts hold no escape."""
    try:
        text = body.decode("ascii").replace("+", " ")
        params = [_unescaped(pair) for pair in text.split("&") if pair]
    except UnicodeError as error:  # what is not URL-encoded UTF-8 cannot have been signed
        raise Unsigned("The body is not a form.") from error
    if len(params) > MAX_FIELDS:
        raise Unsigned("The form has too many fields.")
    return params


def _unescaped(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    if "%" not in pair:
        return name, value
    return unquote(name, errors="strict"), unquote(value, errors="strict")


def _json_object(body: bytes) -> Params:
    try:
        document = json.loads(body.decode())
        if not isinstance(document, dict):
            raise Unsigned("The body is not a JSON object.")
        params = [(name, text) for name, value in document.items() for text in _texts(value)]
        "".join(name + text for name, text in params).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise Unsigned("The body is not JSON.") from error
    return params


def _texts(value: Any) -> list[str]:
    if value is None:
        return [""]
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return [json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))]


def path_and_query(raw_uri: str) -> str:
    """A request line's target without scheme and host (RFC 9112 allows the absolute form) and fragment."""
    target = raw_uri.partition("#")[0]
    if target.startswith("/"):
        return target
    after_host = target.partition("://")[2].partition("/")
    return after_host[1] + after_host[2]
