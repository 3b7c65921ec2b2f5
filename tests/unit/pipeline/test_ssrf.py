"""Webhooks leave for the public internet and for nowhere else."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.outbound.addresses import REFUSED_V4, is_public
from pipeline.outbound.client import Deadline, Guard, NoAnswer, WebhookClient
from pipeline.outbound.urls import UrlRefused, address_of, check_url

INSIDE = (
    "0.0.0.0",  # noqa: S104 - nothing binds to it
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.8.9.1",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2001::1",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "5f00::1",
    "not an address",
    "",
)
OUTSIDE = ("8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_the_internet_is_not(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_ipv4_is_judged_alike_in_every_dress(address: IPv4Address) -> None:
    for dressed in (f"::ffff:{address}", str(IPv6Address((0x64FF9B << 96) + int(address)))):
        assert is_public(dressed) == is_public(str(address))


@given(st.ip_addresses())
def test_what_python_knows_as_not_global_is_never_public(address: IPv4Address | IPv6Address) -> None:
    carried = getattr(address, "ipv4_mapped", None)
    if is_public(str(address)) and carried is None and not str(address).startswith("64:ff9b::"):
        assert address.is_global
        assert not address.is_multicast


@given(st.sampled_from(REFUSED_V4), st.randoms(use_true_random=False))
def test_every_address_of_a_refused_network_is_refused(network: object, random: object) -> None:
    first = int(network.network_address)  # type: ignore[attr-defined]
    size = network.num_addresses  # type: ignore[attr-defined]
    assert not is_public(str(IPv4Address(first + random.randrange(size))))  # type: ignore[attr-defined]


# URLs, when they are saved.


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "//hooks.example.com/",
        "hooks.example.com",
        "https://",
        "https://localhost/",
        "https://mongo/",
        "https://app.localhost/",
        "https://printer.local/",
        "https://api.internal/",
        "https://api.default.svc/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://a.0x7f/",
        "https://10.0.0.7/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://user:pass@hooks.example.com/",
        "https://hooks.example.com@127.0.0.1/",
        "https://hooks.example.com:22/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com:x/",
        "https://hooks.example.com/#part",
        "https://hooks.example.com/a b",
        "https://hooks.example.com\\@127.0.0.1/",
        "https://hööks.example.com/",
        "https://-hooks.example.com/",
        "https://hooks..example.com/",
        "https://hooks.example.com/\n",
        "https://[::1/",
        "https://hooks.example.com/" + "a" * 2000,
        "",
    ],
)
def test_a_url_that_cannot_be_an_endpoint_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused, match=r".+"):
        check_url(url, frozenset())


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com./a",
        "https://HOOKS.example.com/a?b=c",
        "https://hooks.example.com:8443/",
        "https://xn--hks-sna.example.com/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
    ],
)
def test_a_public_one_is_taken(url: str) -> None:
    check_url(url, frozenset())


def test_what_is_allowed_by_name_and_port_may_be_inside_and_plain() -> None:
    allowed = frozenset({"127.0.0.1:8081", "receiver:8080"})
    for url in ("http://127.0.0.1:8081/hook", "http://receiver:8080/", "https://receiver:8080/"):
        check_url(url, allowed)
    for url in ("http://127.0.0.1:8082/hook", "http://receiver/", "gopher://receiver:8080/"):
        with pytest.raises(UrlRefused):
            check_url(url, allowed)


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda text: f"https://{text}"))
def test_any_text_is_a_url_or_refused_in_words(text: str) -> None:
    try:
        check_url(text, frozenset())
    except UrlRefused:
        return
    host, _, port = address_of(text).rpartition(":")
    assert host
    assert port.isdecimal()


# Connections, when they are made.


class Resolver:
    """Answers one list of addresses after the other, and keeps count."""

    def __init__(self, *answers: list[str]) -> None:
        self.asked: list[tuple[str, int]] = []
        self._answers = list(answers)

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self._answers.pop(0)


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The addresses that were connected to; every connection is refused."""
    calls: list[tuple[str, int]] = []

    def dial(address: tuple[str, int], _timeout: float) -> socket.socket:
        calls.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", dial)
    return calls


def posted(resolver: Callable[[str, int], list[str]], url: str = "https://hooks.example.com/", *allowed: str) -> str:
    """The code of why there was no answer."""
    client = WebhookClient(frozenset(allowed), resolver)
    with pytest.raises(NoAnswer) as refused:
        client.post(url, b"{}", {})
    return refused.value.code


@pytest.mark.parametrize("address", [address for address in INSIDE if address])
def test_a_name_that_leads_inside_is_not_connected_to(address: str, dialled: list[tuple[str, int]]) -> None:
    assert posted(Resolver([address])) == "address_refused"
    assert dialled == []


def test_one_address_inside_among_others_is_enough(dialled: list[tuple[str, int]]) -> None:
    assert posted(Resolver(["8.8.8.8", "10.0.0.1"])) == "address_refused"
    assert dialled == []


def test_the_very_addresses_that_were_checked_are_dialled_and_the_name_is_asked_once(
    dialled: list[tuple[str, int]],
) -> None:
    resolver = Resolver(["8.8.8.8", "2606:4700::1111"], ["127.0.0.1"])
    assert posted(resolver) == "connection_refused"
    assert dialled == [("8.8.8.8", 443), ("2606:4700::1111", 443)]
    assert resolver.asked == [("hooks.example.com", 443)]


def test_an_address_as_host_is_checked_in_the_same_way(dialled: list[tuple[str, int]]) -> None:
    assert posted(lambda host, _port: [host], "https://127.0.0.1/") == "address_refused"
    assert posted(lambda host, _port: [host], "https://[::1]/") == "address_refused"
    assert dialled == []


def test_only_the_allowed_port_is_allowed(dialled: list[tuple[str, int]]) -> None:
    assert posted(Resolver(["127.0.0.1"]), "http://hooks.test:8081/", "hooks.test:8080") == "address_refused"
    assert posted(Resolver(["127.0.0.1"]), "http://hooks.test:8080/", "hooks.test:8080") == "connection_refused"
    assert dialled == [("127.0.0.1", 8080)]


def test_a_proxy_of_the_environment_is_not_used(
    dialled: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://10.0.0.1:3128")
    assert posted(Resolver(["8.8.8.8"])) == "connection_refused"
    assert dialled == [("8.8.8.8", 443)]


def test_a_name_that_nobody_knows_is_told_apart(dialled: list[tuple[str, int]]) -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert posted(unknown) == "no_such_host"
    assert posted(lambda _host, _port: []) == "no_such_host"


def test_no_further_address_is_tried_when_the_time_is_over(dialled: list[tuple[str, int]]) -> None:
    deadline = Deadline(60)
    deadline.passed = True
    guard = Guard(frozenset(), Resolver(["8.8.8.8"]), deadline, 5)
    with pytest.raises(TimeoutError):
        guard.connect("hooks.example.com", 443)
    deadline.end()
    assert dialled == []
