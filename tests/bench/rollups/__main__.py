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
    parser.add_argument("databases", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--backends", type=int, default=1000)
    return parser.parse_args()


def _measure(database: str, folder: Path, options: argparse.Namespace) -> int:
    environment = {
        **os.environ,
        "LB_DATA_DIR": str(folder / "data"),
        "LB_REDIS_URL": f"unix://{folder / 'redis.sock'}",
        "DATABASE_URL": "",
    }
    command = [sys.executable, "-m", "tests.bench.rollups.measuring", str(options.backends)]
    print(database, flush=True)
    if database == "sqlite":
        return subprocess.run(command, env=environment, check=False).returncode
    if obstacle := postgresql.obstacle():
        print(obstacle)
        return 0
    with tempfile.TemporaryDirectory(prefix="lb-pg-") as name:
        server = postgresql.Server(Path(name))
        try:
            environment["DATABASE_URL"] = server.url
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
