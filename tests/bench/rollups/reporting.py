"""How long the reports of a day take, with a year in the database."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter

from analytics.reports.latency import latency_report
from analytics.reports.scope import Scope
from analytics.reports.selection import Selection
from analytics.reports.span import Clock
from analytics.reports.traffic import traffic_report

ROUNDS = 7


def measure(now: int) -> dict[str, float]:
    """Seconds, the median of some rounds."""
    span = Clock.read(now=datetime.fromtimestamp(now, UTC)).last("24h")
    pool, page = Scope(pool="pool-1"), Selection(limit=100)
    reports: dict[str, Callable[[], object]] = {
        "traffic of a pool": lambda: traffic_report(span, pool, None),
        "traffic of a pool, with a series": lambda: traffic_report(span, pool, "5m"),
        "traffic of everything, a page": lambda: traffic_report(span, Scope(), None, page),
        "traffic of everything, a page, with a series": lambda: traffic_report(
            span, Scope(), "5m", page
        ),
        "latencies of everything, a page, with a series": lambda: latency_report(
            span, Scope(), selection=page
        ),
        "traffic of everything, sums of all": lambda: traffic_report(
            span, Scope(), None, percentiles=False
        ),
        "traffic of everything, percentiles of all": lambda: traffic_report(span, Scope(), None),
    }
    return {name: _median(report) for name, report in reports.items()}


def _median(report: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = perf_counter()
        report()
        times.append(perf_counter() - began)
    return sorted(times)[ROUNDS // 2]
