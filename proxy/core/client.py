"""Who the client is, when proxies of the operator's stand in front of the edge."""

import re
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

# Some proxies add the port: 192.0.2.1:4711, [2001:db8::1]:4711.
_NODE = re.compile(r"\[([^\]]+)\](?::\d+)?|([^:]+):\d+")


def client_address(peer: bytes, forwarded_for: bytes, trusts: Callable[[str], bool]) -> bytes:
    """The address that `X-Forwarded-For` tells of the client, as far as it can be believed.

    Each proxy appends the address that it sees. So the list is read from the
    right, and each entry is the word of the one after it: the scan ends at the
    first address that is no trusted proxy's. What stands to the left of that is
    the client's own invention. `peer` is the connection's; empty on a unix socket.
    """
    client = peer.decode("ascii")
    for entry in reversed(forwarded_for.split(b",")):
        if client and not trusts(client):
            break
        address = _address(entry.strip().decode("latin-1"))
        if not address:  # "unknown", or junk: nobody can be asked who came before it
            break
        client = address
    return client.encode("ascii")


def _address(node: str) -> str:
    match = _NODE.fullmatch(node)
    if match is not None:
        node = match[1] or match[2]
    try:
        return plain(str(ip_address(node)))
    except ValueError:
        return ""


def plain(address: str) -> str:
    """`address`, or the IPv4 address that it stands for (RFC 4291 §2.5.5.2).

    A socket for both families tells of an IPv4 client as ::ffff:192.0.2.1, which is in no
    network that anybody has called trusted.
    """
    if ":" not in address:
        return address
    mapped = IPv6Address(address).ipv4_mapped
    return address if mapped is None else str(mapped)
