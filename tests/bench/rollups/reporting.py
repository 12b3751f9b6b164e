"""How long the reports of a day take, with a year in the database."""

from collections.abc import Callable
from time import perf_counter

from analytics.reports.scope import Scope
from analytics.reports.span import Clock
from analytics.reports.traffic import traffic_report

ROUNDS = 7


def measure() -> dict[str, float]:
    """Seconds, the median of some rounds."""
    span = Clock.read().last("24h")
    pool = Scope(pool="pool-1")
    reports: dict[str, Callable[[], object]] = {
        "one pool of twenty": lambda: traffic_report(span, pool, None),
        "one pool, with its series": lambda: traffic_report(span, pool),
        "everything, without percentiles": lambda: traffic_report(
            span, Scope(), None, percentiles=False
        ),
        "everything, with those of each backend": lambda: traffic_report(span, Scope(), None),
    }
    return {name: _median(report) for name, report in reports.items()}


def _median(report: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = perf_counter()
        report()
        times.append(perf_counter() - began)
    return sorted(times)[ROUNDS // 2]
