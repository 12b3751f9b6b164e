"""What a board's words say, as the rows that readers of the traffic stream add up."""

from pool.bus import TrafficRow, TrafficTimes
from proxy.core.histogram import BUCKETS, OCTAVE, bucket_bounds, bucket_index, merge
from proxy.engine.board import Part, Row
from proxy.engine.layout import (
    BYTES_IN,
    BYTES_OUT,
    CLIENT_ABORTS,
    CONNECT_ERRORS,
    COUNTS,
    CUTS,
    ERRORS,
    HEADER,
    HEDGES,
    KINDS,
    NEW_HEADER,
    REJECTED_NO_BACKEND,
    REJECTED_QUEUE,
    REJECTED_RATE_LIMIT,
    RETRIES,
    STATUS,
    TIMEOUTS,
    UNSEEN,
    Kind,
    octaves,
)
from proxy.engine.row_names import RowName

_NO_TIMES = TrafficTimes()


def read(name: RowName, row: Row, words: "memoryview[int]", part: Part) -> TrafficRow | None:
    """What was counted in a part of `row` since it was last noted; None: nothing."""
    header_words = words[row.at : row.at + HEADER]
    if header_words == NEW_HEADER:
        return None
    header = header_words.tolist()
    for word, count in part.noted.items():
        header[word] -= count
    times = [_times(kind, row, words, header, part) for kind in KINDS]
    return _row(name, header, times, part.in_flight_peak)


def read_remains(name: RowName, row: Row, words: "memoryview[int]") -> TrafficRow | None:
    """As `read`, where the worker is gone and nobody knows what it had noted."""
    header = words[row.at : row.at + HEADER].tolist()
    times = [_remaining_times(kind, row, words, header) for kind in KINDS]
    return _row(name, header, times, 0)


def note(row: Row, words: "memoryview[int]", part: Part) -> None:
    """Remember what was read of a part that is still counted in."""
    header = words[row.at : row.at + HEADER]
    part.noted.update(enumerate(header[COUNTS].tolist(), COUNTS.start))
    for kind in KINDS:
        if header[kind.min] != UNSEEN:
            first, last = bucket_index(header[kind.min]), bucket_index(header[kind.max])
            noted = part.noted_times.setdefault(kind, {})
            noted.update(_histogram(kind, row, words, first, last))
            header[kind.min], header[kind.max] = UNSEEN, 0


def add_times(one: TrafficTimes, other: TrafficTimes) -> TrafficTimes:
    if other is _NO_TIMES:
        return one
    if one is _NO_TIMES:
        return other
    return TrafficTimes(
        sum=one.sum + other.sum,
        min=min(one.min or other.min, other.min or one.min),
        max=max(one.max, other.max),
        histogram=merge((one.histogram, other.histogram)),
    )


def _times(
    kind: Kind, row: Row, words: "memoryview[int]", header: list[int], part: Part
) -> TrafficTimes:
    shortest, longest = header[kind.min], header[kind.max]
    if shortest == UNSEEN:
        return _NO_TIMES
    histogram = _histogram(kind, row, words, bucket_index(shortest), bucket_index(longest))
    noted = part.noted_times.get(kind)
    if noted:
        histogram = {
            bucket: count - noted.get(bucket, 0)
            for bucket, count in histogram.items()
            if count != noted.get(bucket, 0)
        }
    return TrafficTimes(header[kind.sum], shortest, longest, histogram)


def _histogram(
    kind: Kind, row: Row, words: "memoryview[int]", first: int, last: int
) -> dict[int, int]:
    """What is in the octaves of these two buckets, and between them."""
    counts: list[int] = []
    for word in octaves(row.times + kind.histogram, first, last):
        counts += words[word : word + OCTAVE].tolist()
    return {bucket: count for bucket, count in enumerate(counts, first // OCTAVE * OCTAVE) if count}


def _remaining_times(
    kind: Kind, row: Row, words: "memoryview[int]", header: list[int]
) -> TrafficTimes:
    """Extremes from before it was noted are known by the buckets that they are in."""
    histogram = _histogram(kind, row, words, 0, BUCKETS - 1)
    if not histogram:
        return _NO_TIMES
    shortest = _clamp(header[kind.min], bucket_bounds(min(histogram)))
    longest = _clamp(header[kind.max], bucket_bounds(max(histogram)))
    return TrafficTimes(header[kind.sum], shortest, longest, histogram)


def _clamp(us: int, bounds: tuple[int, int]) -> int:
    low, high = bounds
    return min(max(us, low), high - 1)


def _row(
    name: RowName, header: list[int], times: list[TrafficTimes], in_flight_peak: int
) -> TrafficRow | None:
    one_piece, total, first_byte, connect, queue = times
    if not any(header[COUNTS]) and queue is _NO_TIMES:
        return None
    return TrafficRow(
        route_id=name.route_id,
        pool_id=name.pool_id,
        pool=name.pool,
        backend_id=name.backend_id,
        backend=name.backend,
        requests=sum(header[STATUS + 1 : STATUS + 6]),
        status_1xx=header[STATUS + 1],
        status_2xx=header[STATUS + 2],
        status_3xx=header[STATUS + 3],
        status_4xx=header[STATUS + 4],
        status_5xx=header[STATUS + 5],
        errors=header[ERRORS],
        connect_errors=header[CONNECT_ERRORS],
        timeouts=header[TIMEOUTS],
        cuts=header[CUTS],
        retries=header[RETRIES],
        hedges=header[HEDGES],
        client_aborts=header[CLIENT_ABORTS],
        rejected_rate_limit=header[REJECTED_RATE_LIMIT],
        rejected_queue=header[REJECTED_QUEUE],
        rejected_no_backend=header[REJECTED_NO_BACKEND],
        bytes_in=header[BYTES_IN],
        bytes_out=header[BYTES_OUT],
        in_flight_peak=in_flight_peak,
        queue=queue,
        connect=connect,
        first_byte=add_times(one_piece, first_byte),
        total=add_times(one_piece, total),
    )
