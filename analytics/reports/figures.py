"""What the numbers of the reports mean, made of counters.

* `requests`: answers that clients got. A request whose client went away before
  its answer is in `client_aborts` instead.
* `errors`: those with a status of 500 or more, whoever made it, backend or edge.
  `successes`: all others.
* Times are milliseconds, None where nothing was timed. Percentiles are within 5 % of
  the exact ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from analytics.aggregate import Counters, Times
from analytics.histograms import counts_of
from proxy.core.histogram import bucket_bounds, percentiles

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


@dataclass(frozen=True)
class Latency:
    """Milliseconds; percentiles are within 5 % of the exact ones."""

    avg: float
    min: float
    max: float
    p50: float
    p90: float
    p95: float
    p99: float
    p999: float


@dataclass(frozen=True)
class Counts:
    """Statuses are those of `requests`; `rejected` by a rate limit, a full queue or for want
    of a backend.
    """

    requests: int
    successes: int
    errors: int
    client_aborts: int
    status_1xx: int
    status_2xx: int
    status_3xx: int
    status_4xx: int
    status_5xx: int
    retries: int
    hedges: int
    rejected: int
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True)
class Summary(Counts):
    """`latency_ms` from a request's first byte to its answer's last."""

    latency_ms: Latency | None


def answered(counters: Counters) -> int:
    return counters.requests - counters.client_aborts


def rejected(counters: Counters) -> int:
    limits = counters.rejected_rate_limit + counters.rejected_queue
    return limits + counters.rejected_no_backend


def count(counters: Counters) -> dict[str, int]:
    """The fields of `Counts`."""
    requests, errors = answered(counters), counters.status_5xx
    return {
        "requests": requests,
        "successes": requests - errors,
        "errors": errors,
        "client_aborts": counters.client_aborts,
        "status_1xx": counters.status_1xx,
        "status_2xx": counters.status_2xx,
        "status_3xx": counters.status_3xx,
        # The edge counts a client that has gone as 499, as nginx does.
        "status_4xx": max(0, counters.status_4xx - counters.client_aborts),
        "status_5xx": errors,
        "retries": counters.retries,
        "hedges": counters.hedges,
        "rejected": rejected(counters),
        "bytes_in": counters.bytes_in,
        "bytes_out": counters.bytes_out,
    }


def latency(times: Times) -> Latency | None:
    counts = counts_of(times.histogram)
    measured = sum(counts.values())
    if not measured:
        return None
    low, high = bounds(times, counts)
    # The estimates are the middles of buckets; no answer took less or more than was measured.
    found = percentiles(counts, [*QUANTILES.values()])
    estimates = [ms(min(max(one, low), high)) for one in found]
    return Latency(
        avg=ms(times.sum / measured),
        min=ms(low),
        max=ms(high),
        **dict(zip(QUANTILES, estimates, strict=True)),
    )


def bounds(times: Times, counts: Mapping[int, int]) -> tuple[int, int]:
    """An edge that was killed leaves its counts behind, but not always its extremes."""
    low = times.min or bucket_bounds(min(counts))[0]
    high = times.max or bucket_bounds(max(counts))[1]
    return low, high


def ms(us: float) -> float:
    return round(us / 1000, 3)


def ratio(part: float, whole: float) -> float:
    """From 0 to 1; of nothing, 0."""
    return round(part / whole, 6) if whole else 0.0
