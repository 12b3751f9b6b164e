"""Requests wait for a place at full backends, over real sockets."""

import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from pool.snapshot import LimitPolicy
from proxy.engine.chores import LIVE_INTERVAL
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, request_bytes
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]


class Turnstile:
    """Answers one request each time that it is told to; knows the most it had at once."""

    def __init__(self) -> None:
        self._gate = threading.Semaphore(0)
        self._lock = threading.Lock()
        self.inside = self.most = 0
        self.sizes: list[int] = []  # of the bodies, in their order

    def __call__(self, call: Call) -> None:
        self.sizes.append(sum(map(len, call.body())))
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self._gate.acquire(timeout=20)
        with self._lock:
            self.inside -= 1
        call.answer(call.target.encode())

    def let(self, count: int = 1) -> None:
        self._gate.release(count)


@pytest.fixture
def turnstile() -> Turnstile:
    return Turnstile()


def test_requests_wait_their_turn_and_are_served_in_order(
    edge: Edge, backend: MakeBackend, turnstile: Turnstile
) -> None:
    a = backend("a", turnstile)
    edge.serve(a.spec(max_connections=1))
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(edge.port)) for _ in range(6)]
        for number, client in enumerate(clients):
            client.send(request_bytes("POST", f"/{number}", b"body"))
            # One on each connection: the next one must not be read before this one is.
            edge.health()
        wait_until("the first is there", lambda: len(a.calls) == 1)
        for number, client in enumerate(clients):
            turnstile.let()
            assert client.response().body == f"/{number}".encode()
    assert turnstile.most == 1


def test_a_full_queue_is_503_at_once_with_retry_after(
    edge: Edge, backend: MakeBackend, turnstile: Turnstile
) -> None:
    a = backend("a", turnstile)
    edge.serve(a.spec(max_connections=1), limits=LimitPolicy(max_queue=1))
    with Client(edge.port) as first, Client(edge.port) as second, Client(edge.port) as third:
        first.send(request_bytes("GET", "/1"))
        wait_until("it is there", lambda: len(a.calls) == 1)
        second.send(request_bytes("GET", "/2"))
        edge.health()
        refused = third.get()
        assert (refused.status, int(refused.headers["retry-after"]) > 0) == (503, True)
        turnstile.let(3)
        assert [first.response().status, second.response().status] == [200, 200]
        assert third.get("/3").status == 200, "on the same connection"


def test_who_waits_for_too_long_gets_503(
    edge: Edge, backend: MakeBackend, turnstile: Turnstile
) -> None:
    a = backend("a", turnstile)
    edge.serve(a.spec(max_connections=1), limits=LimitPolicy(queue_timeout=0.2))
    with Client(edge.port) as first, Client(edge.port) as second:
        first.send(request_bytes("GET"))
        wait_until("it is there", lambda: len(a.calls) == 1)
        late = second.get(accept="application/json")
        assert (late.status, "retry-after" in late.headers) == (503, True)
        assert late.json()["detail"] == "All backends have been busy for too long."
        turnstile.let()
        assert first.response().status == 200


def test_a_client_that_leaves_the_queue_keeps_nobody_waiting(
    edge: Edge, backend: MakeBackend, turnstile: Turnstile
) -> None:
    a = backend("a", turnstile)
    edge.serve(a.spec(max_connections=1), limits=LimitPolicy(max_queue=1))
    with Client(edge.port) as first, Client(edge.port) as third:
        first.send(request_bytes("GET"))
        wait_until("it is there", lambda: len(a.calls) == 1)
        second = Client(edge.port)
        second.send(request_bytes("GET", "/gone"))
        edge.health()
        second.reset()
        edge.health()
        third.send(request_bytes("GET", "/third"))
        turnstile.let(2)
        assert (first.response().status, third.response().body) == (200, b"/third")
    assert [call.target for call in a.calls] == ["/", "/third"]


def test_bodies_that_come_meanwhile_are_kept(
    edge: Edge, backend: MakeBackend, turnstile: Turnstile
) -> None:
    edge.serve(backend("a", turnstile).spec(max_connections=1))
    with Client(edge.port) as first, Client(edge.port) as second:
        first.send(request_bytes("GET"))
        wait_until("it is there", lambda: turnstile.inside == 1)
        threading.Thread(
            target=second.send, args=(request_bytes("POST", "/", b"x" * 3_000_000),), daemon=True
        ).start()
        turnstile.let(2)
        assert [first.response().status, second.response().status] == [200, 200]
    assert turnstile.sizes == [0, 3_000_000]


def test_the_whole_pools_limit_joins_the_same_queue(
    edge: Edge, backend: MakeBackend, turnstile: Turnstile
) -> None:
    backends = [backend(name, turnstile).spec() for name in "abc"]
    edge.serve(*backends, limits=LimitPolicy(max_in_flight=2))
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(edge.port)) for _ in range(8)]
        for client in clients:
            client.send(request_bytes("GET"))
        turnstile.let(8)
        assert {client.response().status for client in clients} == {200}
    assert turnstile.most <= 2


def test_two_workers_share_the_places_and_nobody_starves(
    start_edge: StartEdge, backend: MakeBackend, turnstile: Turnstile
) -> None:
    """Whichever worker a client has come to: all are served, never more than three at once."""
    edge = start_edge("--workers", "2")
    a, b = backend("a", turnstile), backend("b", turnstile)
    limits = LimitPolicy(max_in_flight=3)
    edge.serve(a.spec(max_connections=2), b.spec(max_connections=2), workers=2, limits=limits)
    edge.wait_for_workers_to_go_on(LIVE_INTERVAL)  # by then each has found the other
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(edge.port)) for _ in range(40)]
        for client in clients:
            client.send(request_bytes("GET"))
        turnstile.let(40)
        assert [client.response().status for client in clients] == [200] * 40
    # A request is counted before it is sent, so that two workers may both see the last place.
    assert turnstile.most <= 4
