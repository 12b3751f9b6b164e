"""The whole product as a user starts it: real processes on free loopback ports."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.product import MANAGE, PATIENCE, Product, environment


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
