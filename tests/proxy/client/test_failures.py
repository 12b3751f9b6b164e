"""What `requests` raises, in the core's words."""

import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import requests
import trustme

from proxy import errors
from proxy.client.failures import FAILURES, failure_of
from tests.integration.edge.harness.backend import Call

Make = Callable[..., Any]


def failure(url: str, **options: Any) -> errors.ProxyError:
    with pytest.raises(FAILURES) as caught:
        requests.get(f"{url}/?secret=1", **({"timeout": 20} | options))
    found = failure_of(caught.value)
    assert "secret" not in str(found)
    return found


def test_a_refused_connection_has_sent_nothing(backend: Make) -> None:
    dead = backend()
    dead.stop()
    found = failure(dead.url)
    assert type(found) is errors.ConnectFailed
    assert (found.nothing_sent, found.reason) == (True, "connection refused")


def test_a_name_that_does_not_resolve_has_sent_nothing() -> None:
    assert type(failure("http://nowhere.invalid")) is errors.ConnectFailed


def test_a_connection_that_takes_too_long_has_sent_nothing() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        found = failure(f"http://127.0.0.1:{port}", timeout=(0.2, 5))
        for filler in fillers:
            filler.close()
    assert type(found) is errors.ConnectTimeout


def test_a_certificate_that_is_not_trusted_has_sent_nothing(backend: Make) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    found = failure(backend(tls=context).url)
    assert type(found) is errors.ConnectFailed
    assert found.reason.startswith("TLS certificate: ")


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (lambda call: call.reset(), errors.BackendReset),
        (lambda call: call.cut(), errors.BackendReset),
        (lambda call: call.send(b"nonsense\r\n\r\n"), errors.BadResponse),
        (
            lambda call: call.answer(b"plain", fields="Content-Encoding: gzip\r\n"),
            errors.BadResponse,
        ),
        (lambda call: bool(call.client_has_left), errors.ResponseTimeout),
    ],
    ids=["reset", "closed", "no HTTP", "not the coding it says", "silent"],
)
def test_what_happens_after_the_request_was_sent(
    backend: Make, script: Callable[[Call], None], kind: type[errors.ProxyError]
) -> None:
    found = failure(backend("a", script).url, timeout=(5, 2))
    assert type(found) is kind
    assert not found.nothing_sent


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 10\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n5\r\nha"],
    ids=["length", "chunked"],
)
def test_a_body_that_breaks_off(backend: Make, head: bytes) -> None:
    def break_off(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\n" + head)
        call.cut()

    assert type(failure(backend("a", break_off).url)) is errors.ResponseCut
