"""What probing costs, and how late it is: `python -m tests.bench.probing`."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from lbsite.redis_server import command as redis_command
from tests.bench.backend import SMALL, Backend
from tests.bench.cores import describe_machine, share_out
from tests.bench.processes import Program, cpu_time

DUE = 0.1  # share of the interval by which a probe may be late


def main() -> int:
    options = _parse()
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="lb-probing-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker reads there
        os.environ |= {
            "LB_DATA_DIR": str(folder / "data"),
            "LB_REDIS_URL": f"unix://{folder / 'redis.sock'}",
            "DATABASE_URL": "",
        }
        backend = Backend(folder / "backend", share_out(1).backend)
        redis = Program(redis_command(folder), folder / "redis.log")
        try:
            redis.wait_until((folder / "redis.sock").exists)
            backend.start()
            return _measure(options, backend, redis)
        finally:
            backend.stop()
            redis.stop()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.probing", description=__doc__)
    parser.add_argument("--backends", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=5.0, help="seconds")
    parser.add_argument("--workers", type=int, default=1, help="processes that probe")
    parser.add_argument("--seconds", type=int, default=15, help="of measuring")
    parser.add_argument("--warm-up", type=int, default=15, help="seconds before it")
    parser.add_argument("--body", default="", help="pattern that bodies have to match")
    parser.add_argument("--jitter", type=int, default=0, help="percent of the interval")
    return parser.parse_args()


def _measure(options: argparse.Namespace, backend: Backend, redis: Program) -> int:
    policy = {
        "health_path": SMALL,
        "health_interval": options.interval,
        "health_body": options.body,
        "health_jitter": options.jitter,
    }
    urls = [address.url for address in backend.addresses(options.backends)]
    module = "tests.bench.probing"
    subprocess.run(
        [sys.executable, "-m", f"{module}.configuration", json.dumps(policy), *urls], check=True
    )
    before = cpu_time(redis.pids)
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", f"{module}.worker", str(options.seconds), str(options.warm_up)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # each backend's first verdict is logged
        )
        for _ in range(options.workers)
    ]
    outputs = [worker.communicate()[0] for worker in workers]
    results = [json.loads(output.splitlines()[-1]) for output in outputs]
    print(f"Redis: {(cpu_time(redis.pids) - before).total:.1f} s of CPU time in all")
    return _report(results, options)


def _report(results: list[dict[str, Any]], options: argparse.Namespace) -> int:
    late = sorted(seconds for result in results for seconds in result["late"])
    expected = options.backends / options.interval * options.seconds
    in_time = sum(seconds <= DUE * options.interval for seconds in late)
    cores = ", ".join(f"{result['core']:.0%}" for result in results)
    print(f"{len(late)} probes of {expected:.0f} expected; of one core: {cores}")
    print(
        f"late by: median {_at(late, 0.5)}, 99 % within {_at(late, 0.99)}, at most {_at(late, 1)}"
    )
    print(f"within {DUE:.0%} of the interval: {in_time / len(late):.2%}")
    return 0 if in_time == len(late) else 1


def _at(ordered: list[float], share: float) -> str:
    return f"{ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
