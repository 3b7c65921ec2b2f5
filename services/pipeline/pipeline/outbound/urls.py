"""Which URLs may be endpoints, by their looks; where a name leads is checked when it is connected to. Pure."""

import re
from collections.abc import Set
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from pipeline.outbound.addresses import is_public

LONGEST_URL = 2000
HTTPS_PORT = 443
FIRST_FREE_PORT = 1024
DEFAULT_PORTS = {"http": 80, "https": HTTPS_PORT}
PRINTABLE = re.compile(r"[\x21-\x7e]+")
HOST_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))+")
# Names that only a private network or this host resolves (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`).
PRIVATE_ENDINGS = (".localhost", ".local", ".internal", ".home.arpa", ".intranet", ".lan", ".corp", ".svc")
# A last label that begins with a digit is a number to resolvers (WHATWG URL, "ends in a number"): 127.1, 0x7f.1.
NUMBER = re.compile(r"[0-9][0-9a-z]*\Z")


class UrlRefused(ValueError):
    """The URL cannot be an endpoint; the message says why, to people."""


def check_url(url: str, allowed: Set[str]) -> None:
    """Raises UrlRefused. `allowed`: `host:port` that may be reached over http and inside the network, for tests."""
    parts = _split(url)
    host, port = _address(parts)
    if parts.scheme not in DEFAULT_PORTS:
        raise UrlRefused("Has to begin with https://.")
    if f"{host}:{port}" in allowed:
        return
    if parts.scheme != "https":
        raise UrlRefused("Has to begin with https://.")
    _check_port(port)
    _check_host(host)


def address_of(url: str) -> str:
    """`host:port` of a URL that was checked."""
    host, port = _address(_split(url))
    return f"{host}:{port}"


def _split(url: str) -> SplitResult:
    if len(url) > LONGEST_URL:
        raise UrlRefused(f"Longer than {LONGEST_URL} characters.")
    if not PRINTABLE.fullmatch(url) or "\\" in url:
        raise UrlRefused("Has characters that no URL has; a name in another script is written as xn--….")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UrlRefused("Not a URL.") from error
    if "@" in parts.netloc:
        raise UrlRefused("A user or password in the URL is not taken: deliveries are signed.")
    if parts.fragment:
        raise UrlRefused("What stands after # is never sent.")
    return parts


def _address(parts: SplitResult) -> tuple[str, int | None]:
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UrlRefused("The port is not a number between 1 and 65535.") from error
    if not host:
        raise UrlRefused("Not a URL with a host.")
    return host.removesuffix("."), DEFAULT_PORTS.get(parts.scheme) if port is None else port


def _check_port(port: int | None) -> None:
    """Below 1024 other protocols live, of which 443 is none."""
    if port is None or (port != HTTPS_PORT and port < FIRST_FREE_PORT):
        raise UrlRefused("The port has to be 443, or 1024 and above.")


def _check_host(host: str) -> None:
    try:
        literal = str(ip_address(host))
    except ValueError:
        _check_name(host)
        return
    if not is_public(literal):
        raise UrlRefused("The address is not one of the public internet.")


def _check_name(host: str) -> None:
    if not HOST_NAME.fullmatch(host) or host.endswith(PRIVATE_ENDINGS):
        raise UrlRefused("The host is not a name of the public internet.")
    if NUMBER.fullmatch(host.rpartition(".")[2]):
        raise UrlRefused("The host is a number in an odd writing.")
