"""Settings out of the environment and `businesses.toml`; every problem is named in one message.

`X_FILE` reads the value of `X` from a file (Docker and Kubernetes secrets).
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from ringback.businesses import Business, BusinessesSchema, duplicate_numbers
from ringback.errors import InvalidSettings

DEFAULT_PORT = 8080
ALL, OWN = "all", "own"
HOST_AND_PORT = re.compile(r"[^\s:/@]+:[0-9]{1,5}", re.ASCII)
SHARED_KEY = re.compile(r"([^\s:]+):(HMAC_SHA1|HMAC_SHA256):(\S+)")


@dataclass(frozen=True)
class SharedKey:
    """A secret other than the auth token that Twilio signs with (twilio.com/docs/usage/webhooks/webhook-shared-keys).

    The algorithm belongs to the key: a request does not choose it.
    """

    id: str
    algorithm: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """What a process was told. `twilio_auth_tokens` are tried in turn, so that a token can be rotated.

    `internal_url` is the gateway as services reach it: the start page is made of what they answer there.
    `health_port` is where a worker answers for its health; `proxy_hops` how many proxies of ours stand before a web
    process; `declares` whether a worker declares ALL queues or its OWN.
    `twilio_account_known` says whether Twilio's REST API may be asked: never with an account that was made up.
    `webhook_allow_private`: `host:port` to which webhooks may go over http and inside the network.
    """

    mongo_url: str | None = field(repr=False)
    bus_url: str | None = field(repr=False)
    port: int
    data: Path
    public_url: str
    internal_url: str
    secret_key: str | None = field(repr=False)
    twilio_account_sid: str | None
    twilio_account_known: bool
    twilio_auth_tokens: tuple[str, ...] = field(repr=False)
    twilio_shared_keys: tuple[SharedKey, ...] = field(repr=False)
    twilio_api_base_url: str | None
    webhook_allow_private: frozenset[str]
    businesses: Mapping[str, Business]
    health_port: int | None = None
    proxy_hops: int = 0
    declares: str = ALL

    def business_of(self, number: str) -> Business | None:
        """The business that owns a number that was dialled or written to (E.164, over WhatsApp with that prefix)."""
        return self._by_number.get(number.removeprefix("whatsapp:"))

    @cached_property
    def _by_number(self) -> Mapping[str, Business]:
        return {number: business for business in self.businesses.values() for number in business.numbers}


def generated_mark(name: str) -> str:
    """The variable that says that the value of `name` was generated, not set by hand."""
    return f"{name}_GENERATED"


class WebAddress(fields.String):
    """An http(s) address without a trailing slash, query or fragment."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if not _is_web_address(text):
            raise ValidationError("Not an http(s) address.")
        return text.rstrip("/")


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        odd = parts.query or parts.fragment or parts.port == 0 or set(text) & set("?# \t")
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not odd


