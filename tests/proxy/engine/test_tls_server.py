"""Taking clients over TLS while descriptors are short."""

import errno
import os
import socket
import ssl
from collections.abc import Iterator

import pytest

from proxy.engine import tls_server
from proxy.engine.tls_server import TlsServer
from tests.proxy.engine.stage import Stage


class Scarce(socket.socket):
    """A listener in a process that has no descriptor to spare."""

    failing = errno.EMFILE
    asked = 0

    def accept(self) -> tuple[socket.socket, object]:
        self.asked += 1
        if self.failing:
            raise OSError(self.failing, os.strerror(self.failing))
        return super().accept()


@pytest.fixture
def listener() -> Iterator[Scarce]:
    with Scarce() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        yield listener


def serve(stage: Stage, listener: Scarce) -> TlsServer:
    server = TlsServer(stage.edge, listener, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    server.start()
    return server


def test_without_descriptors_nobody_is_taken_for_a_while(stage: Stage, listener: Scarce) -> None:
    """The loop would be told of who waits in each of its turns."""
    server = serve(stage, listener)
    with socket.create_connection(listener.getsockname()):
        for _ in range(10):
            stage.turn()
    assert listener.asked == 1
    server.close()


def test_those_that_wait_are_taken_when_there_are_some_again(
    stage: Stage, listener: Scarce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_server, "RETRY", 0)
    server = serve(stage, listener)
    with socket.create_connection(listener.getsockname()):
        for _ in range(10):
            stage.turn()
        listener.failing = 0
        for _ in range(10):
            stage.turn()
        assert len(stage.edge.shaking_hands) == 1
        stage.edge.end_clients()
        for _ in range(10):
            stage.turn()
        assert not stage.edge.shaking_hands
    server.close()


def test_one_that_has_left_before_it_was_taken_costs_the_others_no_time(
    stage: Stage, listener: Scarce
) -> None:
    listener.failing = errno.ECONNABORTED
    server = serve(stage, listener)
    with socket.create_connection(listener.getsockname()):
        for _ in range(10):
            stage.turn()
    assert listener.asked > 1
    server.close()


def test_a_server_that_is_closed_does_not_begin_again(
    stage: Stage, listener: Scarce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_server, "RETRY", 0)
    server = serve(stage, listener)
    with socket.create_connection(listener.getsockname()):
        stage.turn()
        server.close()
        for _ in range(10):
            stage.turn()
    assert listener.asked == 1
