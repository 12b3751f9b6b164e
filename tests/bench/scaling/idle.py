"""What does an idle client connection cost?"""

import select
from collections.abc import Iterator

from tests.bench.backend import SMALL
from tests.bench.processes import memory
from tests.bench.scaling.client import Client
from tests.bench.scaling.finding import Finding
from tests.bench.scaling.flat import snapshot
from tests.bench.scaling.stage import Stage, worker_pid

CONNECTIONS = 10_000
MAX_KIB = 10.0
WARM_UP = 2_000


def measure(stage: Stage) -> Iterator[Finding]:
    """Each connection has had one answer and waits, as a browser's does."""
    what = f"memory of each of {CONNECTIONS:,} idle client connections"
    edge = stage.edge("idle", snapshot(stage, 3, 1))
    worker = worker_pid(edge)
    _warm_up(edge.port)
    before = memory([worker])
    clients: list[Client] = []
    try:
        for _ in range(CONNECTIONS):
            clients.append(Client(edge.port))
            clients[-1].get(SMALL)
        grown = memory([worker]) - before
        still_open = CONNECTIONS - _closed(clients)
    finally:
        for client in clients:
            client.close()
    if still_open < CONNECTIONS:
        yield Finding.failed(what, f"only {still_open:,} of them were still open")
        return
    note = f"resident growth of the worker {grown / 2**20:.1f} MiB; the kernel's part not counted"
    yield Finding.at_most(what, grown / CONNECTIONS / 1024, MAX_KIB, "KiB", note)


def _warm_up(port: int) -> None:
    client = Client(port)
    for _ in range(WARM_UP):
        client.get(SMALL)
    client.close()


def _closed(clients: list[Client]) -> int:
    """Nothing is owed to any of them: what can be read is the end of the connection."""
    poll = select.poll()
    for client in clients:
        poll.register(client.socket, select.POLLIN)
    return len(poll.poll(0))
