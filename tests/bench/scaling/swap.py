"""Does a new configuration make a request wait?"""

import multiprocessing
import time
from collections.abc import Iterator
from statistics import median

import msgspec
from redis import Redis

from pool.bus import EDGES_KEY, SNAPSHOT_CHANNEL, SNAPSHOT_KEY, EdgeReport
from pool.snapshot import build, encode
from tests.bench.backend import SMALL
from tests.bench.processes import cpu_time
from tests.bench.scaling.client import Client
from tests.bench.scaling.finding import Finding
from tests.bench.scaling.flat import MANY_BACKENDS, snapshot
from tests.bench.scaling.stage import Stage, worker_pid
from tests.bench.systems.edge import Edge

MAX_STALL_MS = 5.0
SWAPS = 10
BETWEEN = 0.4  # seconds between two swaps
INTERVAL = 0.002  # seconds between two requests of the trickle
REPORTED_WITHIN = 10.0


def measure(stage: Stage) -> Iterator[Finding]:
    """The same trickle twice, without swaps and with: the first one is the machine's own noise."""
    what = f"longest wait while {MANY_BACKENDS:,} backends are swapped"
    edge = stage.edge("swap", snapshot(stage, MANY_BACKENDS, 1))
    worker = worker_pid(edge)
    client = Client(edge.port)
    _trickle(client, 2.0)
    seconds = SWAPS * BETWEEN
    before = cpu_time([worker])
    quiet = _trickle(client, seconds)
    between = cpu_time([worker])
    publisher = multiprocessing.Process(target=_publish_all, args=(edge.redis_url, _swaps(stage)))
    publisher.start()
    swapped = _trickle(client, seconds)
    after = cpu_time([worker])
    publisher.join()
    client.close()
    if (running := _running_number(edge)) != SWAPS + 1:
        yield Finding.failed(what, f"the edge reports snapshot {running}, not {SWAPS + 1}")
        return
    longest = [max(window) for window in _windows(swapped)]
    note = f"{SWAPS} swaps, median of the longest {median(longest):.2f} ms; "
    note += f"without swaps {max(quiet):.2f} ms, median {median(map(max, _windows(quiet))):.2f} ms"
    yield Finding.at_most(what, max(longest), MAX_STALL_MS, "ms", note)
    extra = ((after - between).total - (between - before).total) / SWAPS * 1000
    yield Finding.seen("CPU of the worker for one such swap", f"{extra:.1f} ms")


def _swaps(stage: Stage) -> list[bytes]:
    """Every other backend's weight changes each time: no swap finds what it had."""
    original = snapshot(stage, MANY_BACKENDS, 1)
    pool = original.pools[0]
    encoded = []
    for number in range(2, SWAPS + 2):
        backends = tuple(
            msgspec.structs.replace(spec, weight=1 + (spec.id % 2) * number)
            for spec in pool.backends
        )
        changed = msgspec.structs.replace(pool, backends=backends)
        encoded.append(encode(build(number, (changed,), original.routes)))
    return encoded


def _publish_all(redis_url: str, snapshots: list[bytes]) -> None:
    """In a process of its own, so that it does not hold up the client that measures."""
    redis = Redis.from_url(redis_url)
    for number, content in enumerate(snapshots, start=2):
        redis.set(SNAPSHOT_KEY, content)
        redis.publish(SNAPSHOT_CHANNEL, str(number))
        time.sleep(BETWEEN)
    redis.close()


def _trickle(client: Client, seconds: float) -> list[float]:
    """Milliseconds from when each request was due, so that a stall counts for all it held up."""
    waits = []
    start = time.perf_counter()
    for turn in range(round(seconds / INTERVAL)):
        due = start + turn * INTERVAL
        time.sleep(max(0.0, due - time.perf_counter()))
        client.get(SMALL)
        waits.append((time.perf_counter() - due) * 1000)
    return waits


def _windows(waits: list[float]) -> Iterator[list[float]]:
    size = round(BETWEEN / INTERVAL)
    for start in range(0, len(waits), size):
        yield waits[start : start + size]


def _running_number(edge: Edge) -> int:
    """What the edge says it runs, once it has had time to say it."""
    deadline = time.monotonic() + REPORTED_WITHIN
    number = 0
    while number != SWAPS + 1 and time.monotonic() < deadline:
        time.sleep(0.2)
        reports = edge.redis.hvals(EDGES_KEY)
        numbers = [msgspec.json.decode(one, type=EdgeReport).snapshot_number for one in reports]
        number = max(numbers, default=0)
    return number
