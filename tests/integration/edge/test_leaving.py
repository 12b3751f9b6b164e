"""A worker that goes as planned signs off, by taking its report away; any other does not."""

import os
import signal
from collections.abc import Callable

import psutil
import pytest

from tests.integration.edge.harness.backend import Backend
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.processes import Edge, runs
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]


def reporting(edge: Edge) -> set[int]:
    return {report.pid for report in edge.all_reports()}


@pytest.fixture
def edge(start_edge: StartEdge, backend: MakeBackend) -> Edge:
    edge = start_edge("--workers", "2", "--max-requests", "20")
    edge.serve(backend("a").spec(), workers=2)
    return edge


def replace_workers(edge: Edge) -> None:
    edge.signal(signal.SIGHUP)


def have_one_less(edge: Edge) -> None:
    edge.signal(signal.SIGTTOU)


def stop(edge: Edge) -> None:
    edge.signal(signal.SIGTERM)


def interrupt(edge: Edge) -> None:
    edge.signal(signal.SIGINT)


def send_many_requests(edge: Edge) -> None:
    for _ in range(60):
        with Client(edge.port) as client:
            client.get()


@pytest.mark.parametrize(
    "act", [replace_workers, have_one_less, stop, interrupt, send_many_requests]
)
def test_a_worker_that_goes_as_planned_signs_off(edge: Edge, act: Callable[[Edge], None]) -> None:
    before = set(edge.workers)
    assert reporting(edge) == before
    processes = [psutil.Process(pid) for pid in before]
    act(edge)
    wait_until("one goes", lambda: not all(runs(process) for process in processes))
    gone = {process.pid for process in processes if not runs(process)}
    assert not gone & reporting(edge)


def test_a_worker_that_is_killed_does_not_sign_off(edge: Edge) -> None:
    killed = edge.workers[0]
    os.kill(killed, signal.SIGKILL)
    wait_until("it is gone", lambda: killed not in edge.workers)
    assert killed in reporting(edge)


def test_workers_whose_arbiter_is_killed_do_not_sign_off(edge: Edge) -> None:
    left = [psutil.Process(pid) for pid in edge.workers]
    edge.process.kill()
    wait_until("they end", lambda: not any(map(runs, left)))
    assert {process.pid for process in left} == reporting(edge)
