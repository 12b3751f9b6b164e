"""Which addresses are internal: not to be reached by what somebody typed into a form. Pure."""

import ipaddress

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

# What not every version of Python knows to be no public address. Where clouds keep their
# metadata: RFC 6890 §2.2.2's (Oracle), and one that is public by its looks (Azure). And what a
# site may translate to any IPv4 address of its own: RFC 8215.
_MORE = (
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("168.63.129.16/32"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
)

# IPv6 addresses that lead to the IPv4 address in their last four bytes: RFC 6052 §2.1, and
# the deprecated form of RFC 4291 §2.5.5.1.
_EMBEDDING = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))


def is_internal(address: str) -> bool:
    """Whether an address is anything but one of a machine on the public internet."""
    ip = ipaddress.ip_address(address)
    if any(_is_internal(inner) for inner in _embedded(ip)):
        return True
    return _is_internal(ip)


def _is_internal(ip: Ip) -> bool:
    return not ip.is_global or ip.is_multicast or any(ip in network for network in _MORE)


def _embedded(ip: Ip) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that a packet to `ip` may end up at."""
    if ip.version == 4:
        return []
    found = [inner for inner in (ip.ipv4_mapped, ip.sixtofour) if inner is not None]
    if any(ip in network for network in _EMBEDDING):
        found.append(ipaddress.IPv4Address(ip.packed[-4:]))
    return found
