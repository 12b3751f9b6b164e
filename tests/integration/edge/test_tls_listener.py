"""TLS between the clients and the edge, with gunicorn's --certfile and --keyfile."""

import os
import signal
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import trustme

from proxy.engine.descriptors import REFUSED
from proxy.worker import CERTIFICATE_INTERVAL
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, request_bytes
from tests.integration.edge.harness.processes import START_PATIENCE, Edge
from tests.integration.edge.harness.waiting import wait_until, wait_until_still

MakeBackend = Callable[..., Backend]
MIB = 1 << 20
LARGE = 24 * MIB
ROOM = 5  # clients


class Certificate:
    """The files that an edge was started with, and who vouches for them."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self._authority = trustme.CA()
        self.context = ssl.create_default_context()
        self._authority.configure_trust(self.context)
        self.authority = self._authority.cert_pem.bytes().decode()
        self.renew()

    def renew(self, key_type: trustme.KeyType = trustme.KeyType.ECDSA) -> int:
        """Issue a new one, and write its key first; what tells it from others."""
        issued = self._authority.issue_cert("shop.test", key_type=key_type)
        issued.private_key_pem.write_to_path(self.key)
        self.cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
        return _digest(der)

    @property
    def options(self) -> tuple[str, ...]:
        return ("--certfile", str(self.cert), "--keyfile", str(self.key))


def _digest(der: bytes) -> int:
    return zlib.crc32(der)


def served(edge: Edge) -> int:
    """Which certificate a new connection is shown."""
    with Client(edge.port, tls=edge.tls) as client:
        assert client.get().status == 200
        return shown(client)


def shown(client: Client) -> int:
    assert isinstance(client.sock, ssl.SSLSocket)
    return _digest(client.sock.getpeercert(binary_form=True) or b"")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def edge(start_lasting_edge: Callable[..., Edge], certificate: Certificate) -> Edge:
    return start_lasting_edge(
        *certificate.options, tls=certificate.context, LB_REQUEST_HEAD_TIMEOUT="1"
    )


def test_backends_are_told_https_and_the_connection_is_kept(
    edge: Edge, backend: MakeBackend
) -> None:
    a = backend("a")
    edge.serve(a.spec())
    with Client(edge.port, tls=edge.tls) as client:
        for _ in range(3):
            assert client.get().json()["headers"]["x-forwarded-proto"] == "https"
        assert client.get(connection="close").closes
        assert client.ends()
    assert a.connections == 1


@pytest.mark.parametrize(
    ("version", "accepted"),
    [
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
@pytest.mark.filterwarnings("ignore:.*TLSv1_1:DeprecationWarning")
def test_nothing_older_than_tls_1_2_is_spoken(
    edge: Edge, backend: MakeBackend, version: ssl.TLSVersion, accepted: bool
) -> None:
    edge.serve(backend("a").spec())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # or this side would not even offer 1.1
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    if not accepted:
        with pytest.raises(ssl.SSLError):
            Client(edge.port, tls=context)
        return
    with Client(edge.port, tls=context) as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        assert client.sock.selected_alpn_protocol() == "http/1.1"
        assert client.get().status == 200


def test_plain_http_on_the_port_ends_and_harms_nobody(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a").spec())
    with Client(edge.port) as client:
        client.send(request_bytes("GET"))
        assert client.ends()
    with Client(edge.port, tls=edge.tls) as client:
        assert client.get().status == 200


def test_a_handshake_that_does_not_come_ends(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a").spec())
    with Client(edge.port) as client:
        client.send(b"\x16\x03\x01")
        assert client.ends()


def test_who_has_not_shaken_hands_yet_counts_as_a_client(
    start_edge: Callable[..., Edge], backend: MakeBackend, certificate: Certificate
) -> None:
    edge = start_edge(*certificate.options, tls=certificate.context, LB_MAX_CONNECTIONS=f"{ROOM}")
    edge.serve(backend("a").spec())
    wait_until("earlier clients have left", lambda: edge.clients == 0)
    for _ in range(2):  # as many as may be
        with ExitStack() as stack:
            clients = [stack.enter_context(Client(edge.port, tls=edge.tls)) for _ in range(ROOM)]
            assert {client.get().status for client in clients} == {200}
        wait_until("they have left", lambda: edge.clients == 0)
    with Client(edge.port, tls=edge.tls) as early:
        assert early.get().status == 200
        silent = [socket.create_connection(("127.0.0.1", edge.port)) for _ in range(ROOM - 1)]
        with Client(edge.port, tls=edge.tls) as late:
            assert late.response().status == 503
        silent += [socket.create_connection(("127.0.0.1", edge.port)) for _ in range(REFUSED)]
        with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as too_many:
            assert too_many.recv(1) == b""
        assert early.get().status == 200
        for one in silent:
            one.close()
        wait_until("there is room again", lambda: edge.health() > 0)


def test_a_large_answer_waits_for_its_reader(edge: Edge, backend: MakeBackend) -> None:
    sent = 0
    piece = bytes(65536)

    def pour(call: Call) -> None:
        nonlocal sent
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
        while sent < LARGE:
            call.send(piece)
            sent += len(piece)

    edge.serve(backend("a", pour).spec())
    with Client(edge.port, tls=edge.tls, receive_buffer=65536) as client:
        client.send(request_bytes("GET"))
        assert client.head()[0] == 200
        wait_until_still("the backend's sending", lambda: sent)
        assert sent < LARGE - 4 * MIB
        assert len(client.stream.read(LARGE)) == LARGE


def test_a_large_body_waits_for_its_backend(edge: Edge, backend: MakeBackend) -> None:
    sent = 0
    go_on = threading.Event()

    def sip(call: Call) -> None:
        assert go_on.wait(60)
        a.echo(call)

    def pour(client: Client) -> None:
        nonlocal sent
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % LARGE)
        while sent < LARGE:
            client.send(bytes(65536))
            sent += 65536

    a = backend("a", sip)
    edge.serve(a.spec())
    with Client(edge.port, tls=edge.tls) as client:
        sender = threading.Thread(target=pour, args=(client,), daemon=True)
        sender.start()
        wait_until_still("the client's sending", lambda: sent)
        assert 0 < sent < LARGE - 4 * MIB
        go_on.set()
        sender.join(60)
        assert client.response().json()["size"] == LARGE
        assert client.get().status == 200


def test_errors_are_readable_while_the_client_still_sends(edge: Edge, backend: MakeBackend) -> None:
    def refuse(call: Call) -> None:
        call.answer(b"too large", status="413 Content Too Large")

    edge.serve(backend("a", refuse).spec())
    with Client(edge.port, tls=edge.tls) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\nbegin")
        client.send(bytes(200_000))
        answer = client.response()
        assert (answer.status, answer.body, answer.closes) == (413, b"too large", True)
    with Client(edge.port, tls=edge.tls) as client:
        client.send(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
        assert client.response().status == 400
        assert client.ends()
    with Client(edge.port, tls=edge.tls) as client:
        client.send(b"GET / HTTP/1.1\r\nHost:")
        assert client.response().status == 408


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("until_close", [False, True])
def test_an_answer_that_breaks_off_never_looks_complete(
    edge: Edge, backend: MakeBackend, until_close: bool, version: bytes
) -> None:
    length = b"" if until_close else b"Content-Length: 10\r\n"

    def break_off(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\n" + length + b"\r\nhalf ")
        call.reset()

    edge.serve(backend("a", break_off).spec())
    with Client(edge.port, tls=edge.tls) as client:
        client.send(b"GET / HTTP/%b\r\nHost: a\r\n\r\n" % version)
        answer = client.response()
        assert (answer.status, answer.complete) == (200, False)


def test_a_client_that_closes_its_half_ends_its_request(edge: Edge, backend: MakeBackend) -> None:
    """asyncio cannot keep the other half: better an end than an answer for nobody."""
    left = threading.Event()

    def wait_for_client(call: Call) -> None:
        if call.client_has_left:
            left.set()

    a = backend("a", wait_for_client)
    edge.serve(a.spec())
    with Client(edge.port, tls=edge.tls) as client:
        client.send(request_bytes("GET"))
        wait_until("the backend has it", lambda: a.calls)
        assert isinstance(client.sock, ssl.SSLSocket)
        client.sock.setblocking(False)
        with suppress(ssl.SSLWantReadError):  # the edge may have closed its half already
            client.sock.unwrap()
        assert left.wait(20)
    assert "has no effect when using ssl" not in edge.log


def test_a_renewed_certificate_is_shown_without_a_restart(
    edge: Edge, backend: MakeBackend, certificate: Certificate
) -> None:
    edge.serve(backend("a").spec())
    workers = edge.workers
    first = certificate.renew()
    wait_until("it is shown", lambda: served(edge) == first)
    with Client(edge.port, tls=edge.tls) as kept:
        assert kept.get().status == 200
        # Another kind of key: the old certificate must not be offered beside the new one.
        second = certificate.renew(trustme.KeyType.RSA)
        wait_until("it is shown", lambda: served(edge) == second)
        assert (kept.get().status, shown(kept)) == (200, first)
    assert edge.workers == workers


def test_a_broken_certificate_changes_nothing_and_is_told_once(
    edge: Edge, backend: MakeBackend, certificate: Certificate
) -> None:
    edge.serve(backend("a").spec())
    good = certificate.renew()
    wait_until("it is shown", lambda: served(edge) == good)
    told = edge.log.count("cannot be used")
    trustme.CA().issue_cert("shop.test").private_key_pem.write_to_path(certificate.key)
    wait_until("it is told", lambda: edge.log.count("cannot be used") > told)
    time.sleep(1.5 * CERTIFICATE_INTERVAL)  # it is looked at again, and nothing is told
    assert edge.log.count("cannot be used") == told + 1
    assert served(edge) == good
    mended = certificate.renew()
    wait_until("it is shown", lambda: served(edge) == mended)


def test_a_hup_takes_a_good_certificate_and_survives_a_broken_one(
    edge: Edge, backend: MakeBackend, certificate: Certificate
) -> None:
    edge.serve(backend("a").spec())
    good = certificate.renew()
    for broken in (False, True):
        if broken:
            certificate.cert.write_text("no certificate")
        before = set(edge.workers)
        edge.signal(signal.SIGHUP)
        wait_until("replaced", lambda old=before: edge.workers and not old & set(edge.workers))
        edge.wait_for(edge.number)
        assert served(edge) == good
    certificate.renew()


def test_who_shakes_hands_when_the_worker_drains_is_served(
    start_edge: Callable[..., Edge], backend: MakeBackend, certificate: Certificate
) -> None:
    """With no client left: whoever has not shaken hands yet is none."""
    edge = start_edge(*certificate.options, tls=certificate.context)
    edge.serve(backend("a").spec())
    (worker,) = edge.workers
    late = socket.create_connection(("127.0.0.1", edge.port), timeout=10)
    with Client(edge.port, tls=edge.tls) as witness:
        assert witness.get().status == 200
        os.kill(worker, signal.SIGTERM)
        wait_until("it drains", lambda: witness.get().closes)
    time.sleep(0.2)  # a client that is slow
    with late, certificate.context.wrap_socket(late, server_hostname="shop.test") as client:
        client.sendall(request_bytes("GET"))
        assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_sessions_are_resumed(edge: Edge, backend: MakeBackend, certificate: Certificate) -> None:
    edge.serve(backend("a").spec())
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=certificate.authority)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context.maximum_version = version
        with Client(edge.port, tls=context) as client:
            assert client.get().status == 200
            assert isinstance(client.sock, ssl.SSLSocket)
            session = client.sock.session
        sock = socket.create_connection(("127.0.0.1", edge.port))
        with context.wrap_socket(sock, server_hostname="shop.test", session=session) as again:
            assert again.session_reused


def test_an_edge_with_a_certificate_that_cannot_be_used_does_not_start(
    start_edge: Callable[..., Edge], tmp_path: Path
) -> None:
    certificate = Certificate(tmp_path)
    certificate.key.write_text("no key")
    edge = start_edge(*certificate.options)
    assert edge.process.wait(START_PATIENCE) != 0
    assert f"--keyfile cannot be used ({certificate.cert}" in edge.log
