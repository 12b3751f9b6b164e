"""Whether two numbers differ by more than chance, two plain tests, both at 99 %; and by enough.

With enough requests the least difference is no chance: one of latencies has to matter, too.
"""

from collections.abc import Mapping
from math import ceil, floor, sqrt

from proxy.core.histogram import bucket_bounds, bucket_index

Z = 2.576  # two-sided 99 % of a normal distribution
_LEAST = 10  # values on either side, and beyond a percentile
_LEAST_MS = 1.0  # what nobody waits for, and what a busy scheduler comes to

PROPORTIONS = "two-proportion z-test with continuity correction, 99 %"
RANKS = (
    "99 % confidence ranges of the percentile, by ranks, do not overlap; less than 1 ms, or than "
    "the histogram tells apart (6 %), is too small to matter"
)


def proportions_differ(part_a: int, whole_a: int, part_b: int, whole_b: int) -> bool | None:
    """None: too few to tell."""
    if min(whole_a, whole_b) < _LEAST:
        return None
    pooled = (part_a + part_b) / (whole_a + whole_b)
    inverse = 1 / whole_a + 1 / whole_b
    # The correction keeps a few errors among many requests from looking like a change.
    distance = abs(part_a / whole_a - part_b / whole_b) - inverse / 2
    return distance > Z * sqrt(pooled * (1 - pooled) * inverse)


def percentiles_differ(a: Mapping[int, int], b: Mapping[int, int], q: float) -> bool | None:
    """None: too few to tell."""
    range_a, range_b = confidence_range(a, q), confidence_range(b, q)
    if range_a is None or range_b is None:
        return None
    return range_a[1] <= range_b[0] or range_b[1] <= range_a[0]


def latencies_matter(before: float, after: float) -> bool:
    """Milliseconds, as histograms tell them. In neighbouring buckets they may be nearly equal."""
    first, second = (bucket_index(round(1000 * ms)) for ms in (before, after))
    return abs(after - before) >= _LEAST_MS and abs(first - second) > 1


def confidence_range(counts: Mapping[int, int], q: float) -> tuple[int, int] | None:
    """Microseconds between which the true percentile is; None if there are too few beyond it.

    The number of values below it is binomial, whatever the distribution of the values.
    """
    total = sum(counts.values())
    if total * (1 - q) < _LEAST or total * q < _LEAST:
        return None
    width = Z * sqrt(total * q * (1 - q))
    low = _bucket_of(counts, max(1, floor(total * q - width)))
    high = _bucket_of(counts, min(total, ceil(total * q + width)))
    return bucket_bounds(low)[0], bucket_bounds(high)[1]


def _bucket_of(counts: Mapping[int, int], rank: int) -> int:
    for index in sorted(counts):
        rank -= counts[index]
        if rank <= 0:
            return index
    return max(counts)


def tolerance(share: float, requests: int) -> float:
    """How far a share of so many requests may be off by chance alone, or by one request."""
    if not requests:
        return 1.0
    return Z * sqrt(share * (1 - share) / requests) + 1 / requests
