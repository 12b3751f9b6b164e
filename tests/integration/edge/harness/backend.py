"""A small HTTP/1.1 backend on threads: an echo by default, or whatever a script makes of it.

As a program (`python -m tests.integration.edge.harness.backend NAME PORT`) it is a process
that can be killed.
"""

import json
import socket
import ssl
import struct
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader
from itertools import count
from typing import Any

from pool.snapshot import BackendSpec
from tests.integration.edge.harness.ports import ReservedPort
from tests.integration.edge.harness.waiting import wait_until

ids = count(1)  # of backends: none is another one's, whatever edges remember of it
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST
_PIECE = 65536


@dataclass
class Call:
    """One request at the backend, and the means to answer it."""

    method: str
    target: str
    version: str
    headers: dict[str, str]  # names in lower case
    connection: int  # which connection of the backend it came on, from 1
    _sock: socket.socket
    _stream: BufferedReader
    body_read: bool = field(init=False)

    def __post_init__(self) -> None:
        chunked = "transfer-encoding" in self.headers
        self.body_read = not chunked and self.headers.get("content-length", "0") == "0"

    def body(self) -> Iterator[bytes]:
        """The body's content, piece by piece."""
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self._stream.readline().partition(b";")[0], 16):
                yield self._exactly(size)
                self._stream.readline()
            while self._stream.readline() not in (b"\r\n", b""):
                pass
        else:
            left = int(self.headers.get("content-length", 0))
            while left:
                piece = self._exactly(min(left, _PIECE))
                left -= len(piece)
                yield piece
        self.body_read = True

    def _exactly(self, size: int) -> bytes:
        piece = self._stream.read(size)
        if len(piece) < size:
            raise ConnectionError("the body was cut short")
        return piece

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def answer(self, body: bytes = b"", status: str = "200 OK", fields: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
        self.send(head.encode() + (b"" if self.method == "HEAD" else body))

    def receive(self) -> bytes:
        """What comes next, after a switch of protocols; nothing at its end."""
        return self._stream.read1(_PIECE)

    def cut(self) -> None:
        """End the connection in the regular way, wherever the response is."""
        self._sock.shutdown(socket.SHUT_RDWR)

    def say_goodbye(self) -> None:
        """End TLS in the regular way, so that nobody can have cut what was sent."""
        assert isinstance(self._sock, ssl.SSLSocket)
        self._sock.settimeout(2)
        self._sock.unwrap()

    def leave(self) -> None:
        """Close, whatever has not been read yet."""
        self._sock.close()
        self._stream.close()

    def reset(self) -> None:
        _reset(self._sock)

    @property
    def client_has_left(self) -> bool:
        """Wait until the other side closes; whether it did without sending anything more."""
        try:
            return self._stream.read(1) == b""
        except OSError:
            return True


Script = Callable[[Call], None]


def _reset(sock: socket.socket) -> None:
    with suppress(OSError):  # the other side was first
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        sock.shutdown(socket.SHUT_RD)  # wakes the thread that reads
    sock.close()


def _is_closed(sock: socket.socket) -> bool:
    return sock.fileno() < 0


class Backend:
    """Listens from the beginning. `calls` are the requests that have come, in order.

    Its port stays its own while it is stopped, until `end()`.
    """

    def __init__(
        self,
        name: str,
        port: int = 0,
        script: Script | None = None,
        *,
        host: str = "127.0.0.1",
        path: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`port` 0: one that is free. `path`: of a unix socket, in place of both."""
        self.id = next(ids)
        self.name = name
        self.script = script or self.echo
        self.calls: list[Call] = []
        self.connections = 0
        self.refuses = False  # reset each connection as soon as it is there
        self._open: set[socket.socket] = set()
        self._busy: set[socket.socket] = set()  # those whose script runs
        self._reserved = None if port or path else ReservedPort(host)
        self.port = self._reserved.number if self._reserved is not None else port
        self._host = host
        self._path = path
        self._tls = tls
        self.start()

    def spec(self, **changes: Any) -> BackendSpec:
        return BackendSpec(**{"id": self.id, "name": self.name, "url": self.url} | changes)

    @property
    def url(self) -> str:
        if self._path:
            return f"unix:{self._path}"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def start(self) -> None:
        """Listen (again), on the same port as before."""
        if self._path:
            self._listener = socket.create_server(self._path, family=socket.AF_UNIX, backlog=256)
        else:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            address = (self._host, self.port)
            self._listener = socket.create_server(address, family=family, backlog=256)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Go down as a killed process does: nothing listens, all connections are reset.

        One whose script runs is reset when that has ended.
        """
        if not _is_closed(self._listener):
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        stopped = list(self._open)
        for sock in stopped:
            self._open.discard(sock)
            _reset(sock)
        # The thread that reads holds it until it wakes: a request could still be sent.
        wait_until(
            "all connections are reset",
            lambda: all(_is_closed(sock) or sock in self._busy for sock in stopped),
        )

    def end(self) -> None:
        """Go down for good."""
        self.stop()
        if self._reserved is not None:
            self._reserved.release()

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def echo(self, call: Call) -> None:
        """Tell who answers, and what came in."""
        size = crc = 0
        for piece in call.body():
            size += len(piece)
            crc = zlib.crc32(piece, crc)
        told = {
            "backend": self.name,
            "method": call.method,
            "target": call.target,
            "headers": call.headers,
            "size": size,
            "crc": crc,
        }
        call.answer(json.dumps(told).encode(), fields=f"X-Backend: {self.name}\r\n")

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.refuses:
                _reset(sock)
                continue
            self._open.add(sock)
            if _is_closed(listener):  # `stop()` came between the two, and has not seen it
                _reset(sock)
                return
            serving = (sock, self.connections, listener)
            threading.Thread(target=self._serve, args=serving, daemon=True).start()

    def _serve(self, sock: socket.socket, number: int, listener: socket.socket) -> None:
        try:
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            if self._tls is not None:
                self._open.discard(sock)
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._open.add(sock)
            with sock, sock.makefile("rb") as stream:
                while (call := _read_call(sock, stream, number)) is not None:
                    if _is_closed(listener):  # what comes after `stop()` can still be read
                        break
                    self.calls.append(call)
                    self._busy.add(sock)
                    self.script(call)
                    self._busy.discard(sock)
                    if not call.body_read or call.headers.get("connection") == "close":
                        break
        except (OSError, ValueError):
            pass  # the connection was cut: by the edge, or by `stop()`
        finally:
            self._open.discard(sock)
            self._busy.discard(sock)


@contextmanager
def start_backends() -> Iterator[Callable[..., Backend]]:
    """Start one: `start("a")`, or with a script instead of the echo. All end with the block."""
    started: list[Backend] = []

    def start(name: str = "a", script: Script | None = None, **listens: Any) -> Backend:
        started.append(Backend(name, script=script, **listens))
        return started[-1]

    try:
        yield start
    finally:
        for one in started:
            one.end()


def _read_call(sock: socket.socket, stream: BufferedReader, number: int) -> Call | None:
    line = stream.readline()
    if not line:
        return None
    method, target, version = line.decode("latin-1").split()
    headers = {}
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return Call(method, target, version, headers, number, sock, stream)


if __name__ == "__main__":
    Backend(sys.argv[1], int(sys.argv[2]))
    threading.Event().wait()
