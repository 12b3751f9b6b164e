"""Adding traffic up. Pure: batches in, sums out."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from analytics.levels import STEPS, floor
from pool.bus import TrafficBatch, TrafficRow
from proxy.core import histogram
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
        self.histogram = histogram.merge((self.histogram, other.histogram))


Rollups = dict[Key, Counters]


def roll_up(batches: Iterable[TrafficBatch]) -> Rollups:
    """The sums of `batches` at every level. Each second counts where it belongs, however late."""
    level = _finest(batches)
    rollups = dict(level)
    for step in STEPS[1:]:
        level = _widen(level, step)
        rollups.update(level)
    return rollups


def _finest(batches: Iterable[TrafficBatch]) -> Rollups:
    step = STEPS[0]
    level: Rollups = {}
    for batch in batches:
        for second in batch.seconds:
            at = floor(second.at, step)
            for row in second.rows:
                series = Series(row.route_id, row.pool_id, row.pool, row.backend_id, row.backend)
                level.setdefault(Key(step, at, series), Counters()).add(row)
    return level


def _widen(level: Rollups, step: int) -> Rollups:
    wider: Rollups = {}
    for (_, at, series), counters in level.items():
        wider.setdefault(Key(step, floor(at, step), series), Counters()).add(counters)
    return wider


# --- what is taken from the stream ---

_MAX_COUNT = 2**48  # far above any second's traffic, and its sums far below the database's 2**63
_MAX_AT = 2**33  # the year 2242
_NAME_LENGTHS = {"pool": 100, "backend": 260}
MAX_SOURCE = 200


class MalformedBatch(ValueError):
    """A message that no database should see."""


def decode_batch(data: bytes) -> TrafficBatch:
    """The batch in `data`, checked as far as the database would: else one bad row blocks all."""
    try:
        batch = msgspec.msgpack.decode(data, type=TrafficBatch)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedBatch(f"not a traffic batch: {error}") from error
    _check_text("source", batch.source, MAX_SOURCE)
    _check_count("seq", batch.seq)
    for second in batch.seconds:
        if not 0 <= second.at < _MAX_AT:
            raise MalformedBatch(f"second {second.at} is out of range")
        for row in second.rows:
            _check_row(row)
    return batch


def _check_row(row: TrafficRow) -> None:
    for name, length in _NAME_LENGTHS.items():
        _check_text(name, getattr(row, name), length)
    for name in ("route_id", "pool_id", "backend_id", "duration_min", "duration_max", *SUMMED):
        _check_count(name, getattr(row, name))
    for index, count in row.histogram.items():
        if not 0 <= index < BUCKETS:
            raise MalformedBatch(f"histogram bucket {index} does not exist")
        _check_count("histogram", count)


def _check_count(name: str, value: int) -> None:
    if not 0 <= value < _MAX_COUNT:
        raise MalformedBatch(f"{name} {value} is out of range")


def _check_text(name: str, value: str, length: int) -> None:
    if len(value) > length or "\0" in value:
        raise MalformedBatch(f"{name} is longer than {length} characters or has a NUL in it")


# --- histograms in the database ---


def pack_histogram(counts: dict[int, int]) -> bytes:
    return msgspec.msgpack.encode(counts)


def unpack_histogram(data: Any) -> dict[int, int]:
    """`data` as databases give it back: bytes, or a memoryview."""
    return msgspec.msgpack.decode(data, type=dict[int, int])
