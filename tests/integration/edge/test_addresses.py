"""Backends on unix sockets, on IPv6 addresses and under names."""

import socket
import time
from collections.abc import Callable

import pytest

from pool.choices import CircuitMode
from pool.snapshot import CircuitPolicy, HeaderPolicy, RetryPolicy, TimeoutPolicy
from tests.integration.edge.harness.backend import Backend
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.processes import Edge

MakeBackend = Callable[..., Backend]
ONCE = RetryPolicy(attempts=1)


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_a_unix_socket(edge: Edge, backend: MakeBackend) -> None:
    path = edge.folder / "backend.sock"
    a = backend("a", path=str(path))
    edge.serve(a.spec(), headers=HeaderPolicy(host="backend"))
    with Client(edge.port) as client:
        for size in (0, 100_000):
            answer = client.request("POST", "/", b"x" * size).json()
            assert (answer["size"], answer["headers"]["host"]) == (size, "localhost")
    assert a.connections == 1


def test_a_unix_socket_that_is_not_there_is_a_502(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a").spec(url="unix:/nonexistent/backend.sock"))
    with Client(edge.port) as client:
        answer = client.get()
        assert (answer.status, b"nonexistent" in answer.body) == (502, False)
    assert "no connection to backend a:" in edge.log


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_an_ipv6_address(edge: Edge, backend: MakeBackend) -> None:
    a = backend("a", host="::1")
    edge.serve(a.spec(), headers=HeaderPolicy(host="backend"))
    with Client(edge.port) as client:
        answer = client.get()
        assert (answer.status, answer.json()["headers"]["host"]) == (200, f"[::1]:{a.port}")


def test_a_name_whose_first_address_refuses(edge: Edge, backend: MakeBackend) -> None:
    """localhost is ::1 too on most machines, where this backend does not listen."""
    a = backend("a")
    edge.serve(a.spec(url=f"http://localhost:{a.port}"))
    with Client(edge.port) as client:
        assert [client.get().status for _ in range(3)] == [200] * 3


def test_a_name_that_does_not_resolve_is_a_502(edge: Edge, backend: MakeBackend) -> None:
    lost = backend("lost").spec(url="http://nope.invalid")
    edge.serve(lost, circuit=CircuitPolicy(mode=CircuitMode.OFF))  # or else soon a 503
    with Client(edge.port) as client:
        assert [client.get().status for _ in range(50)] == [502] * 50
    assert "the name nope.invalid does not resolve" in edge.log


def test_a_name_that_does_not_resolve_slows_no_other_backend(
    edge: Edge, backend: MakeBackend
) -> None:
    a = backend("a")
    lost = [backend(f"lost-{n}").spec(url=f"http://nope-{n}.invalid") for n in range(5)]
    edge.serve(a.spec(), *lost, timeouts=TimeoutPolicy(connect=8.0))
    slowest = 0.0
    with Client(edge.port) as client:
        for _ in range(30):
            begun = time.monotonic()
            assert client.request("POST", "/", b"order").status in (200, 502)
            slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 6


def test_a_connect_timeout_is_a_504(edge: Edge, backend: MakeBackend) -> None:
    """An address that does not answer: the backlog of its listener is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        spec = backend("full").spec(url=f"http://127.0.0.1:{port}")
        edge.serve(spec, timeouts=TimeoutPolicy(connect=0.3), retry=ONCE)
        begun = time.monotonic()
        with Client(edge.port) as client:
            assert client.get().status == 504
        assert time.monotonic() - begun > 0.2
        for filler in fillers:
            filler.close()
    assert "no connection to backend full: not within 0.3 s" in edge.log
