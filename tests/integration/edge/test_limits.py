"""Sizes and times that a pool or the listener allows, each with the status that tells of it."""

import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from pool.snapshot import LimitPolicy, RetryPolicy, TimeoutPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, request_bytes
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.scripts import stall
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
MAX_CONNECTIONS = 20
LIMITS = {
    "LB_KEEP_ALIVE_TIMEOUT": "0.7",
    "LB_REQUEST_HEAD_TIMEOUT": "0.7",
    "LB_MAX_CONNECTIONS": str(MAX_CONNECTIONS),
    "LB_MAX_REQUEST_LINE": "200",
    "LB_MAX_REQUEST_HEAD": "1000",
    "LB_MAX_REQUEST_FIELDS": "10",
}
ONE_KIB = LimitPolicy(max_body=1024)
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def strict_edge(start_lasting_edge: Callable[..., Edge]) -> Edge:
    return start_lasting_edge(**LIMITS)


def chunk(size: int) -> bytes:
    return b"%x\r\n%b\r\n" % (size, b"x" * size)


# --- the request's body ---


def test_a_body_of_the_limits_size_passes_however_it_is_framed(
    edge: Edge, backend: MakeBackend
) -> None:
    edge.serve(backend("a").spec(), limits=ONE_KIB)
    with Client(edge.port) as client:
        assert client.request("POST", "/", b"x" * 1024).json()["size"] == 1024
        client.send(CHUNKED + chunk(1) * 1024 + b"0\r\n\r\n")
        assert client.response().json()["size"] == 1024


def test_a_length_above_the_limit_is_refused_before_any_of_it_is_forwarded(
    edge: Edge, backend: MakeBackend
) -> None:
    a = backend("a")
    edge.serve(a.spec(), limits=ONE_KIB)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n"
    with Client(edge.port) as client:
        client.send(head + b"x" * 1025)
        assert client.response().status == 413
    with Client(edge.port) as client:
        client.send(head)
        answer = client.response()
        assert (answer.status, answer.closes) == (413, True)
        client.sock.shutdown(socket.SHUT_WR)
        assert client.ends()
    assert a.calls == []


def test_a_client_that_asks_first_is_not_told_to_continue(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a").spec(), limits=ONE_KIB)
    with Client(edge.port) as client:
        client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1025\r\n\r\n"
        )
        assert client.response().status == 413


def test_chunks_beyond_the_limit_are_refused_when_they_come(
    edge: Edge, backend: MakeBackend
) -> None:
    a = backend("limited")
    edge.serve(a.spec(), limits=ONE_KIB)
    with Client(edge.port) as client:
        client.send(CHUNKED + chunk(1000))
        wait_until("the backend has its head", lambda: a.calls)
        client.send(b"19\r\n")  # 25 bytes more are announced
        answer = client.response()
        assert (answer.status, answer.closes) == (413, True)
    wait_until("the half request is gone", lambda: not a.open_connections)
    with Client(edge.port) as client:
        client.send(CHUNKED + chunk(2000))
        assert client.response().status == 413
    with Client(edge.port) as client:
        assert client.get().status == 200
    assert len(a.calls) == 2, "the one that came in one piece was not forwarded"
    wait_until("they are counted", lambda: any(row.requests for row in edge.rows_of(a)))
    assert sum(row.errors for row in edge.rows_of(a)) == 0


# --- the request's head ---


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 200), 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * 1000), 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 10 + b"\r\n", 431),
        (b"GET /" + b"x" * 300, 414),
        (b"GET / HTTP/1.1\r\nX: %b" % (b"x" * 1000), 431),
    ],
    ids=["line", "block", "fields", "endless line", "endless block"],
)
def test_a_head_that_is_too_large(
    strict_edge: Edge, backend: MakeBackend, head: bytes, status: int
) -> None:
    a = backend("a")
    strict_edge.serve(a.spec())
    with Client(strict_edge.port) as client:
        client.send(head)
        answer = client.response()
        assert (answer.status, answer.closes) == (status, True)
    assert a.calls == []


def test_a_head_that_trickles_is_a_408(strict_edge: Edge, backend: MakeBackend) -> None:
    strict_edge.serve(backend("a").spec())
    begun = time.monotonic()
    with Client(strict_edge.port) as client:
        answer = trickle(client, request_bytes("GET", x_padding="x" * 300))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begun > 0.6


def trickle(client: Client, data: bytes) -> bytes:
    """What comes back while `data` is sent, twenty bytes of it a second."""
    client.sock.settimeout(0.05)
    for byte in data:
        client.send(bytes([byte]))
        with suppress(TimeoutError):
            return client.sock.recv(1000)
    return b""


# --- connections ---


def test_a_connection_that_is_not_used_is_closed(strict_edge: Edge, backend: MakeBackend) -> None:
    strict_edge.serve(backend("a").spec())
    for requests in (0, 1):
        begun = time.monotonic()
        with Client(strict_edge.port) as client:
            for _ in range(requests):
                assert client.get().status == 200
            assert client.ends()
        assert time.monotonic() - begun > 0.6


