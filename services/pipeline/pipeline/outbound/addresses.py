"""Which addresses a webhook may be sent to: those of the public internet and no others. Pure.

Source: the IANA registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890).
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

REFUSED_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network, and on many systems this host
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' NAT, and the metadata of one cloud
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host, from inside
            "169.254.0.0/16",  # link-local, and the metadata of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments, and the metadata of one cloud
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
# Global unicast. What is not inside is loopback, link-local, unique local, multicast or reserved.
GLOBAL_V6 = IPv6Network("2000::/3")
REFUSED_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",
            "2002::/16",  # 6to4: an IPv4 address in another's clothes
            "3fff::/20",
        ),
    )
)
# Networks whose last 32 bits are the IPv4 address that is reached: IPv4-mapped (RFC 4291), NAT64 (RFC 6052).
CARRIES_V4 = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


def is_public(text: str) -> bool:
    """Whether an address, as a resolver gives it, is one of the public internet."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return _is_public_v4(address) if isinstance(address, IPv4Address) else _is_public_v6(address)


def _is_public_v4(address: IPv4Address) -> bool:
    return not any(address in network for network in REFUSED_V4)


def _is_public_v6(address: IPv6Address) -> bool:
    if any(address in network for network in CARRIES_V4):
        return _is_public_v4(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in GLOBAL_V6 and not any(address in network for network in REFUSED_V6)
