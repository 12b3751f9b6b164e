"""A log-linear histogram of latencies, as HdrHistogram's, over integer microseconds.

Each power of two is cut into 16 buckets of equal width, so that a bucket is at
most 1/16 of its own lower bound wide and its midpoint at most 3.2 % away from
any value in it. Values below 32 µs have a bucket of their own. The number of
buckets is fixed (a row of shared memory has room for all of them); values of
2**30 µs (1,073 s) and more are counted in the last one.

Histograms of the same layout add up bucket by bucket: that is why percentiles
are right at each level of the rollups, where averages of percentiles are not.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from math import ceil

_SUB_BITS = 4
_SUB_BUCKETS = 1 << _SUB_BITS
_VALUE_BITS = 30

OCTAVE = _SUB_BUCKETS  # buckets of a power of two
LIMIT = 1 << _VALUE_BITS  # the first value that is clamped
BUCKETS = (_VALUE_BITS - _SUB_BITS + 1) * _SUB_BUCKETS
_LAST = BUCKETS - 1


def bucket_index(us: int) -> int:
    """The bucket that counts a latency of `us` microseconds."""
    if us < _SUB_BUCKETS:
        return max(us, 0)  # a clock that stepped back must not index from the end
    if us >= LIMIT:
        return _LAST
    shift = us.bit_length() - (_SUB_BITS + 1)
    return (shift << _SUB_BITS) + (us >> shift)


def bucket_bounds(index: int) -> tuple[int, int]:
    """The half-open range [low, high) of microseconds that bucket `index` counts."""
    if not 0 <= index < BUCKETS:
        raise ValueError(f"bucket {index} is outside of 0 … {_LAST}")
    if index < _SUB_BUCKETS:
        return index, index + 1
    shift = (index >> _SUB_BITS) - 1
    low = ((index & (_SUB_BUCKETS - 1)) + _SUB_BUCKETS) << shift
    return low, low + (1 << shift)


def midpoint(index: int) -> float:
    """The estimate for every value in bucket `index`; exact where it holds one value only."""
    low, high = bucket_bounds(index)
    return (low + high - 1) / 2


def merge(histograms: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """The sum of `histograms` ({bucket index: count}) as a new one."""
    total: dict[int, int] = {}
    for counts in histograms:
        for index, count in counts.items():
            total[index] = total.get(index, 0) + count
    return total


def nearest_rank(total: int, q: float) -> int:
    """Which of `total` values in order, from 1 on, is their `q`-quantile."""
    # round(): 0.07 * 100 is 7.000000000000001, whose ceiling would be one rank too far.
    return max(1, ceil(round(q * total, 6)))


def percentiles(counts: Mapping[int, int], quantiles: Sequence[float]) -> list[float]:
    """`quantiles` (0 … 1) in microseconds by nearest rank; none if nothing was counted."""
    for q in quantiles:
        if not 0 <= q <= 1:
            raise ValueError(f"q must be from 0 to 1, not {q}")
    indices = sorted(counts)
    ranks = list(accumulate(counts[index] for index in indices))  # the last ones of each bucket
    if not ranks or not ranks[-1]:
        return []
    wanted = [nearest_rank(ranks[-1], q) for q in quantiles]
    return [midpoint(indices[bisect_left(ranks, rank)]) for rank in wanted]
