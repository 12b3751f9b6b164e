"""An edge of one's own, and a shared edge for tests that leave it as it is."""

import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pool import bus
from tests.integration.edge.harness.ports import ReservedPort
from tests.integration.edge.harness.processes import Edge, RedisServer


class _Stage:
    """Starts edges, each with a data folder and a Redis; ends all of them."""

    def __init__(self) -> None:
        self._edges: list[Edge] = []
        self._folders: list[tempfile.TemporaryDirectory[str]] = []
        self._ports: list[ReservedPort] = []

    def start(
        self,
        *options: str,
        tls: ssl.SSLContext | None = None,
        beside: Edge | None = None,
        **environment: str,
    ) -> Edge:
        # Not pytest's: the path of a unix socket is limited to 107 bytes.
        folder = tempfile.TemporaryDirectory(prefix="lb-edge-")
        self._folders.append(folder)
        path = Path(folder.name)
        port = ReservedPort()
        self._ports.append(port)
        options = ("--graceful-timeout", "5", *options)
        redis_server = RedisServer(path) if beside is None else beside.redis_server
        edge = Edge(path, redis_server, port.number, *options, tls=tls, environment=environment)
        self._edges.append(edge)
        return edge

    def end(self) -> None:
        for edge in self._edges:
            edge.kill()
            edge.redis_server.stop()
        for port in self._ports:
            port.release()
        for folder in self._folders:
            folder.cleanup()


@pytest.fixture
def start_edge() -> Iterator[Callable[..., Edge]]:
    """Start an edge that the test may kill: gunicorn's options, `tls`, LB_… variables.

    `beside`: another edge, whose Redis it shares.
    """
    stage = _Stage()
    yield stage.start
    stage.end()


@pytest.fixture(scope="module")
def start_lasting_edge() -> Iterator[Callable[..., Edge]]:
    """Start an edge for all tests of a file."""
    stage = _Stage()
    yield stage.start
    stage.end()


@pytest.fixture(scope="session")
def _shared_edge() -> Iterator[Edge]:
    stage = _Stage()
    yield stage.start()
    stage.end()


@pytest.fixture
def edge(_shared_edge: Edge) -> Edge:
    """An edge with one worker that other tests use too: publish what you need."""
    _shared_edge.redis.delete(bus.HEALTH_KEY)
    return _shared_edge
