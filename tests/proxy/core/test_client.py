"""Who the client is, as far as the proxies in front can be believed."""

from ipaddress import ip_address, ip_network

import pytest

from proxy.core.client import client_address


def trusts(address: str) -> bool:
    return any(ip_address(address) in ip_network(own) for own in ("10.0.0.0/8", "fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        (b"10.0.0.1", b"", b"10.0.0.1"),
        (b"10.0.0.1", b"192.0.2.7", b"192.0.2.7"),
        (b"10.0.0.1", b"192.0.2.7, 10.0.0.2", b"192.0.2.7"),
        (b"10.0.0.1", b"203.0.113.9, 192.0.2.7,10.0.0.2", b"192.0.2.7"),
        (b"10.0.0.1", b"10.0.0.3, 10.0.0.2", b"10.0.0.3"),
        (b"192.0.2.8", b"192.0.2.7", b"192.0.2.8"),
        (b"", b"192.0.2.7", b"192.0.2.7"),
        (b"10.0.0.1", b"192.0.2.7:4711", b"192.0.2.7"),
        (b"fd00::1", b"[2001:db8::7]:4711, fd00::2", b"2001:db8::7"),
        (b"10.0.0.1", b"2001:db8::7", b"2001:db8::7"),
        (b"10.0.0.1", b"::ffff:192.0.2.7, ::ffff:a00:2", b"192.0.2.7"),
        (b"10.0.0.1", b"192.0.2.7, unknown", b"10.0.0.1"),
        (b"10.0.0.1", b'192.0.2.7, 10.0.0.2, "\xff', b"10.0.0.1"),
    ],
    ids=[
        "nothing is said",
        "one proxy",
        "two proxies",
        "what the client has invented",
        "trusted proxies only: the first one asked",
        "a peer that is not trusted",
        "a unix socket",
        "with a port",
        "IPv6 with a port",
        "IPv6 without",
        "IPv4 as a socket for both families tells it",
        "a proxy that does not tell",
        "junk",
    ],
)
def test_the_list_is_read_from_the_right(peer: bytes, forwarded_for: bytes, client: bytes) -> None:
    assert client_address(peer, forwarded_for, trusts) == client
