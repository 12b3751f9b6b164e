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
SWAPS = 20
WINDOW = 0.4  # seconds; every other one begins with a swap
INTERVAL = 0.002  # seconds between two requests of the trickle
REPORTED_WITHIN = 10.0


def measure(stage: Stage) -> Iterator[Finding]:
    """One trickle, windows with a swap and without in turn: these are the machine's own noise."""
    what = f"longest wait while {MANY_BACKENDS:,} backends are swapped"
    edge = stage.edge("swap", snapshot(stage, MANY_BACKENDS, 1))
    worker = worker_pid(edge)
    client = Client(edge.port)
    _trickle(client, time.perf_counter(), 4)
    before = cpu_time([worker])
    _trickle(client, time.perf_counter(), 2 * SWAPS)
    between = cpu_time([worker])
    start = time.perf_counter()  # CLOCK_MONOTONIC: the same in every process
    publisher = multiprocessing.Process(
        target=_publish_all, args=(edge.redis_url, _swaps(stage), start)
    )
    publisher.start()
    waits = _trickle(client, start, 2 * SWAPS)
    after = cpu_time([worker])
    publisher.join()
    client.close()
    if (running := _running_number(edge)) != SWAPS + 1:
        yield Finding.failed(what, f"the edge reports snapshot {running}, not {SWAPS + 1}")
        return
    yield _verdict(what, quiet=sorted(waits[::2]), swapped=sorted(waits[1::2]))
    extra = ((after - between).total - (between - before).total) / SWAPS * 1000
    yield Finding.seen("CPU of the worker for one such swap", f"{extra:.1f} ms")


def _verdict(what: str, quiet: list[float], swapped: list[float]) -> Finding:
    """Of the windows with a swap, as many are left out as were too long without one."""
    machine = sum(wait > MAX_STALL_MS for wait in quiet)
    note = (
        f"longest of each of {SWAPS} windows, sorted, the last {machine} left out for as many "
        f"above {MAX_STALL_MS:g} ms without a swap; with: median {median(swapped):.2f}, "
        f"longest {swapped[-1]:.2f}; without: {median(quiet):.2f}, {quiet[-1]:.2f}"
    )
    longest = swapped[-1 - min(machine, SWAPS - 1)]
    return Finding.at_most(what, longest, MAX_STALL_MS, "ms", note)


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


def _publish_all(redis_url: str, snapshots: list[bytes], start: float) -> None:
    """In a process of its own, so that it does not hold up the client that measures."""
    redis = Redis.from_url(redis_url)
    for turn, content in enumerate(snapshots):
        time.sleep(max(0.0, start + (2 * turn + 1) * WINDOW - time.perf_counter()))
        redis.set(SNAPSHOT_KEY, content)
        redis.publish(SNAPSHOT_CHANNEL, str(turn + 2))
    redis.close()


def _trickle(client: Client, start: float, windows: int) -> list[float]:
    """The longest wait of each window, in milliseconds.

    From when each request was due, so that a stall counts for all it held up.
    """
    longest = [0.0] * windows
    size = round(WINDOW / INTERVAL)
    for turn in range(windows * size):
        due = start + turn * INTERVAL
        time.sleep(max(0.0, due - time.perf_counter()))
        client.get(SMALL)
        wait = (time.perf_counter() - due) * 1000
        longest[turn // size] = max(longest[turn // size], wait)
    return longest


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
