"""Two workers of one edge act on what both of them have in flight."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
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

HELD = 8


class Holding:
    """A script that keeps each request until it is released."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.holding = 0

    def __call__(self, call: Call) -> None:
        self.holding += 1
        self.release.wait(60)
        self.holding -= 1
        call.answer(b"released")


@pytest.fixture
def script() -> Iterator[Holding]:
    holding = Holding()
    yield holding
    holding.release.set()


def connect_until_both_workers_hold(edge: Edge, clients: ExitStack, script: Holding) -> None:
    """One request after the other, each on a connection of its own, until `HELD` are held."""
    for number in range(1, HELD + 1):
        client = clients.enter_context(Client(edge.port))
        client.send(request_bytes("GET"))
        wait_until(f"request {number} is held", lambda n=number: script.holding == n)


def test_max_connections_holds_for_the_machine_not_for_each_worker(
    start_edge: StartEdge, backend: MakeBackend, script: Holding
) -> None:
    edge = start_edge("--workers", "2")
    only = backend("a", script=script).spec(max_connections=HELD)
    edge.serve(only, workers=2, limits=LimitPolicy(max_queue=0))
    edge.wait_for_workers_to_go_on(LIVE_INTERVAL)  # by then each has found the other
    with ExitStack() as clients:
        connect_until_both_workers_hold(edge, clients, script)
        refused = [clients.enter_context(Client(edge.port)).get().status for _ in range(10)]
        assert refused == [503] * 10


def test_least_connections_sees_the_other_worker(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    busy, free = Holding(), Holding()
    edge = start_edge("--workers", "2")
    edge.serve(
        backend("busy", script=busy).spec(),
        backend("free", script=free).spec(),
        workers=2,
        algorithm="least_connections",
    )
    edge.wait_for_workers_to_go_on(LIVE_INTERVAL)
    with ExitStack() as clients:
        for number in range(1, 2 * HELD + 1):
            client = clients.enter_context(Client(edge.port))
            client.send(request_bytes("GET"))
            wait_until("it is held", lambda n=number: busy.holding + free.holding == n)
            # Whichever worker took it, the backends are never more than one apart.
            assert abs(busy.holding - free.holding) <= 1
        busy.release.set()
        free.release.set()


def test_what_a_killed_worker_held_is_free_again(
    start_edge: StartEdge, backend: MakeBackend, script: Holding
) -> None:
    edge = start_edge("--workers", "2")
    edge.serve(backend("a", script=script).spec(max_connections=HELD), workers=2)
    with ExitStack() as clients:
        connect_until_both_workers_hold(edge, clients, script)
        for pid in edge.workers:
            os.kill(pid, signal.SIGKILL)
        script.release.set()

        def served() -> bool:
            with Client(edge.port) as client:
                return client.get().status == 200

        wait_until("the backend is no longer taken for full", served)
