"""What is published and rolled back while others write, on PostgreSQL, which lets them."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests import postgresql

FOLDERS = ("tests/pool/publish", "tests/pool/history")
ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(bool(postgresql.obstacle()), reason=postgresql.obstacle() or "it is there")
def test_publishing_on_postgresql() -> None:
    of_these_tests = ("LB_", "DJANGO_", "PYTEST_")  # not of those
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(of_these_tests)
    }
    with TemporaryDirectory(prefix="lb-pg-") as folder:
        server = postgresql.Server(Path(folder))
        try:
            run = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FOLDERS],
                cwd=ROOT,
                env=environment | {"DATABASE_URL": server.url},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=300,
            )
        finally:
            server.stop()
    assert run.returncode == 0, run.stdout[-4000:]
    assert "skipped" not in run.stdout.splitlines()[-1]
