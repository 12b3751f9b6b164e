"""What becomes of a request in a simulated backend: slots, queue, faults, patience."""

from random import Random
from typing import Any

import pytest

from proxy.errors import BackendReset, ConnectFailed, ResponseTimeout
from proxy.simulation.fault import Fault, FaultKind, parse_fault
from proxy.simulation.server import PROMPT, Reply, Server
from proxy.simulation.service_time import Fixed

MS = 1_000_000
SECOND = 1000 * MS


def server(work: float = 10 * MS, **fields: Any) -> Server:
    return Server(Fixed(work), Random(1), **fields)


def test_without_a_limit_nobody_waits() -> None:
    backend = server()
    assert {backend.receive(0) for _ in range(100)} == {Reply(10 * MS)}


def test_requests_over_the_capacity_queue_in_their_order() -> None:
    backend = server(capacity=2)
    waits = [backend.receive(at * MS).waited // MS for at in (0, 1, 2, 3, 4)]
    assert waits == [0, 0, 8, 8, 16]
    assert backend.receive(100 * MS).waited == 0


def test_it_refuses_from_the_begin_until_the_end() -> None:
    backend = server(faults=[parse_fault("5s-15s")])
    refused = [at for at in (4, 5, 14, 15) if backend.receive(at * SECOND).error is not None]
    assert refused == [5, 14]
    assert isinstance(backend.receive(5 * SECOND).error, ConnectFailed)


def test_what_it_works_on_when_it_dies_is_lost_and_so_is_the_queue() -> None:
    backend = server(2 * SECOND, capacity=1, faults=[parse_fault("1s-4s")])
    for reply in (backend.receive(0), backend.receive(0)):
        assert reply.after == SECOND
        assert isinstance(reply.error, BackendReset)
    assert backend.receive(4 * SECOND) == Reply(2 * SECOND)


def test_errors_come_at_once_and_slowness_multiplies() -> None:
    backend = server(faults=[parse_fault("0s-1s:errors"), parse_fault("2s-3s:slow:10")])
    assert backend.receive(0) == Reply(PROMPT, status=500)
    assert backend.receive(SECOND) == Reply(10 * MS)
    assert backend.receive(2 * SECOND) == Reply(100 * MS)


def test_nobody_waits_for_longer_than_the_time_out() -> None:
    backend = server(2 * SECOND, timeout=SECOND)
    reply = backend.receive(0)
    assert reply.after == SECOND
    assert isinstance(reply.error, ResponseTimeout)


def test_faults_are_read() -> None:
    assert parse_fault("5s-15s") == Fault(5e9, 15e9)
    assert parse_fault("500ms-") == Fault(5e8)
    assert parse_fault("1s-2s:errors") == Fault(1e9, 2e9, FaultKind.ERRORS)
    assert parse_fault("1s-2s:slow:2.5") == Fault(1e9, 2e9, FaultKind.SLOW, 2.5)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("5s", "is no failure: write 5s-15s"),
        ("15s-5s", "ends before it begins"),
        ("x-5s", "'x' is no duration"),
        ("1s-2s:explodes", "is no failure"),
        ("1s-2s:slow", "is no failure"),
        ("1s-2s:slow:0", "'0' is no factor"),
    ],
)
def test_a_malformed_fault_is_named(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_fault(text)
