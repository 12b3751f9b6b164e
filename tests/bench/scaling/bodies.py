"""Does the edge hold a body that its reader is slow to take?"""

import socket
import threading
import time
from collections.abc import Callable, Iterator

from pool.snapshot import PoolSpec, RouteSpec, build
from tests.bench.backend import HUGE, HUGE_SIZE, Address
from tests.bench.probe import LARGE
from tests.bench.processes import memory, peak_memory, reset_peak_memory
from tests.bench.scaling.client import HEAD_END, Client, UnexpectedAnswerError
from tests.bench.scaling.finding import Finding
from tests.bench.scaling.stage import Stage, worker_pid
from tests.bench.systems.edge import POOL_ID, Edge, backend_specs

MAX_GROWTH_MIB = 8.0
UPLOAD = "/upload"
FIRST_PAUSE = 1.0  # seconds in which nothing at all is read
SLICE = 1024**2
SLICE_SECONDS = 1 / 200  # 200 MiB/s: far less than the edge could pass on
RECEIVE_BUFFER = 64 * 1024
WARM_UP = 200


def measure(stage: Stage, size: int = HUGE_SIZE) -> Iterator[Finding]:
    sink = SlowSink(size)
    edge = _edge(stage, sink.address)
    client = Client(edge.port)
    for _ in range(WARM_UP):
        client.get(LARGE)
    client.close()
    gib = f"{size / 2**30:g} GiB"
    yield _grown(edge, f"growth over a {gib} response, slow client", lambda: _download(edge, size))
    yield _grown(edge, f"growth over a {gib} request, slow backend", lambda: _upload(edge, size))


def _edge(stage: Stage, sink: Address) -> Edge:
    pools = (
        PoolSpec(id=POOL_ID, name="origin", backends=backend_specs(stage.backend.addresses(1))),
        PoolSpec(id=POOL_ID + 1, name="sink", backends=backend_specs((sink,))),
    )
    routes = (
        RouteSpec(id=1, pool_id=POOL_ID),
        RouteSpec(id=2, pool_id=POOL_ID + 1, path_prefix=UPLOAD),
    )
    return stage.edge("bodies", build(1, pools, routes))


class SlowSink:
    """A backend that takes one request, reads its body slowly, and answers at the end."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address(*self._listener.getsockname())
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, self._listener:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            data = b""
            while HEAD_END not in data:
                data += connection.recv(65536)
            read_slowly(connection, self._size - len(data.partition(HEAD_END)[2]))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def read_slowly(source: socket.socket, size: int) -> None:
    """Nothing for a while, then a slice at a time at a fixed pace."""
    time.sleep(FIRST_PAUSE)
    buffer = bytearray(SLICE)
    due = time.monotonic()
    while size > 0:
        left_of_slice = min(SLICE, size)
        while left_of_slice:
            received = source.recv_into(buffer, left_of_slice)
            if not received:
                raise UnexpectedAnswerError(f"cut short {size} bytes before the end")
            left_of_slice -= received
            size -= received
        due += SLICE_SECONDS
        time.sleep(max(0.0, due - time.monotonic()))


def _grown(edge: Edge, what: str, transfer: Callable[[], None]) -> Finding:
    """The worker's highest resident size during `transfer`, over what it was before."""
    worker = [worker_pid(edge)]
    before = memory(worker)
    reset_peak_memory(worker)
    started = time.monotonic()
    try:
        transfer()
    except (OSError, UnexpectedAnswerError) as error:
        return Finding.failed(what, str(error))
    seconds = time.monotonic() - started
    growth = (peak_memory(worker) - before) / 2**20
    return Finding.at_most(what, growth, MAX_GROWTH_MIB, "MiB", f"took {seconds:.1f} s")


def _download(edge: Edge, size: int) -> None:
    client = Client(edge.port, RECEIVE_BUFFER)
    client.ask(HUGE)
    length, received = client.head()
    if length != size:
        raise UnexpectedAnswerError(f"announced {length} bytes")
    read_slowly(client.socket, length - received)
    client.close()


def _upload(edge: Edge, size: int) -> None:
    client = Client(edge.port)
    head = f"POST {UPLOAD} HTTP/1.1\r\nHost: bench.example.com\r\nContent-Length: {size}\r\n\r\n"
    client.socket.sendall(head.encode())
    piece = bytes(SLICE)
    for _ in range(size // SLICE):
        client.socket.sendall(piece)
    client.head()
    client.close()
