"""Who connects in the very turn of the loop in which a worker is told to end."""

import asyncio
import gc
import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvloop

from pool.snapshot import PoolSpec, RouteSpec, build, encode
from proxy import worker as module
from proxy.engine.downstream import ClientConnection
from proxy.worker import EdgeWorker
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, request_bytes

MakeBackend = Callable[..., Backend]


class Worker(EdgeWorker):
    """Is told to end when the loop has accepted a connection of which no protocol knows yet."""

    tls = None

    def __init__(self, listener: socket.socket, draining: Callable[[], None]) -> None:
        self.cfg = SimpleNamespace(backlog=10, graceful_timeout=20, is_ssl=False)
        self.log = SimpleNamespace(
            error_log=logging.getLogger("test"), info=print, warning=print, exception=print
        )
        self.sockets = [SimpleNamespace(sock=listener)]
        self.age, self.pid, self.ppid = 1, os.getpid(), os.getppid()
        self.loop = uvloop.new_event_loop()
        self.accepted = self.loop.create_future()
        self.notify = draining  # while it waits for its clients
        self.client: Client | None = None

    async def _beat(self) -> None:
        self.client = Client(self.sockets[0].sock.getsockname()[1])
        self.client.send(request_bytes("GET"))
        await self.accepted


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a worker does to its process is not done to this one; there is no Redis."""
    monkeypatch.setenv("LB_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LB_REDIS_URL", f"unix://{tmp_path}/none.sock")
    monkeypatch.setattr(module, "room_for_clients", lambda wanted: wanted)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(gc, "set_threshold", lambda *numbers: None)


@pytest.mark.usefixtures("alone")
def test_a_connection_that_was_just_accepted_is_served_to_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: MakeBackend
) -> None:
    """Its request is not answered before the worker has waited for it."""
    waited_for = threading.Event()

    def hold(call: Call) -> None:
        waited_for.wait(20)
        call.answer(b"served")

    pool = PoolSpec(id=1, name="shop", backends=(backend("a", hold).spec(),))
    (tmp_path / "edge").mkdir()
    snapshot = build(1, (pool,), (RouteSpec(id=1, pool_id=1),))
    (tmp_path / "edge" / "snapshot.json").write_bytes(encode(snapshot))
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    worker = Worker(listener, waited_for.set)

    class Accepted(ClientConnection):
        """uvloop makes it at once, and tells it of its connection later in the turn."""

        def __init__(self, edge: module.Edge) -> None:
            super().__init__(edge)
            worker.accepted.set_result(None)

    monkeypatch.setattr(module, "ClientConnection", Accepted)
    asyncio.set_event_loop(worker.loop)
    try:
        worker.loop.run_until_complete(worker._serve())
    finally:
        worker.loop.close()
        asyncio.set_event_loop(None)
    assert worker.client is not None
    with worker.client as client:
        assert client.response().body == b"served"
