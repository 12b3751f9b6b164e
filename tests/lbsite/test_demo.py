"""The demo backends."""

import http.client
from collections.abc import Iterator
from threading import Thread

import pytest

from lbsite.demo import DemoServer


@pytest.fixture
def connection() -> Iterator[http.client.HTTPConnection]:
    server = DemoServer("demo-x", "127.0.0.1", 0)
    Thread(target=server.serve_forever, daemon=True).start()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    yield connection
    connection.close()
    server.shutdown()
    server.server_close()


def answer(connection: http.client.HTTPConnection, method: str, **kwargs: object) -> bytes:
    connection.request(method, "/any/path", **kwargs)
    response = connection.getresponse()
    assert response.status == 200
    return response.read()


def test_a_backend_answers_with_its_name_on_a_connection_that_stays_open(
    connection: http.client.HTTPConnection,
) -> None:
    assert answer(connection, "GET") == b"demo-x\n"
    socket = connection.sock
    assert answer(connection, "POST", body=b"x" * 100_000) == b"demo-x\n"
    chunks = iter([b"a", b"bc"])
    assert answer(connection, "PUT", body=chunks, encode_chunked=True) == b"demo-x\n"
    assert answer(connection, "HEAD") == b""
    assert answer(connection, "DELETE") == b"demo-x\n"
    assert connection.sock is socket
