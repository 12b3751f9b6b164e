"""One request's Python part, without sockets: ``python -m tests.bench.hotpath [--access-log]``.

Fake transports take the writes, so that what is left is parsing, choosing,
rewriting and counting. The least of many rounds is printed: what else the machine
does can only add to it. With the access log, formatting and writing its lines is
part of what is measured.
"""

import argparse
import asyncio
import cProfile
import pstats
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from pool.snapshot import BackendSpec, PoolSpec, RouteSpec, build
from proxy.engine.counters import Counters
from proxy.engine.downstream import ClientConnection
from proxy.engine.edge import Edge
from proxy.engine.live import LiveBoard
from proxy.engine.settings import EdgeSettings
from proxy.engine.upstream import UpstreamConnection

TURN = 100  # requests, each from another client
BARE = b"GET /path HTTP/1.1\r\nHost: shop.test\r\n\r\n"
BROWSER = b"GET /path HTTP/1.1\r\nHost: shop.test\r\n%b\r\n" % b"".join(
    b"X-Header-%d: a value such as browsers send, %d\r\n" % (number, number) for number in range(10)
)
POST = b"POST /path HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000
_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 21 Nov 2026 02:33:%02d GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"
)


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        self.written = b""

    def write(self, data: Any) -> None:
        self.written = data

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 5), "sockname": ("127.0.0.1", 80)}.get(name, default)


def make_edge(
    loop: asyncio.AbstractEventLoop, folder: Path, backends: int, *, access_log: bool
) -> Edge:
    live = LiveBoard(folder / "bench.live")
    settings = EdgeSettings(access_log=str(folder / "access.log") if access_log else "")
    edge = Edge(loop, Counters(folder / "bench.board"), settings, live)
    pool = PoolSpec(
        id=1,
        name="bench",
        backends=tuple(
            BackendSpec(id=number, name=f"b{number}", url=f"http://127.0.0.1:{number}")
            for number in range(1, backends + 1)
        ),
    )
    edge.apply(build(1, (pool,), (RouteSpec(id=1, pool_id=1),)))
    for connections in edge.connections.values():
        upstream = UpstreamConnection(connections)
        upstream.connection_made(Transport())
        connections.give_back(upstream)
    return edge


def make_clients(edge: Edge) -> list[ClientConnection]:
    clients = [ClientConnection(edge) for _ in range(TURN)]
    for client in clients:
        client.connection_made(Transport())
    return clients


def run(
    edge: Edge, clients: list[ClientConnection], requests: list[bytes], responses: list[bytes]
) -> None:
    for number, client in enumerate(clients):
        client.data_received(requests[number % len(requests)])
        upstream = client._transaction._upstream  # type: ignore[union-attr]
        upstream.data_received(responses[number % len(responses)])  # type: ignore[union-attr]
    edge.outbox.empty()
    if edge.access_log is not None:
        with Path(edge.settings.access_log).open("wb") as file:
            file.write(edge.access_log.take(TURN))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--access-log", action="store_true")
    options = parser.parse_args()
    same = [_RESPONSE % 1]
    different = [_RESPONSE % second for second in range(60)]
    cases = [
        ("bare head, response heads alike", [BARE], same, 3),
        ("bare head, response heads that differ", [BARE], different, 3),
        ("ten browser headers", [BROWSER], same, 3),
        ("ten browser headers, a hundred paths in turn", _paths(BROWSER), same, 3),
        ("POST of 1,000 bytes", [POST], same, 3),
        ("bare head, 1,000 backends", [BARE], same, 1000),
    ]
    with tempfile.TemporaryDirectory() as folder:
        loop = asyncio.new_event_loop()
        for number, (name, requests, responses, backends) in enumerate(cases):
            path = Path(folder) / str(number)
            path.mkdir()
            edge = make_edge(loop, path, backends, access_log=options.access_log)
            clients = make_clients(edge)
            best = min(_timed(edge, clients, requests, responses) for _ in range(600))
            print(f"{best / TURN * 1e6:6.2f} µs  {name}")
            if options.profile:
                profile = cProfile.Profile()
                profile.runcall(run, edge, clients, requests, responses)
                pstats.Stats(profile).sort_stats("tottime").print_stats(14)
        loop.close()


def _paths(request: bytes) -> list[bytes]:
    return [request.replace(b"/path", b"/items/%d" % number) for number in range(100)]


def _timed(
    edge: Edge, clients: list[ClientConnection], requests: list[bytes], responses: list[bytes]
) -> float:
    start = perf_counter()
    run(edge, clients, requests, responses)
    return perf_counter() - start


if __name__ == "__main__":
    main()
