"""A backend whose every byte the test decides."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest

Script = Callable[[socket.socket], None]


class ScriptedBackend:
    """Accepts on a free loopback port and runs `script` with each connection."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.connections = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.origin = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self._tls:
                with self._tls.wrap_socket(connection, server_side=True) as secured:
                    self.script(secured)
            else:
                self.script(connection)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def backend() -> Iterator[Callable[..., ScriptedBackend]]:
    """Starts scripted backends; all are closed at the end."""
    started: list[ScriptedBackend] = []

    def start(script: Script, tls: ssl.SSLContext | None = None) -> ScriptedBackend:
        started.append(ScriptedBackend(script, tls))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def answer() -> Callable[..., Script]:
    """A script that reads the request's head and sends `data`."""

    def make(data: bytes, received: list[bytes] | None = None) -> Script:
        def script(connection: socket.socket) -> None:
            head = read_head(connection)
            if received is not None:
                received.append(head)
            connection.sendall(data)

        return script

    return make


def read_head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(4096)
        if not piece:
            break
        head += piece
    return head
