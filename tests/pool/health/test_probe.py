"""One probe: what passes, what fails, and the reason that is given."""

import contextlib
import os
import socket
import threading
import time

import pytest

from pool.choices import ProbeResult
from pool.health.probe import BODY_LIMIT, probe
from pool.snapshot import HealthPolicy
from tests.integration.edge.harness.ports import ReservedPort

PASS, FAIL = ProbeResult.PASS, ProbeResult.FAIL
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LONG = 10  # seconds; less than what a probe would take that nothing ends


def _head_read(connection):
    while b"\r\n\r\n" not in connection.recv(65536):
        pass


def _until_closed(connection, piece, pause):
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(piece)
            time.sleep(pause)  # a backend that trickles


def _timed(origin, policy):
    started = time.monotonic()
    outcome = probe(origin, policy)
    return outcome, time.monotonic() - started


@pytest.mark.parametrize(
    ("status", "expected", "result", "reason"),
    [
        ("200 OK", "200-399", PASS, "status 200"),
        ("204 No Content", "200-399", PASS, "status 204"),
        ("304 Not Modified", "200-399", PASS, "status 304"),
        ("503 Service Unavailable", "200-399", FAIL, "status 503, expected 200-399"),
        ("404 Not Found", "200-299,404", PASS, "status 404"),
        ("200 OK", "204", FAIL, "status 200, expected 204"),
    ],
)
def test_status_decides(backend, answer, status, expected, result, reason):
    server = backend(answer(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()))
    outcome = probe(server.origin, HealthPolicy(expected_status=expected))
    assert (outcome.result, outcome.reason) == (result, reason)
    assert outcome.status == int(status[:3])
    assert 0 < outcome.latency_ms < 2000


def test_the_request_asks_for_the_path_and_closes(backend, answer):
    received = []
    server = backend(answer(OK, received))
    probe(server.origin, HealthPolicy(path="/ready?deep=1"))
    lines = received[0].decode().split("\r\n")
    assert lines[0] == "GET /ready?deep=1 HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}" in lines
    assert "Connection: close" in lines
    assert "User-Agent: lbsite-health" in lines


def test_a_redirect_is_an_answer_and_is_not_followed(backend, answer):
    elsewhere = backend(answer(OK))
    location = f"Location: {elsewhere.origin}/\r\n".encode()
    server = backend(answer(b"HTTP/1.1 302 Found\r\n" + location + b"Content-Length: 0\r\n\r\n"))
    assert probe(server.origin, HealthPolicy()).status == 302
    assert elsewhere.connections == 0


