"""gunicorn's signals, and workers that fail: what clients see of them is nothing."""

import os
import signal
import threading
from collections.abc import Callable

import psutil
import pytest

from pool.choices import HealthState
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, request_bytes
from tests.integration.edge.harness.load import Load
from tests.integration.edge.harness.processes import Edge, runs
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]


def test_hup_replaces_the_workers_and_fails_no_request(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge("--workers", "2")
    edge.serve(backend("a").spec(), backend("b").spec(), workers=2)
    with Load(edge.port) as load:
        for _ in range(3):
            before = set(edge.workers)
            edge.signal(signal.SIGHUP)
            wait_until("they are replaced", lambda old=before: not old & set(edge.workers))
            edge.wait_for(edge.number, workers=2)
            load.go_on(0.2)
    assert load.failures == []
    wait_until("all counts arrive", lambda: edge.counted() == load.answered)
    wait_until("boards of old workers are gone", lambda: len(edge.boards) == 2)


def test_a_new_worker_knows_who_is_unhealthy_before_it_serves(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    sick, well = backend("sick"), backend("well")
    edge = start_edge()
    edge.serve(sick.spec(), well.spec())
    edge.say_health(sick.spec(), HealthState.UNHEALTHY)
    with Client(edge.port) as client:
        wait_until("it is out", lambda: {client.get().backend for _ in range(8)} == {"well"})
    with Load(edge.port) as load:
        for _ in range(3):
            (old,) = edge.workers
            edge.signal(signal.SIGHUP)
            wait_until("it is replaced", lambda old=old: old not in edge.workers)
    assert load.failures == []
    assert set(load.backends) == {"well"}


def test_ttin_and_ttou_change_the_number_of_workers_and_fail_no_request(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge()
    edge.serve(backend("a").spec(), backend("b").spec())
    with Load(edge.port) as load:
        edge.signal(signal.SIGTTIN)
        edge.wait_for(edge.number, workers=2)
        load.go_on(0.2)
        edge.signal(signal.SIGTTOU)
        wait_until("one has ended", lambda: len(edge.workers) == 1)
    assert load.failures == []
    wait_until("all counts arrive", lambda: edge.counted() == load.answered)


def test_a_worker_that_hangs_is_replaced_and_what_it_counted_is_kept(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    """Only who was connected to it notices; what it had in flight is nobody's any more."""
    release = threading.Event()

    def hold_one(call: Call) -> None:
        if call.target == "/held":
            release.wait(60)
        call.answer()

    edge = start_edge("--timeout", "2")
    a = backend("a", hold_one)
    edge.serve(a.spec(max_connections=1))
    (hanging,) = edge.workers
    with Client(edge.port) as client:
        for _ in range(5):
            assert client.get().status == 200
        client.send(request_bytes("GET", "/held"))
        wait_until("the backend has it", lambda: a.calls[-1].target == "/held")
        os.kill(hanging, signal.SIGSTOP)
        wait_until("it is replaced", lambda: edge.workers and hanging not in edge.workers)
        assert client.ends()
    release.set()
    edge.wait_for(edge.number)
    with Client(edge.port) as client:
        wait_until("its place at the backend is free", lambda: client.get().status == 200)
    wait_until("its counts arrive", lambda: sum(r.status_2xx for r in edge.rows_of(a)) >= 6)


def test_a_redis_that_hangs_does_not_stop_the_heartbeat(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    """Also when boards of killed workers wait for it."""
    edge = start_edge("--timeout", "4", "--workers", "2")
    edge.serve(backend("a").spec(), workers=2)
    edge.redis_server.process.send_signal(signal.SIGSTOP)
    killed = edge.workers[0]
    os.kill(killed, signal.SIGKILL)
    wait_until("it is gone", lambda: killed not in edge.workers)
    wait_until("another one takes its place", lambda: len(edge.workers) == 2)
    workers = edge.workers
    with Load(edge.port) as load:
        load.go_on(5.5)
    assert edge.workers == workers
    assert load.failures == []


def test_int_stops_without_waiting(start_edge: StartEdge, backend: MakeBackend) -> None:
    edge = start_edge("--graceful-timeout", "60")
    a = backend("a", lambda call: call.client_has_left)
    edge.serve(a.spec())
    with Client(edge.port) as client:
        client.send(request_bytes("GET"))
        wait_until("the backend has it", lambda: a.calls)
        edge.signal(signal.SIGINT)
        edge.process.wait(20)


@pytest.mark.parametrize("number", [1, 20])
def test_clients_that_come_in_the_moment_of_a_workers_end_are_served(
    start_edge: StartEdge, backend: MakeBackend, number: int
) -> None:
    """By it, if it has taken them; else by the next one."""
    edge = start_edge()
    edge.serve(backend("a").spec())
    (worker,) = edge.workers
    os.kill(worker, signal.SIGSTOP)
    clients = [Client(edge.port) for _ in range(number)]
    for client in clients:
        client.send(request_bytes("GET"))
    os.kill(worker, signal.SIGTERM)
    os.kill(worker, signal.SIGCONT)
    assert [client.response().status for client in clients] == [200] * number
    for client in clients:
        client.close()


def test_idle_connections_are_told_to_close_while_the_worker_drains(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge()
    edge.serve(backend("a").spec())
    clients = [Client(edge.port) for _ in range(4)]
    for client in clients:
        assert client.get().status == 200
    edge.process.terminate()
    wait_until("it has begun to drain", lambda: edge.health() == -1)
    targets = ["/", "/", "/-/health", "/-/health"]
    for client, target in zip(clients, targets, strict=True):
        answer = client.get(target)
        assert (answer.closes, client.ends()) == (True, True), target
        client.close()
    edge.stop()


def test_a_body_that_the_workers_end_cuts_short_never_looks_complete(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    """In chunks by the missing last one, and in HTTP/1.0 by nothing but a reset."""

    def begin(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        assert call.client_has_left

    edge = start_edge("--graceful-timeout", "3")
    edge.serve(backend("a", begin).spec())
    with Client(edge.port) as client, Client(edge.port) as old:
        client.send(request_bytes("GET"))
        assert (client.head()[0], client.chunk()) == (200, b"half")
        old.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (old.head()[0], old.stream.read(4)) == (200, b"half")
        edge.stop()
        assert client.stream.read() == b""
        with pytest.raises(ConnectionResetError):
            old.stream.read()


def test_a_connection_that_was_promised_to_stay_open_serves_once_more_while_draining(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    draining = threading.Event()

    def head_then_wait(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        assert draining.wait(10)
        call.send(b"done")

    edge = start_edge()
    edge.serve(backend("a", head_then_wait).spec())
    with Client(edge.port) as client:
        client.send(request_bytes("GET"))
        status, headers = client.head()
        edge.process.terminate()
        wait_until("it has begun to drain", lambda: edge.health() == -1)
        draining.set()
        assert (status, headers.get("connection"), client.stream.read(4)) == (200, None, b"done")
        answer = client.get()
        assert (answer.status, answer.body, answer.closes) == (200, b"done", True)
    edge.stop()


def test_a_worker_that_has_served_max_requests_is_replaced_and_fails_none(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge("--max-requests", "150")
    edge.serve(backend("a").spec())
    seen: set[int] = set(edge.workers)

    def three_have_served() -> bool:
        seen.update(edge.workers)
        return len(seen) >= 3

    with Load(edge.port) as load:
        wait_until("two were replaced", three_have_served, patience=60)
    assert load.failures == []
    wait_until("all counts arrive", lambda: edge.counted() == load.answered)


def test_usr2_hands_over_to_a_new_master_and_fails_no_request(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    """How gunicorn is upgraded in place: USR2, and TERM for the old master."""
    edge = start_edge()
    edge.serve(backend("a").spec())
    old = psutil.Process(edge.process.pid)
    with Load(edge.port) as load:
        workers = set(edge.workers)
        edge.signal(signal.SIGUSR2)
        wait_until("the new master has a worker", lambda: _grandchildren(old))
        (new,) = {worker.parent() for worker in _grandchildren(old)}
        try:
            pids = {worker.pid for worker in _grandchildren(old)}
            wait_until("it has reported", lambda: pids <= _reporting(edge))
            edge.signal(signal.SIGTERM)
            wait_until("the old master is gone", lambda: not runs(old))
            load.go_on(0.5)
            assert new is not None
            assert workers.isdisjoint(child.pid for child in new.children())
        finally:
            load.stop()
            if new is not None:
                new.terminate()
                new.wait(20)
    assert load.failures == []


def _reporting(edge: Edge) -> set[int]:
    return {report.pid for report in edge.all_reports()}


def _grandchildren(master: psutil.Process) -> list[psutil.Process]:
    children = {child.pid for child in master.children()}
    return [one for one in master.children(recursive=True) if one.ppid() in children]
