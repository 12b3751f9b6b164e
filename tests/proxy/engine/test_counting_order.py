"""A worker may be killed at any instruction: what a client has got must be on the board already."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pool.snapshot import BackendSpec, LimitPolicy, PoolSpec, RouteSpec, build
from proxy.engine.counters import Counters
from proxy.engine.downstream import ClientConnection
from proxy.engine.edge import Edge
from proxy.engine.live import LiveBoard
from proxy.engine.settings import EdgeSettings
from proxy.engine.upstream import UpstreamConnection

GET = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"
HEAD_OF_FIVE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


class Transport(asyncio.Transport):
    """Calls `on_write` at the moment at which the kernel would be given the bytes."""

    def __init__(self, on_write: Callable[[bytes], None] = lambda data: None) -> None:
        self._on_write = on_write

    def write(self, data: Any) -> None:
        self._on_write(bytes(data))

    def write_eof(self) -> None: ...
    def can_write_eof(self) -> bool:
        return True

    def abort(self) -> None: ...
    def close(self) -> None: ...
    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 5), "sockname": ("127.0.0.1", 80)}.get(name, default)


class Stage:
    """A client at an edge with one backend. `seen`: each write, with what was counted by then."""

    def __init__(self, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        self.counters = Counters(folder / "worker.board")
        self.edge = Edge(loop, self.counters, EdgeSettings(), LiveBoard(folder / "worker.live"))
        backend = BackendSpec(id=1, name="a", url="http://127.0.0.1:1")
        limits = LimitPolicy(max_body=10)
        pool = PoolSpec(id=1, name="shop", backends=(backend,), limits=limits)
        self.edge.apply(build(1, (pool,), (RouteSpec(id=1, pool_id=1, host="shop.test"),)))
        (connections,) = self.edge.connections.values()
        self.upstream = UpstreamConnection(connections)
        self.upstream.connection_made(Transport())
        connections.give_back(self.upstream)
        self.client = ClientConnection(self.edge)
        self.seen: list[tuple[int, bytes]] = []
        self.client.connection_made(Transport(self._written))

    def _written(self, data: bytes) -> None:
        self.seen.append((self.counters.requests, data))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    loop = asyncio.new_event_loop()
    stage = Stage(loop, tmp_path)
    yield stage
    stage.counters.board.close(delete=True)
    loop.close()


def test_a_response_in_one_piece(stage: Stage) -> None:
    stage.client.data_received(GET)
    stage.upstream.data_received(HEAD_OF_FIVE + b"hello")
    assert [counted for counted, _ in stage.seen] == [1]


def test_a_response_in_several_pieces_is_counted_before_its_last(stage: Stage) -> None:
    stage.client.data_received(GET)
    for piece in (HEAD_OF_FIVE + b"he", b"ll", b"o"):
        stage.upstream.data_received(piece)
    assert [counted for counted, _ in stage.seen] == [0, 0, 1]


def test_an_answer_of_the_edge_in_place_of_a_response(stage: Stage) -> None:
    body = b"x" * 11
    stage.client.data_received(
        b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 11\r\n\r\n" + body
    )
    assert [(counted, data[9:12]) for counted, data in stage.seen] == [(1, b"413")]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [(GET.replace(b"shop", b"other"), b"404"), (b"no request at all\r\n\r\n", b"400")],
)
def test_a_request_that_goes_to_no_backend(
    stage: Stage, request_bytes: bytes, status: bytes
) -> None:
    stage.client.data_received(request_bytes)
    assert [(counted, data[9:12]) for counted, data in stage.seen] == [(1, status)]
