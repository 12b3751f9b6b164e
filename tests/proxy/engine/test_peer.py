"""Who a connection is from, as the socket tells it."""

from typing import Any

import pytest

from proxy.engine.peer import peer_of

TRUSTED = "10.0.0.1"


class Connection:
    """In the place of a transport: `peer` and `local` as sockets of each family tell them."""

    def __init__(self, peer: object, local: object) -> None:
        self._info = {"peername": peer, "sockname": local}

    def get_extra_info(self, name: str) -> Any:
        return self._info.get(name)


@pytest.mark.parametrize(
    ("peer", "local", "address", "authority", "trusted"),
    [
        ((TRUSTED, 4711), ("10.0.0.9", 80), TRUSTED, "10.0.0.9:80", True),
        (("192.0.2.7", 4711), ("10.0.0.9", 80), "192.0.2.7", "10.0.0.9:80", False),
        (("fd00::1", 4711, 0, 0), ("fd00::9", 80, 0, 0), "fd00::1", "[fd00::9]:80", False),
        (
            (f"::ffff:{TRUSTED}", 4711, 0, 0),
            ("::ffff:10.0.0.9", 80, 0, 0),
            *(TRUSTED, "10.0.0.9:80", True),
        ),
        (("fe80::1%eth0", 4711, 0, 2), ("::", 80, 0, 0), "fe80::1%eth0", "[::]:80", False),
        ("", "/run/edge.sock", "", "localhost", True),
        (None, ("10.0.0.9", 80), "", "10.0.0.9:80", False),
    ],
    ids=[
        *("trusted", "anybody", "IPv6", "IPv4 on a socket for both", "with a zone", "unix socket"),
        "reset before it was accepted",
    ],
)
def test_addresses_are_told_in_one_form(
    peer: object, local: object, address: str, authority: str, trusted: bool
) -> None:
    connection: Any = Connection(peer, local)
    found = peer_of(connection, lambda one: one == TRUSTED)
    assert (found.address.decode(), found.local_authority.decode()) == (address, authority)
    assert found.trusted is trusted
