"""A POST over TLS is checked, and nobody holds a sender up for longer than agreed."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest
import trustme

from pool.alerts import http

Script = Callable[[socket.socket], None]
Serve = Callable[..., int]

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Runs a script with one connection to the port that it returns."""
    with contextlib.ExitStack() as open_until_the_end:

        def start(script: Script, tls: ssl.SSLContext | None = None) -> int:
            listener = open_until_the_end.enter_context(socket.create_server(("127.0.0.1", 0)))

            def run() -> None:
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    if tls is not None:
                        connection = tls.wrap_socket(connection, server_side=True)
                    with connection:
                        script(connection)

            threading.Thread(target=run, daemon=True).start()
            return listener.getsockname()[1]

        yield start


def answer(connection: socket.socket, what: bytes = ANSWER) -> None:
    received = b""
    while not received.endswith(b"{}"):
        received += connection.recv(4096)
    connection.sendall(what)


def post(url: str) -> http.Outcome:
    return http.post(url, b"{}", {"Content-Type": "application/json"}, internal=True)


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """One that the sender trusts."""
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    monkeypatch.setattr(http, "_tls_context", lambda: context)
    return authority


def tls_of(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_over_tls(serve: Serve, authority: trustme.CA) -> None:
    port = serve(answer, tls_of(authority, "localhost"))
    outcome = post(f"https://localhost:{port}/")
    assert (outcome.delivered, outcome.status, outcome.excerpt) == (True, 200, "ok")


def test_a_certificate_for_another_name_is_refused(serve: Serve, authority: trustme.CA) -> None:
    port = serve(answer, tls_of(authority, "other.example"))
    assert post(f"https://localhost:{port}/").detail.startswith(
        "TLS certificate: Hostname mismatch"
    )


def test_a_certificate_of_an_unknown_authority_is_refused(serve: Serve) -> None:
    port = serve(answer, tls_of(trustme.CA(), "localhost"))
    assert post(f"https://localhost:{port}/").detail.startswith("TLS certificate: ")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-Long: "])
def test_an_endless_trickle_is_cut(
    serve: Serve, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, head: bytes, scheme: str
) -> None:
    monkeypatch.setattr(http, "SECONDS", 0.4)
    over = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(head)
        while not over.wait(0.02):
            connection.sendall(b"x")

    port = serve(trickle, tls_of(authority, "localhost") if scheme == "https" else None)
    outcome = post(f"{scheme}://localhost:{port}/")
    over.set()
    assert (outcome.delivered, outcome.detail) == (False, "no answer within 0.4 s")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_receiver_that_does_not_read_is_left(
    serve: Serve, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(http, "SECONDS", 0.4)
    over = threading.Event()

    def sip(connection: socket.socket) -> None:
        while not over.wait(0.02):
            connection.recv(4096)

    port = serve(sip, tls_of(authority, "localhost") if scheme == "https" else None)
    outcome = http.post(f"{scheme}://localhost:{port}/", bytes(10_000_000), {}, internal=True)
    over.set()
    assert (outcome.delivered, outcome.detail) == (False, "no answer within 0.4 s")


def test_a_body_that_does_not_end_does_not_matter(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "SECONDS", 1.0)
    over = threading.Event()

    def stall(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbeg")
        over.wait(10)

    outcome = post(f"http://127.0.0.1:{serve(stall)}/")
    over.set()
    assert outcome.delivered


def test_what_is_not_http_is_told(serve: Serve) -> None:
    port = serve(lambda connection: answer(connection, b"220 mail ready\r\n"))
    assert post(f"http://127.0.0.1:{port}/").detail == "the answer is not HTTP"
