"""What it costs to take traffic in, to keep a year of it and to report it: see README.md."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lbsite.redis_server import command as redis_command
from tests import postgresql
from tests.bench.processes import Program


def main() -> int:
    options = _parse()
    with tempfile.TemporaryDirectory(prefix="lb-rollups-") as name:
        folder = Path(name)
        redis = Program(redis_command(folder), folder / "redis.log")
        try:
            redis.wait_until((folder / "redis.sock").exists)
            return max(_measure(database, folder, options) for database in options.databases)
        finally:
            redis.stop()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rollups", description=__doc__)
    parser.add_argument("parts", nargs="*", default=["ingest", "year"], help="ingest, year")
    parser.add_argument("--database", dest="databases", action="append", help="of both: this one")
    parser.add_argument("--backends", type=int, default=1000)
    options = parser.parse_args()
    options.databases = options.databases or ["sqlite", "postgresql"]
    return options


def _measure(database: str, folder: Path, options: argparse.Namespace) -> int:
    if database == "sqlite":
        return _run(folder, "", options)
    if obstacle := postgresql.obstacle():
        print(obstacle)
        return 0
    with tempfile.TemporaryDirectory(prefix="lb-pg-") as name:
        server = postgresql.Server(Path(name))
        try:
            return _run(folder, server.url, options)
        finally:
            server.stop()


def _run(folder: Path, database_url: str, options: argparse.Namespace) -> int:
    environment = {
        **os.environ,
        "LB_DATA_DIR": str(folder / "data"),
        "LB_REDIS_URL": f"unix://{folder / 'redis.sock'}",
        "DATABASE_URL": database_url,
    }
    module = "tests.bench.rollups.measuring"
    print("PostgreSQL" if database_url else "SQLite", flush=True)
    return max(
        subprocess.run(
            [sys.executable, "-m", module, part, str(options.backends)],
            env=environment,
            check=False,
        ).returncode
        for part in options.parts
    )


if __name__ == "__main__":
    sys.exit(main())
