"""TLS between the edge and its backends, as the pool's policy wants it."""

import socket
import ssl
import threading
from collections.abc import Callable

import pytest
import trustme

from pool.snapshot import BackendSpec, RetryPolicy, TlsPolicy
from tests.integration.edge.harness.backend import Backend, Call, ids
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]


class Authority:
    """Issues the backends' certificates, and remembers which names were asked for."""

    def __init__(self) -> None:
        self._ca = trustme.CA()
        self.pem = self._ca.cert_pem.bytes().decode()
        self.asked_for: list[str | None] = []

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names).configure_cert(context)
        context.sni_callback = lambda sock, name, context: self.asked_for.append(name)
        return context


@pytest.fixture
def authority() -> Authority:
    return Authority()


def test_a_certificate_of_the_pools_authority_is_taken_and_the_connection_kept(
    edge: Edge, backend: MakeBackend, authority: Authority
) -> None:
    a = backend("a", tls=authority.server("127.0.0.1"))
    edge.serve(a.spec(), tls=TlsPolicy(ca=authority.pem))
    with Client(edge.port) as client:
        for size in (0, 5, 1_000_000):
            answer = client.request("POST", "/", b"x" * size)
            assert (answer.status, answer.json()["size"]) == (200, size)
    assert (a.connections, authority.asked_for) == (1, [None])  # RFC 6066 §3: no addresses


def test_an_unknown_authority_is_a_502_whose_reason_is_in_the_log_alone(
    edge: Edge, backend: MakeBackend, authority: Authority
) -> None:
    a = backend("distrusted", tls=authority.server("127.0.0.1"))
    edge.serve(a.spec())
    with Client(edge.port) as client:
        for _ in range(3):
            answer = client.get(accept="application/json")
            assert answer.status == 502
            assert "certificate" not in answer.body.decode().lower()
    assert a.calls == []
    told = [line for line in edge.log.splitlines() if "backend distrusted:" in line]
    assert len(told) == 1, "once, not for each request"
    assert "CERTIFICATE_VERIFY_FAILED" in told[0]


def test_a_certificate_for_another_name_is_refused(
    edge: Edge, backend: MakeBackend, authority: Authority
) -> None:
    a = backend("misnamed", tls=authority.server("other.test"))
    edge.serve(a.spec(), tls=TlsPolicy(ca=authority.pem))
    with Client(edge.port) as client:
        assert client.get().status == 502
    assert a.calls == []
    assert "backend misnamed:" in edge.log


def test_the_server_name_is_asked_for_and_verified(
    edge: Edge, backend: MakeBackend, authority: Authority
) -> None:
    a = backend("a", tls=authority.server("inner.test"))
    edge.serve(a.spec(), tls=TlsPolicy(ca=authority.pem, server_name="inner.test"))
    with Client(edge.port) as client:
        assert client.get().status == 200
    assert authority.asked_for == ["inner.test"]


def test_the_urls_host_is_asked_for_and_verified(
    edge: Edge, backend: MakeBackend, authority: Authority
) -> None:
    a = backend("a", tls=authority.server("localhost"))
    edge.serve(a.spec(url=f"https://localhost:{a.port}"), tls=TlsPolicy(ca=authority.pem))
    with Client(edge.port) as client:
        assert client.get().status == 200
    assert authority.asked_for == ["localhost"]


def test_verification_can_be_turned_off(
    edge: Edge, backend: MakeBackend, authority: Authority
) -> None:
    edge.serve(backend("a", tls=authority.server("other.test")).spec(), tls=TlsPolicy(verify=False))
    with Client(edge.port) as client:
        assert client.get().status == 200


def test_a_stricter_policy_holds_for_the_next_request(
    edge: Edge, backend: MakeBackend, authority: Authority
) -> None:
    """A connection that was made without verification must not be used with it."""
    a = backend("a", tls=authority.server("127.0.0.1"))
    edge.serve(a.spec(), tls=TlsPolicy(verify=False))
    with Client(edge.port) as client:
        assert client.get().status == 200
        edge.serve(a.spec(), tls=TlsPolicy())
        wait_until("the idle connection is closed", lambda: not a.open_connections)
        assert client.get().status == 502
        edge.serve(a.spec(), tls=TlsPolicy(ca=authority.pem))
        assert client.get().status == 200


def test_a_plain_backend_at_an_https_url_is_a_502(edge: Edge) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_answer_plainly, args=[server], daemon=True).start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        edge.serve(BackendSpec(id=next(ids), name="a", url=url))
        with Client(edge.port) as client:
            assert client.get().status == 502


def _answer_plainly(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def test_a_request_that_could_not_be_sent_goes_to_another_backend(
    edge: Edge, backend: MakeBackend, authority: Authority
) -> None:
    bad = backend("bad", tls=Authority().server("127.0.0.1"))
    good = backend("good", tls=authority.server("127.0.0.1"))
    edge.serve(bad.spec(), good.spec(), tls=TlsPolicy(ca=authority.pem))
    with Client(edge.port) as client:
        assert [client.request("POST", "/", b"order").status for _ in range(4)] == [200] * 4
    assert len(good.calls) == 4


def test_an_answer_that_ends_without_close_notify_never_looks_complete(
    edge: Edge, backend: MakeBackend, authority: Authority
) -> None:
    """RFC 8446 §6.1: anybody on the way could have cut it."""

    def end(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\n\r\nhalf ")
        if call.target == "/whole":
            call.say_goodbye()
        else:
            call.cut()

    a = backend("a", end, tls=authority.server("127.0.0.1"))
    edge.serve(a.spec(), tls=TlsPolicy(ca=authority.pem), retry=RetryPolicy(attempts=1))
    for target, complete in (("/cut", False), ("/whole", True)):
        with Client(edge.port) as client:
            answer = client.get(target)
            assert (answer.status, answer.complete) == (200, complete), target