def test_connections_beyond_the_limit_are_told_503(strict_edge: Edge, backend: MakeBackend) -> None:
    strict_edge.serve(backend("a").spec())
    wait_until("earlier clients have left", lambda: strict_edge.clients == 0)
    clients = [Client(strict_edge.port) for _ in range(MAX_CONNECTIONS)]
    try:
        assert {client.get().status for client in clients} == {200}
        with Client(strict_edge.port) as one_more:
            answer = one_more.response()
            assert (answer.status, answer.closes) == (503, True)
            assert "retry-after" in answer.headers
        assert {client.get().status for client in clients} == {200}
    finally:
        for client in clients:
            client.close()
    wait_until("there is room again", lambda: strict_edge.health() > 0)


def test_no_more_clients_are_taken_than_there_are_descriptors_to_serve_them(
    start_edge: Callable[..., Edge], backend: MakeBackend
) -> None:
    """The soft limit is raised as far as it may; each client leaves room for a backend."""
    all_are_here = threading.Event()

    def hold(call: Call) -> None:
        all_are_here.wait(60)
        call.answer()

    edge = start_edge()
    a = backend("a", hold)
    edge.serve(a.spec())
    (first,) = edge.workers
    master = psutil.Process(edge.process.pid)
    master.rlimit(psutil.RLIMIT_NOFILE, (100, 328))
    edge.signal(signal.SIGHUP)
    wait_until("it is replaced", lambda: edge.workers and first not in edge.workers)
    edge.wait_for(edge.number)
    wait_until("earlier clients have left", lambda: edge.clients == 0)
    clients = [Client(edge.port) for _ in range(110)]
    try:
        for client in clients:
            client.send(request_bytes("GET"))
        wait_until("all are here that may be", lambda: len(a.calls) == 100)
        all_are_here.set()
        statuses = Counter(client.response().status for client in clients)
    finally:
        for client in clients:
            client.close()
    assert statuses == {200: 100, 503: 10}
    assert "Room for 100 clients, not for the 10000 of LB_MAX_CONNECTIONS" in edge.log


# --- times of a pool ---


def test_a_body_that_does_not_come_is_a_408(edge: Edge, backend: MakeBackend) -> None:
    a = backend("waiting")
    edge.serve(a.spec(), timeouts=TimeoutPolicy(idle=0.3))
    with Client(edge.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf ")
        answer = client.response()
        assert (answer.status, answer.closes) == (408, True)
    wait_until("the half request is gone", lambda: not a.open_connections)
    wait_until("it is counted", lambda: any(row.requests for row in edge.rows_of(a)))
    assert sum(row.errors for row in edge.rows_of(a)) == 0, "no fault of the backend's"


WHOLE = TimeoutPolicy(request=0.5)  # less than any other time-out, and than a client's patience


def drip(call: Call) -> None:
    """Answer a byte at a time, never idle for long."""
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        call.send(b"x")
        time.sleep(0.02)


def refuse_slowly(call: Call) -> None:
    time.sleep(0.3)  # shorter than the whole, which two of them exceed
    call.reset()


def test_504_when_the_whole_request_takes_too_long(edge: Edge, backend: MakeBackend) -> None:
    stalling = backend("stalling", stall)
    edge.serve(stalling.spec(), timeouts=WHOLE)
    with Client(edge.port) as client:
        for _ in range(2):
            begun = time.monotonic()
            answer = client.get()
            assert (answer.status, answer.closes) == (504, False)
            assert time.monotonic() - begun > 0.4
    wait_until("counted against it", lambda: sum(r.errors for r in edge.rows_of(stalling)) == 2)


def test_retries_do_not_prolong_it(edge: Edge, backend: MakeBackend) -> None:
    slow = [backend(f"slow-{number}", refuse_slowly).spec() for number in range(5)]
    edge.serve(*slow, timeouts=WHOLE, retry=RetryPolicy(attempts=5))
    with Client(edge.port) as client:
        assert client.get().status == 504


def test_a_response_that_takes_too_long_is_cut_and_never_looks_complete(
    edge: Edge, backend: MakeBackend
) -> None:
    a = backend("a", drip)
    edge.serve(a.spec(), timeouts=WHOLE)
    with Client(edge.port) as client:
        begun = time.monotonic()
        answer = client.get()
        assert (answer.status, answer.complete) == (200, False)
        assert time.monotonic() - begun > 0.4
    wait_until("the backend is let go of", lambda: not a.open_connections)


def test_a_body_that_trickles_ends_with_the_whole_requests_time(
    edge: Edge, backend: MakeBackend
) -> None:
    edge.serve(backend("a").spec(), timeouts=WHOLE)
    with Client(edge.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        assert trickle(client, b"x" * 300).startswith(b"HTTP/1.1 504 ")


def test_requests_within_their_time_share_a_connection(edge: Edge, backend: MakeBackend) -> None:
    """The time of one must not be held against a later one."""
    edge.serve(backend("a").spec(), timeouts=TimeoutPolicy(request=1.0))
    with Client(edge.port) as client:
        begun = time.monotonic()
        while time.monotonic() - begun < 2.2:  # for longer than one may take
            assert client.get().status == 200
            time.sleep(0.05)
