"""What a scrape of /metrics costs: see README.md."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lbsite.redis_server import command as redis_command
from tests.bench.processes import Program


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scrape", description=__doc__)
    parser.add_argument("--backends", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lb-scrape-") as name:
        folder = Path(name)
        environment = {
            **os.environ,
            "LB_DATA_DIR": str(folder / "data"),
            "LB_REDIS_URL": f"unix://{folder / 'redis.sock'}",
            "DATABASE_URL": "",
        }
        redis = Program(redis_command(folder), folder / "redis.log")
        try:
            redis.wait_until((folder / "redis.sock").exists)
            command = [sys.executable, "-m", "tests.bench.scrape.measuring", str(options.backends)]
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            redis.stop()


if __name__ == "__main__":
    sys.exit(main())
