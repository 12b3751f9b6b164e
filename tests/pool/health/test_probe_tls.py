"""Probes over HTTPS: certificates are verified, and handshakes end in time."""

import shutil
import ssl
import subprocess
import threading
import time

import pytest

from pool.choices import ProbeResult
from pool.health.probe import probe
from pool.snapshot import HealthPolicy, TlsPolicy

pytestmark = pytest.mark.skipif(
    not shutil.which("openssl"), reason="openssl makes the certificates"
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LONG = 10  # seconds; less than what a probe would take that nothing ends


@pytest.fixture(scope="module")
def make_certificate(tmp_path_factory):
    def make(subject_alternative: str, days: str = "2"):
        folder = tmp_path_factory.mktemp("tls")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
        command += ["ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=test"]
        command += ["-addext", f"subjectAltName={subject_alternative}", "-days", days]
        command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
        subprocess.run(command, check=True, capture_output=True)
        return folder

    return make


def _server(folder) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def _trusting(folder, **policy) -> TlsPolicy:
    return TlsPolicy(ca=(folder / "cert.pem").read_text(), **policy)


def test_trusted_certificate_passes(backend, answer, make_certificate):
    folder = make_certificate("IP:127.0.0.1")
    outcome = probe(backend(answer(OK), _server(folder)).origin, HealthPolicy(), _trusting(folder))
    assert (outcome.result, outcome.reason) == (ProbeResult.PASS, "status 200")


def test_untrusted_certificate_is_named(backend, answer, make_certificate):
    folder = make_certificate("IP:127.0.0.1")
    outcome = probe(backend(answer(OK), _server(folder)).origin, HealthPolicy())
    assert outcome.reason.startswith("TLS certificate: self")


def test_certificate_for_another_name_is_named(backend, answer, make_certificate):
    folder = make_certificate("DNS:other.example")
    outcome = probe(backend(answer(OK), _server(folder)).origin, HealthPolicy(), _trusting(folder))
    assert outcome.reason.startswith("TLS certificate: IP address mismatch")


def test_the_pools_server_name_is_asked_for_and_verified(backend, answer, make_certificate):
    folder = make_certificate("DNS:other.example")
    asked = []
    server = _server(folder)
    server.sni_callback = lambda _, name, __: asked.append(name)
    trust = _trusting(folder, server_name="other.example")
    outcome = probe(backend(answer(OK), server).origin, HealthPolicy(), trust)
    assert (outcome.result, outcome.reason) == (ProbeResult.PASS, "status 200")
    assert asked == ["other.example"]


def test_the_pools_server_name_must_be_in_the_certificate(backend, answer, make_certificate):
    folder = make_certificate("IP:127.0.0.1")
    trust = _trusting(folder, server_name="other.example")
    outcome = probe(backend(answer(OK), _server(folder)).origin, HealthPolicy(), trust)
    assert outcome.reason.startswith("TLS certificate: Hostname mismatch")


def test_an_authority_of_the_pool_takes_the_place_of_all_others(backend, answer, make_certificate):
    ours, theirs = make_certificate("IP:127.0.0.1"), make_certificate("IP:127.0.0.1")
    outcome = probe(backend(answer(OK), _server(theirs)).origin, HealthPolicy(), _trusting(ours))
    assert outcome.reason.startswith("TLS certificate: self")


@pytest.mark.filterwarnings("error")
def test_nothing_is_verified_where_the_pool_does_not_want_it(backend, answer, make_certificate):
    folder = make_certificate("DNS:other.example")
    trust = TlsPolicy(verify=False)
    outcome = probe(backend(answer(OK), _server(folder)).origin, HealthPolicy(), trust)
    assert (outcome.result, outcome.reason) == (ProbeResult.PASS, "status 200")


def test_plain_http_on_the_port_is_named(backend):
    server = backend(lambda connection: connection.sendall(OK))
    outcome = probe(server.origin.replace("http:", "https:"), HealthPolicy())
    assert outcome.reason.startswith("TLS failed: ")


def test_handshake_that_hangs_ends_in_time(backend):
    over = threading.Event()
    server = backend(lambda connection: (connection.recv(4096), over.wait(2 * LONG)))
    started = time.monotonic()
    outcome = probe(server.origin.replace("http:", "https:"), HealthPolicy(timeout=0.3))
    over.set()
    assert time.monotonic() - started < LONG
    assert outcome.reason == "no answer within 0.3 s"


def test_head_that_trickles_ends_in_time(backend, make_certificate):
    folder = make_certificate("IP:127.0.0.1")

    def trickle(connection):
        while True:
            connection.sendall(b"H")
            time.sleep(0.05)  # a backend that trickles

    started = time.monotonic()
    outcome = probe(
        backend(trickle, _server(folder)).origin, HealthPolicy(timeout=0.3), _trusting(folder)
    )
    assert time.monotonic() - started < LONG
    assert outcome.reason == "no answer within 0.3 s"
