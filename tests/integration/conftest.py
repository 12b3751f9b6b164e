"""Backends, and the whole product as a user starts it: real processes on loopback ports."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.edge.harness.backend import Backend, start_backends
from tests.integration.edge.harness.backend_process import BackendProcess
from tests.integration.edge.harness.waiting import wait_until
from tests.integration.product import MANAGE, PATIENCE, Product, environment


@pytest.fixture
def backend() -> Iterator[Callable[..., Backend]]:
    """Start a backend: `backend("a")`, or with a script instead of the echo."""
    with start_backends() as start:
        yield start


@pytest.fixture
def processes() -> Iterator[list[BackendProcess]]:
    """Three backends that can be killed."""
    with ExitStack() as stack:
        started = []
        for number in range(3):
            started.append(BackendProcess(number))
            stack.callback(started[-1].end)
        wait_until("the backends are up", lambda: all(process.is_up() for process in started))
        yield started


@pytest.fixture(scope="module")
def make_product() -> Iterator[Callable[..., Product]]:
    """Make one, not started yet. `variables` of its environment: `LB_…`, `DATABASE_URL`."""
    made: list[Product] = []
    with tempfile.TemporaryDirectory(prefix="lb-") as folder:

        def make(**variables: str) -> Product:
            made.append(Product(Path(folder) / str(len(made)), variables))
            return made[-1]

        yield make
        for product in made:
            product.destroy()


@pytest.fixture
def run_up() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`lb up` that is expected to end by itself."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(MANAGE), "up", *arguments],
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return run
