"""Batches as edge workers send them: every backend busy in every second."""

from collections.abc import Iterator
from random import Random

import msgspec

from pool.bus import TrafficBatch, TrafficRow, TrafficSecond, TrafficTimes
from proxy.core.histogram import bucket_index, merge

REQUESTS = 20  # of one backend in one second at one worker
_PATTERNS = 200  # different seconds; the rest are repetitions


def batches(sources: int, seconds: int, backends: int, start: int) -> Iterator[bytes]:
    """One batch a source and second, each with a row for every backend, encoded."""
    patterns = [some_second(Random(number)) for number in range(_PATTERNS)]
    encoder = msgspec.msgpack.Encoder()
    for seq in range(1, seconds + 1):
        rows = [
            msgspec.structs.replace(
                patterns[(seq * 7 + number) % _PATTERNS],
                backend_id=number,
                backend=f"backend-{number}",
                pool_id=pool_of(number),
                route_id=pool_of(number),
                pool=f"pool-{pool_of(number)}",
            )
            for number in range(1, backends + 1)
        ]
        for source in range(sources):
            second = TrafficSecond(at=start + seq, rows=rows)
            yield encoder.encode(
                TrafficBatch(source=f"edge-{start}-{source}", seq=seq, seconds=[second])
            )


def pool_of(backend: int) -> int:
    """Of twenty pools."""
    return 1 + backend % 20


def some_second(random: Random) -> TrafficRow:
    first = [int(random.lognormvariate(8, 0.7)) for _ in range(REQUESTS)]
    total = [us + int(random.expovariate(1 / 500)) for us in first]
    failed = int(random.random() < 0.1)
    return TrafficRow(
        route_id=1,
        pool_id=1,
        pool="",
        backend_id=1,
        backend="",
        requests=REQUESTS,
        status_2xx=REQUESTS - failed,
        status_5xx=failed,
        errors=failed,
        timeouts=failed,
        bytes_in=400 * REQUESTS,
        bytes_out=9000 * REQUESTS,
        in_flight_peak=random.randint(1, 5),
        connect=times([int(random.lognormvariate(6, 0.5))]),
        first_byte=times(first),
        total=times(total),
    )


def times(values: list[int]) -> TrafficTimes:
    histogram = merge({bucket_index(us): 1} for us in values)
    return TrafficTimes(sum(values), min(values), max(values), histogram)