def test_a_redirect_loop_ends_after_one_request(backend, answer):
    server = backend(answer(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"))
    outcome = probe(server.origin, HealthPolicy(expected_status="200"))
    assert outcome.reason == "status 302 (a redirect to /, not followed), expected 200"
    assert server.connections == 1


def test_proxies_in_the_environment_are_ignored(backend, answer, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert probe(backend(answer(OK)).origin, HealthPolicy()).result is PASS


def test_cookies_are_not_kept_between_probes(backend, answer):
    received = []
    server = backend(
        answer(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n", received)
    )
    probe(server.origin, HealthPolicy())
    probe(server.origin, HealthPolicy())
    assert b"ookie" not in received[1]


def test_refused_connection_is_named():
    port = ReservedPort()
    outcome = probe(f"http://127.0.0.1:{port.number}", HealthPolicy())
    port.release()
    assert (outcome.result, outcome.reason) == (FAIL, "connection refused")
    assert outcome.status is None
    assert outcome.latency_ms is None


def test_connection_that_is_never_accepted_is_named():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with contextlib.ExitStack() as stack:  # fill the backlog
            for _ in range(2):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
            outcome, seconds = _timed(origin, HealthPolicy(timeout=0.3))
    assert outcome.reason == "no connection within 0.3 s"
    assert seconds < LONG


def test_name_that_does_not_resolve_is_named():
    outcome = probe("http://nowhere.invalid:80", HealthPolicy())
    assert outcome.reason == "name does not resolve: nowhere.invalid"


def test_name_resolution_that_hangs_ends_in_time(monkeypatch):
    def hang(host, port, flags=0, **kwargs):
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror
        over.wait(2 * LONG)
        return []

    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    outcome, seconds = _timed("http://slow.example:80", HealthPolicy(timeout=0.2))
    over.set()
    assert outcome.reason == "name did not resolve in time: slow.example"
    assert seconds < LONG


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (lambda c: _until_closed(c, b"", 0.05), "no answer within 0.3 s"),
        (lambda c: _until_closed(c, b"H", 0.05), "no answer within 0.3 s"),
        (
            lambda c: (c.sendall(b"HTTP/1.1 200 OK\r\n"), _until_closed(c, b"X-A: b\r\n", 0.05)),
            "no answer within 0.3 s",
        ),
        (
            lambda c: _until_closed(c, b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
            "no answer within 0.3 s",
        ),
        (
            lambda c: (c.sendall(OK[:-2]), _until_closed(c, b"", 0.05)),
            "status 200, but the body was not complete within 0.3 s",
        ),
        (
            lambda c: (
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"),
                _until_closed(c, b"x", 0.05),
            ),
            "status 200, but the body was not complete within 0.3 s",
        ),
    ],
    ids=["silence", "trickled line", "trickled head", "endless 100s", "no body", "trickled body"],
)
def test_nothing_exceeds_the_timeout(backend, script, reason):
    def run(connection):
        _head_read(connection)
        script(connection)

    outcome, seconds = _timed(backend(run).origin, HealthPolicy(timeout=0.3))
    assert (outcome.result, outcome.reason) == (FAIL, reason)
    assert seconds < LONG


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "connection closed without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP"),
        (os.urandom(64).replace(b"\n", b"") + b"\r\n\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 two hundred\r\n\r\n", "the answer is not HTTP"),
        (b"H" * 100_000, "the answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200 + b"\r\n", "the answer is not HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut",
            "status 200, but the body was cut short",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            "status 200, but the body was cut short",
        ),
    ],
    ids=["empty", "ssh", "random", "bad status", "long line", "many fields", "cut", "cut chunk"],
)
def test_garbage_is_named(backend, answer, data, reason):
    assert probe(backend(answer(data)).origin, HealthPolicy()).reason == reason


def test_reset_is_named(backend):
    def reset(connection):
        _head_read(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    assert (
        probe(backend(reset).origin, HealthPolicy()).reason == "connection reset before the answer"
    )


def test_an_endless_body_passes_once_the_limit_is_read(backend):
    def endless(connection):
        _head_read(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        _until_closed(connection, b"x" * BODY_LIMIT, 0)

    # In time it passes only if the rest, which does not end, is not waited for.
    assert probe(backend(endless).origin, HealthPolicy(timeout=LONG)).result is PASS


def test_a_compressed_body_is_not_unpacked(backend, answer):
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n"
    assert probe(backend(answer(head + b"nope")).origin, HealthPolicy()).result is PASS


def test_how_the_body_of_a_failure_began_is_kept(backend, answer):
    body = b"<h1>Out of\r\n memory</h1>\x00" + b"x" * 500
    head = b"HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n" % len(body)
    outcome = probe(backend(answer(head + body)).origin, HealthPolicy())
    assert outcome.excerpt.startswith("<h1>Out of memory</h1> xxx")
    assert len(outcome.excerpt) < 200


def test_a_failure_whose_body_never_comes_is_told_by_its_status(backend, answer):
    data = b"HTTP/1.1 500 Oops\r\nContent-Length: 500\r\n\r\n"
    outcome = probe(backend(answer(data)).origin, HealthPolicy(timeout=0.3))
    assert (outcome.status, outcome.excerpt) == (500, "")
