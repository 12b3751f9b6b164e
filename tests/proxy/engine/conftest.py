"""A board in a temporary folder, and a configuration to count for."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pool.snapshot import BackendSpec, PoolSpec, RouteSpec, build
from proxy.core.configuration import Configuration
from proxy.engine.board import Board
from proxy.engine.lockfile import Locked
from proxy.engine.row_names import RowName
from tests.proxy.engine.stage import Stage

OpenBoard = Callable[..., Board]


@pytest.fixture
def open_board(tmp_path: Path) -> Iterator[OpenBoard]:
    """Open boards by name; those that a test leaves open are let go of at its end."""
    opened: list[Board] = []

    def open_one(name: str = "worker") -> Board:
        opened.append(Board(tmp_path / f"{name}.board"))
        return opened[-1]

    yield open_one
    for board in opened:
        try:
            board.close(delete=False)
        except (OSError, Locked):
            continue  # the test has closed it


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    loop = asyncio.new_event_loop()
    stage = Stage(loop, tmp_path)
    yield stage
    stage.counters.board.close(delete=True)
    loop.close()


@pytest.fixture
def row_name() -> Callable[[int], RowName]:
    def name(number: int) -> RowName:
        return RowName(number, 1, "shop", number, f"backend-{number}")

    return name


@pytest.fixture
def configuration() -> Configuration:
    """Everything goes to the pool "shop" with the backends "a" and "b"."""
    backends = tuple(
        BackendSpec(id=number, name=name, url=f"http://10.0.0.{number}")
        for number, name in enumerate("ab", 1)
    )
    pool = PoolSpec(id=7, name="shop", backends=backends)
    return Configuration(build(1, (pool,), (RouteSpec(id=3, pool_id=7),)))
