"""Adding traffic up. Pure: batches in, sums out."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from analytics.levels import LEVELS, STEPS, floor
from pool.bus import TrafficBatch, TrafficRow
from proxy.core.histogram import BUCKETS


class Series(NamedTuple):
    """What is told apart. Names as they were then: reports outlive what they tell of."""

    route_id: int
    pool_id: int
    pool: str
    backend_id: int  # 0: answered by the edge itself
    backend: str


class Key(NamedTuple):
    step: int
    at: int  # Unix seconds, the start of a bucket that is `step` wide
    series: Series


SUMMED = (
    *("requests", "status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx"),
    *("errors", "retries", "client_aborts", "bytes_in", "bytes_out", "duration_sum"),
)


class Counters(msgspec.Struct):
    """The counts of a `TrafficRow`, to be added up.

    `duration_min` and `duration_max` are 0 where nobody knows them.
    """

    requests: int = 0
    status_1xx: int = 0
    status_2xx: int = 0
    status_3xx: int = 0
    status_4xx: int = 0
    status_5xx: int = 0
    errors: int = 0
    retries: int = 0
    client_aborts: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    duration_sum: int = 0
    duration_min: int = 0
    duration_max: int = 0
    histogram: dict[int, int] = {}

    def add(self, other: "TrafficRow | Counters") -> None:
        self.requests += other.requests
        self.status_1xx += other.status_1xx
        self.status_2xx += other.status_2xx
        self.status_3xx += other.status_3xx
        self.status_4xx += other.status_4xx
        self.status_5xx += other.status_5xx
        self.errors += other.errors
        self.retries += other.retries
        self.client_aborts += other.client_aborts
        self.bytes_in += other.bytes_in
        self.bytes_out += other.bytes_out
        self.duration_sum += other.duration_sum
        if other.duration_min and (other.duration_min < self.duration_min or not self.duration_min):
            self.duration_min = other.duration_min
        if other.duration_max > self.duration_max:
            self.duration_max = other.duration_max
        mine = self.histogram  # a struct's own copy of its default, so it may be changed
        for index, count in other.histogram.items():
            mine[index] = mine.get(index, 0) + count


Rollups = dict[Key, Counters]
_Level = dict[tuple[int, Series], Counters]


def roll_up(batches: Iterable[TrafficBatch]) -> Rollups:
    """The sums of `batches` at every level. Each second counts where it belongs, however late."""
    level = _finest(batches)
    rollups: Rollups = {}
    for step in LEVELS:
        if step != STEPS[0]:
            level = _widen(level, step)
        for (at, series), counters in level.items():
            rollups[Key(step, at, series)] = counters
    return rollups


def _finest(batches: Iterable[TrafficBatch]) -> _Level:
    level: _Level = {}
    for batch in batches:
        for second in batch.seconds:
            at = floor(second.at, STEPS[0])
            for row in second.rows:
                series = Series(row.route_id, row.pool_id, row.pool, row.backend_id, row.backend)
                _add(level, (at, series), row)
    return level


def _widen(level: _Level, step: int) -> _Level:
    wider: _Level = {}
    for (at, series), counters in level.items():
        _add(wider, (floor(at, step), series), counters)
    return wider


def _add(level: _Level, key: tuple[int, Series], counts: TrafficRow | Counters) -> None:
    counters = level.get(key)
    if counters is None:
        counters = level[key] = Counters()
    counters.add(counts)


# --- what is taken from the stream ---


class MalformedBatch(ValueError):
    """A message that no database should see."""


_decoder = msgspec.msgpack.Decoder(TrafficBatch)


def decode_batch(data: bytes) -> TrafficBatch:
    """The batch in `data`. The types of `pool.bus` are checked, but for what they cannot know."""
    try:
        batch = _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedBatch(f"not a traffic batch: {error}") from error
    for second in batch.seconds:
        for row in second.rows:
            if row.histogram and max(row.histogram) >= BUCKETS:
                raise MalformedBatch(f"histogram bucket {max(row.histogram)} does not exist")
    return batch


# --- histograms in the database ---


def pack_histogram(counts: dict[int, int]) -> bytes:
    return msgspec.msgpack.encode(counts)


def unpack_histogram(data: Any) -> dict[int, int]:
    """`data` as databases give it back: bytes, or a memoryview."""
    return msgspec.msgpack.decode(data, type=dict[int, int])
