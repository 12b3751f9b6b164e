"""What the traffic of a period was, read from the rollups.

What the numbers mean:

* `requests`: answers that clients got. A request whose client went away before
  its answer is in `client_aborts` instead.
* `errors`: those with a status of 500 or more, whoever made it, backend or edge.
  `successes`: all others.
* `latency_ms`: from a request's first byte to its answer's last; None without traffic.
* `answered_by_edge`: those of the totals that reached no backend, such as 404
  without a route or 503 without a backend left. They are in no backend's row.
* `share`: a backend's part of the requests that reached a backend.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypedDict

from django.db.models import Q

from analytics.aggregate import Counters
from analytics.levels import DAY, MINUTE, TEN_SECONDS, Segment, floor, segments
from analytics.models import TrafficRollup, TrafficSeries
from analytics.store import COUNTERS, read_counters
from pool.models import Backend, Pool
from proxy.core.histogram import bucket_bounds, percentile


class Period(NamedTuple):
    seconds: int | None  # None: everything
    finest: int  # the level at which it starts; this one's retention must cover it


PERIODS = {
    "5m": Period(5 * 60, TEN_SECONDS),
    "30m": Period(30 * 60, TEN_SECONDS),
    "1h": Period(3600, TEN_SECONDS),
    "6h": Period(6 * 3600, MINUTE),
    "24h": Period(24 * 3600, MINUTE),
    "all": Period(None, DAY),
}


@dataclass(frozen=True)
class Latency:
    avg: float
    min: float
    max: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Summary:
    requests: int
    successes: int
    errors: int
    client_aborts: int
    latency_ms: Latency | None


@dataclass(frozen=True)
class Totals(Summary):
    answered_by_edge: int


@dataclass(frozen=True)
class BackendTraffic(Summary):
    pool: str
    backend: str
    share: float


@dataclass(frozen=True)
class TrafficReport:
    period: str
    since: datetime | None  # the period's start, moved back to the start of a bucket
    totals: Totals
    backends: list[BackendTraffic]


_Name = tuple[str, str]  # pool, backend; "" is the edge's own answers
_EDGE = ""


def traffic(period: str, now: datetime, pool: str = "", backend: str = "") -> TrafficReport:
    """The traffic of one of `PERIODS` that ends now, of one pool or backend if named."""
    seconds, finest = PERIODS[period]
    start = 0 if seconds is None else floor(int(now.timestamp()) - seconds, finest)
    counted = _count(segments(start, finest), pool)
    reached = sum(_answered(sums) for name, sums in counted.items() if name[1] != _EDGE)
    if backend:
        counted = {name: sums for name, sums in counted.items() if name[1] == backend}
    return TrafficReport(
        period=period,
        since=datetime.fromtimestamp(start, UTC) if seconds is not None else None,
        totals=_totals(counted),
        backends=[
            BackendTraffic(
                pool=name[0],
                backend=name[1],
                share=round(_answered(sums) / reached, 6) if reached else 0.0,
                **_summary(sums),
            )
            for name, sums in sorted(counted.items())
            if name[1] != _EDGE
        ],
    )


def pool_names() -> list[str]:
    """All that a report can be about: configured, or seen before."""
    seen = TrafficSeries.objects.exclude(pool="").values_list("pool", flat=True)
    return sorted({*Pool.objects.values_list("name", flat=True), *seen.distinct()})


def backend_names(pool: str = "") -> list[str]:
    """The same for the backends, of one pool if named."""
    seen = TrafficSeries.objects.exclude(backend="")
    configured = Backend.objects.all()
    if pool:
        seen, configured = seen.filter(pool=pool), configured.filter(pool__name=pool)
    names = configured.values_list("name", flat=True)
    return sorted({*names, *seen.values_list("backend", flat=True).distinct()})


def _count(stretch: list[Segment], pool: str) -> dict[_Name, Counters]:
    wanted = Q()
    for segment in stretch:
        wanted |= _within(segment)
    rows = TrafficRollup.objects.filter(wanted)
    if pool:
        rows = rows.filter(series__pool=pool)
    counted: dict[_Name, Counters] = defaultdict(Counters)
    names = ("series__pool", "series__backend")
    for name_of_pool, name, *values in rows.order_by().values_list(*names, *COUNTERS).iterator():
        counted[name_of_pool, name].add(read_counters(values))
    return counted


def _within(segment: Segment) -> Q:
    found = Q(step=segment.step, at__gte=datetime.fromtimestamp(segment.start, UTC))
    if segment.end is not None:
        found &= Q(at__lt=datetime.fromtimestamp(segment.end, UTC))
    return found


def _answered(counters: Counters) -> int:
    return counters.requests - counters.client_aborts


def _totals(counted: dict[_Name, Counters]) -> Totals:
    total = Counters()
    by_edge = 0
    for (_, backend), sums in counted.items():
        total.add(sums)
        if backend == _EDGE:
            by_edge += _answered(sums)
    return Totals(answered_by_edge=by_edge, **_summary(total))


class _SummaryFields(TypedDict):
    requests: int
    successes: int
    errors: int
    client_aborts: int
    latency_ms: Latency | None


def _summary(counters: Counters) -> _SummaryFields:
    requests, errors = _answered(counters), counters.status_5xx
    return {
        "requests": requests,
        "successes": requests - errors,
        "errors": errors,
        "client_aborts": counters.client_aborts,
        "latency_ms": _latency(counters),
    }


def _latency(counters: Counters) -> Latency | None:
    times = counters.total
    counts = times.histogram
    measured = sum(counts.values())
    if not measured:
        return None
    # An edge that was killed leaves its counts behind, but not always its extremes.
    low = times.min or bucket_bounds(min(counts))[0]
    high = times.max or bucket_bounds(max(counts))[1]

    def quantile(q: float) -> float:
        # The estimate is a bucket's middle; no answer took less or more than was measured.
        return _ms(min(max(percentile(counts, q) or 0, low), high))

    return Latency(
        avg=_ms(times.sum / measured),
        min=_ms(low),
        max=_ms(high),
        p50=quantile(0.5),
        p95=quantile(0.95),
        p99=quantile(0.99),
    )


def _ms(us: float) -> float:
    return round(us / 1000, 3)
