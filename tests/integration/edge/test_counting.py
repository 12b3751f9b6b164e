"""Every answered request is counted once, whatever dies meanwhile."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, request_bytes
from tests.integration.edge.harness.load import Load
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]


def final_count(edge: Edge, at_least: int) -> int:
    """What the stream holds in the end; the worker's last batch is in it."""
    wait_until("all counts arrive", lambda: edge.counted() >= at_least)
    edge.stop()
    assert edge.boards == []
    return edge.counted()


def boards_of(edge: Edge, worker: int) -> list[Path]:
    return [board for board in edge.boards if f"-{worker}-" in board.name]


def test_status_classes_and_retries_are_told_apart(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    def answer(call: Call) -> None:
        call.answer(status=call.target[1:] + " Whatever")

    a, dead = backend("a", answer), backend("dead")
    dead.stop()
    edge = start_edge()
    edge.serve(dead.spec(), a.spec(), algorithm="round_robin")
    with Client(edge.port) as client:
        for status in (200, 204, 301, 404, 500, 503):
            assert client.get(f"/{status}").status == status
        assert client.get("bad target").status == 400
    wait_until("they arrive", lambda: edge.counted() == 7)
    rows = edge.rows_of(a)
    sums = [sum(getattr(row, f"status_{family}xx") for row in rows) for family in (1, 2, 3, 4, 5)]
    assert sums == [0, 2, 1, 1, 2]
    assert sum(row.retries for row in rows) == sum(row.errors for row in edge.rows_of(dead)) > 0
    assert sum(row.status_4xx for row in edge.traffic() if not row.backend_id) == 1
    for row in rows:
        assert row.requests == sum(row.total.histogram.values())
        assert 0 < row.total.min <= row.total.max <= row.total.sum


def test_counts_of_all_workers_equal_what_the_clients_saw(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge("--workers", "2")
    edge.serve(backend("a").spec(), backend("b").spec(), workers=2)
    with Load(edge.port) as load:
        load.go_on(1.2)
    assert load.failures == []
    assert final_count(edge, load.answered) == load.answered


def test_redis_killed_under_load_costs_no_request_and_no_count(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge()
    edge.serve(backend("a").spec(), backend("b").spec())
    with Load(edge.port) as load:
        load.go_on(1.1)
        edge.redis_server.kill()
        load.go_on(1.5)
        edge.redis_server.start()
        load.go_on(0.3)
    assert load.failures == []
    edge.serve(backend("c").spec())  # the control plane is heard again
    assert final_count(edge, load.answered) == load.answered


def test_a_redis_that_hangs_costs_no_request_and_no_count(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge()
    edge.serve(backend("a").spec())
    with Load(edge.port) as load:
        load.go_on(0.5)
        edge.redis_server.process.send_signal(signal.SIGSTOP)
        load.go_on(1.5)
        edge.redis_server.process.send_signal(signal.SIGCONT)
        load.go_on(0.3)
    assert load.failures == []
    assert final_count(edge, load.answered) == load.answered


def test_kill_9_of_a_worker_loses_no_counted_answer(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge()
    edge.serve(backend("a").spec())
    with Load(edge.port, threads=6) as load:
        load.go_on(1.3)
        (killed,) = edge.workers
        os.kill(killed, signal.SIGKILL)
        wait_until("another one serves", lambda: edge.reports(edge.number))
        answered = load.answered
        wait_until("clients go on", lambda: load.answered > answered + 100)
    # Each client can lose the one request that it had under way.
    assert len(load.failures) <= 6
    wait_until("its board is delivered", lambda: not boards_of(edge, killed))
    count = final_count(edge, load.answered)
    assert load.answered <= count <= load.answered + len(load.failures)


def test_kill_9_of_a_worker_while_redis_is_away_loses_no_counted_answer(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    """The batch under way, what came after it, and what the next worker counts."""
    edge = start_edge()
    edge.serve(backend("a").spec())
    with Load(edge.port, threads=6) as load:
        load.go_on(1.1)
        edge.redis_server.kill()
        load.go_on(1.1)
        (killed,) = edge.workers
        os.kill(killed, signal.SIGKILL)
        edge.wait_until_it_says(edge.number)
        answered = load.answered
        wait_until("clients go on", lambda: load.answered > answered + 100)
        assert boards_of(edge, killed)
        edge.redis_server.start()
    wait_until("its board is delivered", lambda: not boards_of(edge, killed))
    count = final_count(edge, load.answered)
    assert load.answered <= count <= load.answered + len(load.failures)


def test_term_under_load_answers_what_was_accepted_and_delivers_every_count(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge()
    edge.serve(backend("a").spec())
    with Load(edge.port) as load:
        load.go_on(1.0)
        edge.stop()
        load.stop()
    assert edge.process.returncode == 0
    # Once nothing listens any more a new connection is refused; nothing else may happen.
    assert {failure.partition("(")[0] for failure in load.failures} <= {"ConnectionRefusedError"}
    assert edge.counted() == load.answered
    assert edge.boards == []


def test_term_waits_for_a_request_that_takes_its_time(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    go_on = threading.Event()

    def slowly(call: Call) -> None:
        go_on.wait(20)
        call.answer(b"at last")

    edge = start_edge("--graceful-timeout", "20")
    a = backend("a", slowly)
    edge.serve(a.spec())
    with Client(edge.port) as client, Client(edge.port) as idle:
        client.send(request_bytes("GET"))
        wait_until("it is under way", lambda: a.calls)
        assert idle.get("/-/health").status == 200
        edge.process.terminate()
        assert idle.ends()
        go_on.set()
        answer = client.response()
        assert (answer.body, answer.closes) == (b"at last", True)
    edge.stop()
    assert edge.counted() == 1


def test_term_while_redis_is_away_leaves_the_counts_for_the_next_start(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge()
    edge.serve(backend("a").spec())
    edge.redis_server.kill()
    with Client(edge.port) as client:
        for _ in range(10):
            assert client.get().status == 200
    edge.stop()
    assert len(edge.boards) == 1
    edge.redis_server.start()
    edge.start()
    edge.wait_for(edge.number)
    wait_until("they are delivered", lambda: edge.counted() == 10)
    wait_until("and their board deleted", lambda: len(edge.boards) == 1)


def test_term_ends_in_time_although_redis_hangs(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge("--graceful-timeout", "60")
    edge.serve(backend("a").spec())
    with Client(edge.port) as client:
        assert client.get().status == 200
    edge.redis_server.process.send_signal(signal.SIGSTOP)
    edge.stop()  # which waits for less than gunicorn would
    assert "Worker (pid:" not in edge.log  # it was not killed: it ended


def test_term_gives_up_a_request_that_never_ends_and_still_delivers_the_counts(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge()  # its graceful timeout is 5 seconds
    a = backend("a", lambda call: call.client_has_left)
    edge.serve(a.spec())
    with Client(edge.port) as client:
        client.send(request_bytes("GET"))
        wait_until("the backend has it", lambda: a.calls)
        edge.stop()
        answer = client.response()
        assert (answer.status, answer.closes, client.ends()) == (504, True, True)
    rows = edge.traffic()
    assert sum(row.requests for row in rows) == sum(row.status_5xx for row in rows) == 1
    assert sum(row.errors for row in rows) == 0, "no fault of the backend's"
    assert edge.boards == []
