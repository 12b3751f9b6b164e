"""Probes of backends on unix sockets and IPv6, and with a Host of the pool's."""

import contextlib
import socket
import threading
import time

import pytest

from pool.choices import ProbeResult
from pool.health.probe import probe
from pool.snapshot import HealthPolicy

PASS, FAIL = ProbeResult.PASS, ProbeResult.FAIL
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def serve():
    """Answers each connection of a listener with `data`; gives the heads that were received."""
    listeners = []

    def start(listener, data=OK):
        heads = []
        listeners.append(listener)
        threading.Thread(target=_answer_all, args=(listener, data, heads), daemon=True).start()
        return heads

    yield start
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _answer_all(listener, data, heads):
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                heads.append(connection.recv(65536).decode())
                connection.sendall(data)


def _unix_listener(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def test_a_backend_on_a_unix_socket_is_asked(serve, tmp_path):
    path = tmp_path / "app+1.sock"
    heads = serve(_unix_listener(path))
    outcome = probe(f"unix:{path}", HealthPolicy(path="/up?deep=1"))
    assert (outcome.result, outcome.reason) == (PASS, "status 200")
    assert heads[0].startswith("GET /up?deep=1 HTTP/1.1\r\n")
    assert "\r\nHost: localhost\r\n" in heads[0]


def test_a_failing_backend_on_a_unix_socket_is_judged(serve, tmp_path):
    path = tmp_path / "app.sock"
    serve(_unix_listener(path), b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
    outcome = probe(f"unix:{path}", HealthPolicy())
    assert (outcome.result, outcome.reason) == (FAIL, "status 500, expected 200-399")


def test_a_socket_that_is_not_there_is_named(tmp_path):
    outcome = probe(f"unix:{tmp_path / 'gone.sock'}", HealthPolicy())
    assert (outcome.result, outcome.reason) == (FAIL, "no such file or directory")


def test_a_socket_that_nobody_listens_on_is_named(tmp_path):
    _unix_listener(tmp_path / "old.sock").close()
    outcome = probe(f"unix:{tmp_path / 'old.sock'}", HealthPolicy())
    assert outcome.reason == "connection refused"


def test_a_silent_backend_on_a_unix_socket_ends_in_time(tmp_path):
    with _unix_listener(tmp_path / "app.sock"):
        started = time.monotonic()
        outcome = probe(f"unix:{tmp_path / 'app.sock'}", HealthPolicy(timeout=0.3))
    assert outcome.reason == "no answer within 0.3 s"
    assert time.monotonic() - started < 10  # and not for ever


def test_a_backend_at_an_ipv6_address_is_asked(serve):
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    port = listener.getsockname()[1]
    heads = serve(listener)
    assert probe(f"http://[::1]:{port}", HealthPolicy()).result is PASS
    assert f"\r\nHost: [::1]:{port}\r\n" in heads[0]


def test_the_pools_own_host_is_sent_once(serve):
    listener = socket.create_server(("127.0.0.1", 0))
    heads = serve(listener)
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    assert probe(origin, HealthPolicy(), host="app.internal:81").result is PASS
    assert heads[0].lower().count("\r\nhost:") == 1
    assert "\r\nHost: app.internal:81\r\n" in heads[0]
