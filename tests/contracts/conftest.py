"""An empty PostgreSQL database."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgresql


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The DATABASE_URL of an empty database, stopped at the end."""
    if obstacle := postgresql.obstacle():
        pytest.skip(obstacle)
    with tempfile.TemporaryDirectory(prefix="lb-pg-") as folder:
        server = postgresql.Server(Path(folder))
        yield server.url
        server.stop()
