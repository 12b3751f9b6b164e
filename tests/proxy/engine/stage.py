"""An edge without sockets: one backend, clients, and what each of them is sent."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pool.snapshot import BackendSpec, LimitPolicy, PoolSpec, RouteSpec, build
from proxy.engine.counters import Counters
from proxy.engine.downstream import ClientConnection
from proxy.engine.edge import Edge
from proxy.engine.live import LiveBoard
from proxy.engine.settings import EdgeSettings
from proxy.engine.upstream import UpstreamConnection

GET = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"
NOT_FOUND = GET.replace(b"shop", b"other")
HEAD_OF_FIVE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
MAX_BODY = 10


_CLOSED = socket.socket()
_CLOSED.close()


class Transport(asyncio.Transport):
    """Calls `on_write` at the moment at which the kernel would be given the bytes."""

    def __init__(self, on_write: Callable[[bytes], None] = lambda data: None) -> None:
        self.on_write = on_write
        self.closed = False
        self.aborted = False
        self.tls = False
        self.socket = _CLOSED

    def write(self, data: Any) -> None:
        assert not self.closed, "a transport takes nothing after its end"
        self.on_write(bytes(data))

    def write_eof(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return not self.tls

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.closed = self.aborted = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        known = {
            "peername": ("127.0.0.1", 5),
            "sockname": ("127.0.0.1", 80),
            "socket": self.socket,
        }
        return known.get(name, default)


class Client:
    """`seen`: each write, with how many requests were counted by then."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self.seen: list[tuple[int, bytes]] = []
        self.transport = Transport(self._written)
        self.connection = ClientConnection(edge)
        self.connection.connection_made(self.transport)

    def _written(self, data: bytes) -> None:
        self.seen.append((self._edge.counters.requests, data))

    @property
    def statuses(self) -> list[bytes]:
        return [data[9:12] for _, data in self.seen]


class Stage:
    """`sent`: each write to a backend."""

    def __init__(self, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        self.loop = loop
        self.sent: list[bytes] = []
        self.counters = Counters(folder / "worker.board")
        self.edge = Edge(loop, self.counters, EdgeSettings(), LiveBoard(folder / "worker.live"))
        backend = BackendSpec(id=1, name="a", url="http://127.0.0.1:1")
        limits = LimitPolicy(max_body=MAX_BODY)
        pool = PoolSpec(id=1, name="shop", backends=(backend,), limits=limits)
        self.edge.apply(build(1, (pool,), (RouteSpec(id=1, pool_id=1, host="shop.test"),)))
        self.upstream = self.connect()
        self.client = Client(self.edge)

    def connect(self) -> UpstreamConnection:
        """One more idle connection to the backend: the one that is used next."""
        (connections,) = self.edge.connections.values()
        upstream = UpstreamConnection(connections)
        upstream.connection_made(Transport(self.sent.append))
        connections.give_back(upstream)
        return upstream

    def turn(self) -> None:
        """Let the loop come to the end of a turn."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
