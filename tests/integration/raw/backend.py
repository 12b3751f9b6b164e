"""A backend that does what a case's script says, and remembers what it got."""

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from tests.integration.raw.case import Step
from tests.integration.raw.message import Malformed, Message, read_request

PATIENCE = 20.0  # seconds until a wait counts as failed
LINGER_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s — close() sends RST
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LAST_OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Exchange:
    """One request on a connection, as far as it came."""

    connection: int
    message: Message
    ended: bool = False  # the edge closed the connection before the request was complete


@dataclass
class Record:
    """What one case did to the backend."""

    scripts: list[list[Step]] = field(default_factory=list)
    default: bytes = OK
    exchanges: list[Exchange] = field(default_factory=list)
    received: bytes = b""
    problems: list[str] = field(default_factory=list)


class ScriptedBackend:
    """Listens on a free loopback port; a thread for each connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._record = Record()
        self._connections: dict[_Connection, threading.Thread] = {}
        self._opened = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def begin(self, scripts: list[list[Step]], default: bytes = OK) -> Record:
        """From now on, requests are answered by these scripts, in order."""
        with self._lock:
            self._record = Record(scripts, default)
            return self._record

    def settle(self) -> bool:
        """Close all connections; False if the edge holds on to one that was closed."""
        with self._lock:
            connections = dict(self._connections)
        for connection in connections:
            connection.end()
        deadline = time.monotonic() + PATIENCE
        for thread in connections.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in connections.values())

    def close(self) -> None:
        self._listener.close()
        self.settle()

    def claim(self, connection: int, message: Message) -> tuple[Record, Exchange, list[Step]]:
        """The next script, for a request whose head is there."""
        with self._lock:
            record, number = self._record, len(self._record.exchanges)
            exchange = Exchange(connection, message)
            record.exchanges.append(exchange)
        if number < len(record.scripts):
            return record, exchange, record.scripts[number]
        return record, exchange, [Step("send", record.default)]

    def note(self, data: bytes) -> None:
        with self._lock:
            self._record.received += data

    def complain(self, problem: str) -> None:
        with self._lock:
            self._record.problems.append(problem)

    def forget(self, connection: "_Connection") -> None:
        with self._lock:
            self._connections.pop(connection, None)

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:  # closed
                return
            self._opened += 1
            connection = _Connection(self, peer, self._opened)
            thread = threading.Thread(target=connection.serve, daemon=True)
            with self._lock:
                self._connections[connection] = thread
                thread.start()


class _Gone(Exception):
    """The edge has closed the connection, or the script has."""


class _Connection:
    def __init__(self, backend: ScriptedBackend, peer: socket.socket, number: int) -> None:
        self._backend = backend
        self._peer = peer
        self._number = number
        self._buffer = b""
        self._ending = threading.Event()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def end(self) -> None:
        self._ending.set()
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_WR)

    def serve(self) -> None:
        try:
            while True:
                self._serve_request()
        except (_Gone, OSError):
            pass
        except Malformed as problem:
            self._backend.complain(f"not a request: {problem}")
        finally:
            self._peer.close()
            self._backend.forget(self)

    def _serve_request(self) -> None:
        while (message := read_request(self._buffer)) is None:
            self._receive()
        _, exchange, script = self._backend.claim(self._number, message)
        if not script or script[0].kind != "after":
            self._finish(exchange)
        for step in script:
            self._play(step, exchange)
        self._finish(exchange)
        self._buffer = self._buffer[exchange.message.size :]

    def _finish(self, exchange: Exchange) -> None:
        """Read until the request is complete."""
        while not exchange.message.complete:
            try:
                self._receive()
            except (_Gone, OSError):
                exchange.ended = True
                raise
            message = read_request(self._buffer)
            assert message is not None
            exchange.message = message

    def _play(self, step: Step, exchange: Exchange) -> None:
        if step.kind == "send":
            self._peer.sendall(step.data)
        elif step.kind == "pause":
            self._ending.wait(step.seconds)
        elif step.kind == "after":
            if step.data == b"body":
                self._finish(exchange)
        elif step.kind == "half-close":
            self._peer.shutdown(socket.SHUT_WR)
        elif step.kind in ("receive", "receive-end"):
            while step.kind == "receive-end" or step.data not in self._buffer:
                self._receive()
        else:
            self._leave(reset=step.kind == "reset")

    def _leave(self, *, reset: bool) -> None:
        if reset:
            self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        self._peer.close()
        raise _Gone

    def _receive(self) -> None:
        data = self._peer.recv(65536)
        if not data:
            raise _Gone
        self._backend.note(data)
        self._buffer += data
