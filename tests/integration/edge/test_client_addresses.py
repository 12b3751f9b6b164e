"""Who a client is, on a listener for both families of addresses."""

import socket
from collections.abc import Callable

import pytest

from tests.integration.edge.harness.backend import Backend
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.ports import ReservedPort
from tests.integration.edge.harness.processes import Edge

TRUSTED, UNTRUSTED = "127.0.0.1", "127.0.0.2"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="there is no IPv6 here")
@pytest.mark.parametrize(
    ("source", "told"), [(TRUSTED, f"192.0.2.7, {TRUSTED}"), (UNTRUSTED, UNTRUSTED)]
)
def test_an_ipv4_client_is_known_by_its_own_address(
    start_edge: Callable[..., Edge], backend: Callable[..., Backend], source: str, told: str
) -> None:
    port = ReservedPort()
    bind = ("--bind", f"[::]:{port.number}")
    edge = start_edge(*bind, LB_TRUSTED_PROXIES=f"{TRUSTED}/32")
    edge.serve(backend("a").spec())
    with Client(port.number, source=source) as client:
        headers = client.get(x_forwarded_for="192.0.2.7").json()["headers"]
    assert headers["x-forwarded-for"] == told
    port.release()
