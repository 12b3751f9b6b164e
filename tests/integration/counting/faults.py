"""Everything that goes wrong with a product at once, in an order that a seed gives."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from analytics.stream import ABANDONED, CONSUMER, GROUP
from pool.bus import TRAFFIC_STREAM
from tests.integration.counting import aggregator
from tests.integration.counting.databases import Database
from tests.integration.edge.harness.processes import runs
from tests.integration.product import PATIENCE, Product

# Supervisor takes a program that ends sooner for one that cannot start, and lets it wait.
GROWN_UP = 3.5  # seconds
EDGE_WORKERS = 2
CRASH_PATIENCE = 60.0  # for a batch to come by that a crashing aggregator can take


class Faults:
    """`done` says how often each was made."""

    def __init__(self, product: Product, database: Database, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self._product = product
        self._database = database
        self._random = random.Random(seed)
        url = f"unix://{product.folder / 'redis.sock'}"
        self.redis = redis.Redis.from_url(url, retry=Retry(ConstantBackoff(0.05), 600))

    def go_on_until(self, enough: Callable[[], bool], *, workers_are_killed: bool) -> None:
        """Round after round, with each fault once in a round, and the first to its end."""
        kinds: dict[str, Callable[[], None]] = {
            "redis killed": self.kill_redis,
            "database away": self._database.kill,
            "celery worker killed": self.kill_celery,
            "aggregator killed in its transaction": lambda: self.crash("before-commit"),
            "aggregator killed before its acknowledgement": lambda: self.crash("before-ack"),
            "batches sent twice": self.send_twice,
            "batches delivered twice": self.deliver_twice,
            "edge told to reload": self.reload_edge,
            "edge told to end": self.end_edge,
        }
        if workers_are_killed:
            kinds |= {
                "edge worker killed": self.kill_worker,
                "all edge workers killed": self.kill_workers,
            }
        coming: list[str] = []
        while len(self.done) < len(kinds) or not enough():
            coming = coming or self._random.sample([*kinds], len(kinds))
            name = coming.pop()
            kinds[name]()
            self.done[name] += 1
            time.sleep(self._random.uniform(0, 0.5))

    # --- the edge ---

    def kill_worker(self) -> None:
        kill(self._random.choice(self._workers()))

    def kill_workers(self) -> None:
        for worker in self._workers():
            kill(worker)

    def reload_edge(self) -> None:
        self._of_age("edge").send_signal(signal.SIGHUP)

    def end_edge(self) -> None:
        """It answers what it has taken, and is started again."""
        edge = self._of_age("edge")
        edge.terminate()
        edge.wait(PATIENCE)

    def _workers(self) -> list[psutil.Process]:
        """Two or, while the edge reloads, more of them."""
        found: list[psutil.Process] = []

        def are_there() -> bool:
            found[:] = filter(runs, self._product.program("edge").children())
            return len(found) >= EDGE_WORKERS

        self._product.wait_until(are_there, "workers")
        return found

    # --- what the counts go through ---

    def kill_redis(self) -> None:
        self._of_age("redis").kill()

    def kill_celery(self) -> None:
        self._of_age("worker").kill()

    def crash(self, where: str) -> None:
        """A second aggregator takes batches, and kills itself at a bad moment."""
        process = start_aggregator(self._product, where)
        try:
            process.wait(CRASH_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"no batch came by to crash {where}") from None
        assert process.returncode == -signal.SIGKILL, process.returncode

    def send_twice(self) -> None:
        """As an edge does whose first sending was not confirmed."""
        for _, fields in self.redis.xrange(TRAFFIC_STREAM):
            self.redis.xadd(TRAFFIC_STREAM, fields)

    def deliver_twice(self) -> None:
        """As Redis does with what a reader was not done with in time, although it lives."""
        try:
            pending: Any = self.redis.xpending_range(TRAFFIC_STREAM, GROUP, "-", "+", 10_000)
        except redis.ResponseError:  # nothing was ever counted
            return
        if ids := [entry["message_id"] for entry in pending]:
            self.redis.xclaim(
                TRAFFIC_STREAM, GROUP, CONSUMER, 0, ids, idle=ABANDONED + 1, justid=True
            )

    # --- afterwards ---

    def drain(self) -> None:
        """Until the database has all there is: what is on boards, and what is in the stream."""
        before = self._boards()
        self.end_edge()
        product = self._product
        product.wait_until(lambda: not before & self._boards(), "the boards to be delivered")
        product.wait_until(self._stream_is_empty, "the stream to be counted")

    def _boards(self) -> set[str]:
        return {path.name for path in (self._product.folder / "edge").glob("*.board")}

    def _stream_is_empty(self) -> bool:
        self.deliver_twice()  # what killed readers have left would come in half a minute
        return not self.redis.xlen(TRAFFIC_STREAM)

    # --- programs ---

    def _of_age(self, name: str) -> psutil.Process:
        program = self._product.program(name)
        time.sleep(max(0.0, program.create_time() + GROWN_UP - time.time()))
        return program


def kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):  # it has just ended by itself
        process.kill()


def start_aggregator(product: Product, crash: str = "") -> "subprocess.Popen[bytes]":
    environment = product.environment() | {
        "LB_DATA_DIR": str(product.folder),
        "DJANGO_SETTINGS_MODULE": "lbsite.settings",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    return subprocess.Popen([sys.executable, aggregator.__file__, crash], env=environment)
