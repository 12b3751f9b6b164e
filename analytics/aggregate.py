"""Adding traffic up. Pure: batches in, sums out."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from analytics.levels import LEVELS, STEPS, floor
from pool.bus import TrafficBatch, TrafficRow, TrafficTimes


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
    *("errors", "connect_errors", "timeouts", "cuts", "retries", "hedges", "client_aborts"),
    *("rejected_rate_limit", "rejected_queue", "rejected_no_backend", "bytes_in", "bytes_out"),
)
KINDS = ("queue", "connect", "first_byte", "total")  # of times


class Times(msgspec.Struct, gc=False):
    """Of one kind, as in `TrafficTimes`; to be added up."""

    sum: int = 0
    min: int = 0  # 0: not known, as is `max`
    max: int = 0
    histogram: dict[int, int] = {}

    def add(self, other: "TrafficTimes | Times") -> None:
        self.sum += other.sum
        if other.min and (other.min < self.min or not self.min):
            self.min = other.min
        if other.max > self.max:
            self.max = other.max
        mine = self.histogram
        if not mine:
            self.histogram = other.histogram.copy()
            return
        for index, count in other.histogram.items():
            if index in mine:
                mine[index] += count
            else:
                mine[index] = count


class Counters(msgspec.Struct, gc=False):
    """The counts of a `TrafficRow`, to be added up. What each of them means is said there.

    `in_flight_peak` is the highest of all that were added: what workers had under way at
    the same moment is not known, so all of them together may have had more.
    """

    requests: int = 0
    status_1xx: int = 0
    status_2xx: int = 0
    status_3xx: int = 0
    status_4xx: int = 0
    status_5xx: int = 0
    errors: int = 0
    connect_errors: int = 0
    timeouts: int = 0
    cuts: int = 0
    retries: int = 0
    hedges: int = 0
    client_aborts: int = 0
    rejected_rate_limit: int = 0
    rejected_queue: int = 0
    rejected_no_backend: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    in_flight_peak: int = 0
    queue: Times = msgspec.field(default_factory=Times)
    connect: Times = msgspec.field(default_factory=Times)
    first_byte: Times = msgspec.field(default_factory=Times)
    total: Times = msgspec.field(default_factory=Times)

    def add(self, other: "TrafficRow | Counters") -> None:
        self.requests += other.requests
        self.status_1xx += other.status_1xx
        self.status_2xx += other.status_2xx
        self.status_3xx += other.status_3xx
        self.status_4xx += other.status_4xx
        self.status_5xx += other.status_5xx
        self.errors += other.errors
        self.connect_errors += other.connect_errors
        self.timeouts += other.timeouts
        self.cuts += other.cuts
        self.retries += other.retries
        self.hedges += other.hedges
        self.client_aborts += other.client_aborts
        self.rejected_rate_limit += other.rejected_rate_limit
        self.rejected_queue += other.rejected_queue
        self.rejected_no_backend += other.rejected_no_backend
        self.bytes_in += other.bytes_in
        self.bytes_out += other.bytes_out
        if other.in_flight_peak > self.in_flight_peak:
            self.in_flight_peak = other.in_flight_peak
        self.queue.add(other.queue)
        self.connect.add(other.connect)
        self.first_byte.add(other.first_byte)
        self.total.add(other.total)


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
    groups: defaultdict[tuple[int, Series], list[TrafficRow]] = defaultdict(list)
    for batch in batches:
        for second in batch.seconds:
            at = floor(second.at, STEPS[0])
            for row in second.rows:
                series = Series(row.route_id, row.pool_id, row.pool, row.backend_id, row.backend)
                groups[at, series].append(row)
    return {key: sum_of(rows) for key, rows in groups.items()}


def _widen(level: _Level, step: int) -> _Level:
    groups: defaultdict[tuple[int, Series], list[Counters]] = defaultdict(list)
    for (at, series), counters in level.items():
        groups[floor(at, step), series].append(counters)
    return {key: sum_of(parts) for key, parts in groups.items()}


def sum_of(parts: Iterable[TrafficRow | Counters]) -> Counters:
    total = Counters()
    for part in parts:
        total.add(part)
    return total


# --- what is taken from the stream ---


class MalformedBatch(ValueError):
    """A message that no database should see."""


_decoder = msgspec.msgpack.Decoder(TrafficBatch)


def decode_batch(data: bytes) -> TrafficBatch:
    """The batch in `data`. The types of `pool.bus` are checked, but for what they cannot know."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedBatch(f"not a traffic batch: {error}") from error


# --- histograms in the database ---


def pack_histogram(counts: dict[int, int]) -> bytes:
    return msgspec.msgpack.encode(counts) if counts else b""


def unpack_histogram(data: Any) -> dict[int, int]:
    """`data` as databases give it back: bytes, or a memoryview."""
    return _histogram_decoder.decode(data) if data else {}


_histogram_decoder = msgspec.msgpack.Decoder(dict[int, int])
