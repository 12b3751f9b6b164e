"""Backends that come and go under load: clients of idempotent requests see nothing of it."""

import time
from collections.abc import Callable

from pool.snapshot import CircuitPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.backend_process import BackendProcess
from tests.integration.edge.harness.load import Load
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]


def test_kill_9_of_a_backend_under_load_is_seen_by_no_client(
    edge: Edge, processes: list[BackendProcess]
) -> None:
    circuit = CircuitPolicy(open_time=0.5)
    edge.serve(*(process.spec for process in processes), circuit=circuit)
    with Load(edge.port) as load:
        wait_until("all serve", lambda: len(load.backends) == 3)
        processes[0].kill()
        load.go_on(1.0)
        before = load.backends["p0"]
        processes[0].start()
        wait_until("it serves again", lambda: load.backends["p0"] > before)
    assert load.failures == []


def test_removing_a_backend_under_load_fails_no_request(edge: Edge, backend: MakeBackend) -> None:
    a, b, c = backend("a"), backend("b"), backend("c")
    edge.serve(a.spec(), b.spec(), c.spec())
    with Load(edge.port) as load:
        load.go_on(0.3)
        edge.serve(a.spec(), b.spec())
        served = load.backends["c"]
        load.go_on(0.5)
    assert load.failures == []
    # At most what was under way when the snapshot was swapped, one a client.
    assert load.backends["c"] - served <= 6


def test_removing_a_slow_backend_lets_its_requests_finish(edge: Edge, backend: MakeBackend) -> None:
    def slowly(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\nX-Backend: slow\r\n\r\n")
        for _ in range(6):
            time.sleep(0.02)  # a backend that is slow
            call.send(b"." * 10)

    slow, quick = backend("slow", slowly), backend("quick")
    edge.serve(slow.spec(), quick.spec())
    with Load(edge.port) as load:
        for _ in range(5):
            before = load.backends["slow"]
            wait_until("both serve", lambda n=before: load.backends["slow"] > n)
            edge.serve(quick.spec())
            load.go_on(0.1)
            edge.serve(slow.spec(), quick.spec())
    assert load.failures == []


def test_fifty_snapshots_under_load_fail_no_request(edge: Edge, backend: MakeBackend) -> None:
    a, b, c = (backend(name).spec() for name in "abc")
    shapes = [(a, b), (b, c), (c,), (a, b, c), (c, a)]
    edge.serve(a, b, c)
    with Load(edge.port) as load:
        for turn in range(50):
            algorithm = "round_robin" if turn % 2 else "weighted_round_robin"
            edge.serve(*shapes[turn % len(shapes)], algorithm=algorithm)
    assert load.failures == []
    assert load.answered > 50


def test_a_backend_that_went_away_and_came_back_serves_again(
    edge: Edge, backend: MakeBackend
) -> None:
    a = backend("a")
    edge.serve(a.spec())
    with Load(edge.port) as load:
        wait_until("it serves", lambda: load.answered > 20)
    a.stop()
    a.start()
    with Load(edge.port) as again:
        wait_until("it serves again", lambda: again.answered > 20)
    assert load.failures == again.failures == []