class CommaSeparated(fields.Field[tuple[str, ...]]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        return tuple(part.strip() for part in str(value).split(",") if part.strip())


class Addresses(CommaSeparated):
    """Comma-separated `host:port`, in lower case."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        addresses = super()._deserialize(str(value).lower(), attr, data, **kwargs)
        if not all(HOST_AND_PORT.fullmatch(address) for address in addresses):
            raise ValidationError("Not host:port, as in hooks.test:8080.")
        return addresses


class SharedKeys(fields.Field[tuple[SharedKey, ...]]):
    """Comma-separated `id:algorithm:secret`. What is malformed is named by its place: any part may be a secret."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[SharedKey, ...]:
        texts = CommaSeparated().deserialize(value)
        matches = [SHARED_KEY.fullmatch(text) for text in texts]
        malformed = [str(place) for place, match in enumerate(matches, start=1) if match is None]
        if malformed:
            raise ValidationError(f"Not id:HMAC_SHA1:secret or id:HMAC_SHA256:secret: number {', '.join(malformed)}.")
        keys = tuple(SharedKey(*match.groups()) for match in matches if match)
        if len({key.id for key in keys}) < len(keys):
            raise ValidationError("Two keys have the same id.")
        return keys


class EnvironmentSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    mongo_url = fields.String(
        data_key="RINGBACK_MONGO_URL",
        load_default=None,
        validate=validate.Regexp(r"mongodb(\+srv)?://.", error="Not a mongodb:// address."),
    )
    bus_url = fields.String(
        data_key="RINGBACK_BUS_URL",
        load_default=None,
        validate=validate.Regexp(r"(amqps?|mongodb(\+srv)?)://", error="Not an amqp:// or mongodb:// address."),
    )
    port = fields.Integer(
        data_key="RINGBACK_PORT", load_default=DEFAULT_PORT, validate=validate.Range(min=1, max=65535)
    )
    data = fields.String(data_key="RINGBACK_DATA", load_default="./var")
    public_url = WebAddress(data_key="RINGBACK_PUBLIC_URL", load_default=None)
    internal_url = WebAddress(data_key="RINGBACK_INTERNAL_URL", load_default=None)
    config = fields.String(data_key="RINGBACK_CONFIG", load_default=None)
    secret_key = fields.String(data_key="RINGBACK_SECRET_KEY", load_default=None, validate=validate.Length(min=32))
    account_sid = fields.String(data_key="TWILIO_ACCOUNT_SID", load_default=None)
    account_made_up = fields.Boolean(data_key=generated_mark("TWILIO_ACCOUNT_SID"), load_default=False)
    token_made_up = fields.Boolean(data_key=generated_mark("TWILIO_AUTH_TOKEN"), load_default=False)
    auth_tokens = CommaSeparated(data_key="TWILIO_AUTH_TOKEN", load_default=())
    shared_keys = SharedKeys(data_key="TWILIO_SHARED_KEYS", load_default=())
    api_base_url = WebAddress(data_key="TWILIO_API_BASE_URL", load_default=None)
    health_port = fields.Integer(
        data_key="RINGBACK_HEALTH_PORT", load_default=None, validate=validate.Range(min=1, max=65535)
    )
    proxy_hops = fields.Integer(data_key="RINGBACK_PROXY_HOPS", load_default=0, validate=validate.Range(min=0, max=9))
    declares = fields.String(data_key="RINGBACK_DECLARES", load_default=ALL, validate=validate.OneOf((ALL, OWN)))
    webhook_allow_private = Addresses(data_key="RINGBACK_WEBHOOK_ALLOW_PRIVATE", load_default=())


def load_settings(environ: Mapping[str, str], *, require: tuple[str, ...] = ()) -> Settings:
    """Settings from `environ`; `require` names the variables that this program cannot do without.

    Raises InvalidSettings with every missing and malformed setting in one message.
    """
    problems: dict[str, list[str]] = {}
    values = _load_environment(_with_secret_files(environ, problems), require, problems)
    businesses = _load_businesses(values.pop("config", None), problems)
    if problems:
        raise InvalidSettings(_message(problems))
    return Settings(
        mongo_url=values["mongo_url"],
        bus_url=values["bus_url"],
        port=values["port"],
        data=Path(values["data"]),
        public_url=values["public_url"] or f"http://127.0.0.1:{values['port']}",
        internal_url=values["internal_url"] or f"http://127.0.0.1:{values['port']}",
        secret_key=values["secret_key"],
        twilio_account_sid=values["account_sid"],
        twilio_account_known=_is_account_known(values),
        twilio_auth_tokens=values["auth_tokens"],
        twilio_shared_keys=values["shared_keys"],
        twilio_api_base_url=values["api_base_url"],
        webhook_allow_private=frozenset(values["webhook_allow_private"]),
        businesses=MappingProxyType(businesses),
        health_port=values["health_port"],
        proxy_hops=values["proxy_hops"],
        declares=values["declares"],
    )


def _is_account_known(values: Mapping[str, Any]) -> bool:
    made_up = values["account_made_up"] or values["token_made_up"]
    by_hand = values["account_sid"] is not None and not made_up
    return by_hand or values["api_base_url"] is not None


def _with_secret_files(environ: Mapping[str, str], problems: dict[str, list[str]]) -> dict[str, str]:
    merged = {name: value for name, value in environ.items() if value}
    for known in EnvironmentSchema().fields.values():
        name = str(known.data_key)
        path = merged.get(f"{name}_FILE")
        if path is None:
            continue
        try:
            merged[name] = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            problems[f"{name}_FILE"] = [f"Cannot be read: {error}."]
    return merged


def _load_environment(
    environ: Mapping[str, str], require: tuple[str, ...], problems: dict[str, list[str]]
) -> dict[str, Any]:
    for name in require:
        if not environ.get(name, "").strip(" ,"):
            problems[name] = ["Missing."]
    try:
        return dict(EnvironmentSchema().load(environ))
    except ValidationError as error:
        problems.update({str(name): list(messages) for name, messages in error.messages_dict.items()})
        return dict(error.valid_data) if isinstance(error.valid_data, dict) else {}


def _load_businesses(path: str | None, problems: dict[str, list[str]]) -> dict[str, Business]:
    try:
        text = Path(path).read_text() if path else sample_config()
        loaded: dict[str, Business] = BusinessesSchema().load(tomllib.loads(text))["businesses"]
    except (OSError, UnicodeDecodeError) as error:
        problems["RINGBACK_CONFIG"] = [f"Cannot be read: {error}."]
    except tomllib.TOMLDecodeError as error:
        problems["RINGBACK_CONFIG"] = [f"Not TOML: {error}."]
    except ValidationError as error:
        problems["RINGBACK_CONFIG"] = [str(error.messages_dict)]
    else:
        shared = duplicate_numbers(loaded.values())
        if shared:
            problems["RINGBACK_CONFIG"] = [f"A number belongs to one business only: {', '.join(shared)}."]
        return loaded
    return {}


def sample_config() -> str:
    """The businesses.toml that is used when none is given: one business, `demo`."""
    return files("ringback").joinpath("sample_businesses.toml").read_text()


def _message(problems: Mapping[str, list[str]]) -> str:
    lines = [f"  {name}: {' '.join(messages)}" for name, messages in sorted(problems.items())]
    return "These settings are missing or malformed:\n" + "\n".join(lines)
