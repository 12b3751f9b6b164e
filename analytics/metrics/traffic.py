"""Totals → counters."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric

from analytics.aggregate import Counters
from analytics.histograms import counts_of
from analytics.metrics.totals import EDGE, Name, Totals
from proxy.core.histogram import bucket_index

_BACKEND = ("pool", "backend")
_CODES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_CAUSES = {"connect": "connect_errors", "timeout": "timeouts", "cut": "cuts"}
_REASONS = {
    "rate_limit": "rejected_rate_limit",
    "queue": "rejected_queue",
    "no_backend": "rejected_no_backend",
}
# Powers of two in microseconds, from 0.26 ms to 34 s: boundaries that the histograms of the
# edges have as well, so that no count is a guess.
_BOUNDS = [1 << bits for bits in range(8, 26)]
_FIRST_ABOVE = [bucket_index(bound) for bound in _BOUNDS]
_LE = [*(str(bound / 1_000_000) for bound in _BOUNDS), "+Inf"]


def traffic_metrics(totals: Totals) -> Iterator[Metric]:
    yield _requests(totals)
    yield _durations(totals)
    yield _errors(totals)
    yield _rejected(totals)
    for field, name, words in (
        ("retries", "lb_retries", "Requests that came here after another backend had failed."),
        ("hedges", "lb_hedges", "Requests that came here because another backend was slow."),
        ("client_aborts", "lb_client_aborts", "Requests whose client went away first (499)."),
        ("bytes_in", "lb_request_bytes", "Bytes that clients sent, heads included."),
        ("bytes_out", "lb_response_bytes", "Bytes that clients got, heads included."),
    ):
        family = CounterMetricFamily(name, words, labels=_BACKEND)
        for labels, sums in totals.items():
            family.add_metric(labels, getattr(sums, field))
        yield family


def _requests(totals: Totals) -> Metric:
    family = CounterMetricFamily(
        "lb_requests",
        "Requests by the class of their status; backend is empty where none was reached, and "
        "pool where no route matched.",
        labels=(*_BACKEND, "code"),
    )
    for labels, sums in totals.items():
        for code in _CODES:
            family.add_metric((*labels, code), getattr(sums, f"status_{code}"))
    return family


def _durations(totals: Totals) -> Metric:
    family = HistogramMetricFamily(
        "lb_request_duration_seconds",
        "From a request's first byte to its response's last.",
        labels=_BACKEND,
    )
    for labels, sums in totals.items():
        buckets = list(zip(_LE, cumulated(counts_of(sums.total.histogram)), strict=True))
        family.add_metric(labels, buckets, sums.total.sum / 1_000_000)
    return family


def cumulated(histogram: Mapping[int, int]) -> list[int]:
    """How many were shorter than each bound, and how many there are."""
    counts = [0] * (len(_BOUNDS) + 1)
    for index, count in histogram.items():
        counts[bisect_right(_FIRST_ABOVE, index)] += count
    return list(accumulate(counts))


def _errors(totals: Totals) -> Metric:
    family = CounterMetricFamily(
        "lb_errors",
        "Tries in which a backend gave no usable response; cause is connect, timeout, cut "
        "(a response that ended early) or other.",
        labels=(*_BACKEND, "cause"),
    )
    for labels, sums in totals.items():
        if labels.backend == EDGE:
            continue
        causes = {cause: getattr(sums, field) for cause, field in _CAUSES.items()}
        causes["other"] = max(0, sums.errors - sum(causes.values()))
        for cause, count in causes.items():
            family.add_metric((*labels, cause), count)
    return family


def _rejected(totals: Totals) -> Metric:
    family = CounterMetricFamily(
        "lb_rejected",
        "Requests that the edge refused: for a route's rate limit, because the queue was full or "
        "the wait in it too long, or because no backend could serve.",
        labels=("pool", "reason"),
    )
    for labels, sums in _edges_own(totals):
        for reason, field in _REASONS.items():
            family.add_metric((labels.pool, reason), getattr(sums, field))
    return family


def _edges_own(totals: Totals) -> Iterator[tuple[Name, Counters]]:
    """What edges have answered themselves; without a route nothing is refused."""
    for name, sums in totals.items():
        if name.pool and name.backend == EDGE:
            yield name, sums
