"""Whatever holds on SQLite holds on PostgreSQL: the same tests, run against it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

SAME_ON_BOTH = [
    "tests/pool/models",
    "tests/pool/publish",
    "tests/pool/api",
    "tests/pool/alerts",
    "tests/pool/history",
]


def test_the_configuration_is_kept_and_published_the_same_on_postgresql(postgresql_url):
    _run(postgresql_url, *SAME_ON_BOTH)


def test_traffic_is_reported_the_same_on_postgresql(postgresql_url):
    _run(
        postgresql_url,
        *("tests/analytics/reports", "tests/analytics/requests", "tests/analytics/api"),
    )


def _run(postgresql_url, *folders):
    # Without the settings that this run has made for itself.
    ours = ("LB_", "DJANGO_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *folders],
        cwd=ROOT,
        env={**environment, "DATABASE_URL": postgresql_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
