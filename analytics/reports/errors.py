"""What went wrong: by class of status, and by cause.

Classes are those of answers, and so of requests. Causes of the backends are those of
*tries*: a request that was tried again elsewhere and succeeded is no error to its client,
but its first try has failed. Causes of the edge are of requests again.
"""

from dataclasses import dataclass
from datetime import datetime

from analytics.aggregate import Counters
from analytics.reports import rollups
from analytics.reports.bins import AUTO, Bins
from analytics.reports.figures import answered, count, ratio
from analytics.reports.heading import Heading, heading
from analytics.reports.listing import list_backends
from analytics.reports.scope import EVERYWHERE, Scope
from analytics.reports.selection import EVERYTHING, Selection
from analytics.reports.span import Span
from analytics.requests.paths import TopErrorPaths, top_error_paths


@dataclass(frozen=True)
class Causes:
    """Tries that failed: no connection, no answer in time, an answer cut short, none that could
    be used. Requests refused: by a rate limit, by a full queue, for want of a backend.
    """

    connect: int
    timeout: int
    cut: int
    bad_response: int
    rejected_rate_limit: int
    rejected_queue: int
    rejected_no_backend: int


@dataclass(frozen=True)
class Errors:
    """`rate` is the part, from 0 to 1, of `requests` with a status of 500 or more, and
    `rate_4xx` that of 400 to 499. `tries_failed` is the sum of the backends' causes.
    """

    requests: int
    errors: int
    rate: float
    status_4xx: int
    rate_4xx: float
    client_aborts: int
    retries: int
    tries_failed: int
    causes: Causes


@dataclass(frozen=True)
class ErrorTotals(Errors):
    """`by_edge`: errors (500 or more) of requests that reached no backend."""

    by_edge: int


@dataclass(frozen=True)
class BackendErrors(Errors):
    pool: str
    backend: str


@dataclass(frozen=True)
class ErrorPoint(Errors):
    """`seconds` of the step that are within the span."""

    at: datetime
    seconds: int


@dataclass(frozen=True)
class ErrorsReport(Heading):
    """`top_paths` of the requests that were noted one by one: of the newest, if there were many."""

    totals: ErrorTotals
    backend_count: int
    backends: list[BackendErrors]
    series: list[ErrorPoint] | None
    top_paths: TopErrorPaths


def errors_report(
    span: Span,
    scope: Scope = EVERYWHERE,
    step: str | None = AUTO,
    selection: Selection = EVERYTHING,
) -> ErrorsReport:
    """`step` None: without a series. BadParameter for a step that is not to be had."""
    bins = rollups.cut_span(span, scope, step) if step else None
    listing = list_backends(span.segments(), scope, selection, rank=_failures)
    backends = [
        BackendErrors(**vars(_errors(sums)), pool=name.pool, backend=name.backend)
        for name, sums in listing.sums.items()
    ]
    return ErrorsReport(
        **heading(span, bins),
        totals=_totals(span, scope),
        backend_count=listing.count,
        backends=backends,
        series=_series(span, bins, scope) if bins else None,
        top_paths=top_error_paths(span, scope.pool or None, among=scope.of_series()),
    )


def _failures(counters: Counters) -> int:
    return counters.status_5xx + counters.errors


def _totals(span: Span, scope: Scope) -> ErrorTotals:
    sums = rollups.totals(span.segments(), scope)
    return ErrorTotals(**vars(_errors(sums.whole)), by_edge=sums.by_edge.status_5xx)


def _series(span: Span, bins: Bins, scope: Scope) -> list[ErrorPoint]:
    sums = rollups.series(bins, scope)
    return [
        ErrorPoint(**vars(_errors(one)), at=span.at(start), seconds=end - start)
        for (start, end), one in zip(bins.parts(), sums, strict=True)
    ]


def _errors(counters: Counters) -> Errors:
    counts, requests = count(counters), answered(counters)
    return Errors(
        requests=requests,
        errors=counts["errors"],
        rate=ratio(counts["errors"], requests),
        status_4xx=counts["status_4xx"],
        rate_4xx=ratio(counts["status_4xx"], requests),
        client_aborts=counters.client_aborts,
        retries=counters.retries,
        tries_failed=counters.errors,
        causes=_causes(counters),
    )


def _causes(counters: Counters) -> Causes:
    known = counters.connect_errors + counters.timeouts + counters.cuts
    return Causes(
        connect=counters.connect_errors,
        timeout=counters.timeouts,
        cut=counters.cuts,
        bad_response=max(0, counters.errors - known),
        rejected_rate_limit=counters.rejected_rate_limit,
        rejected_queue=counters.rejected_queue,
        rejected_no_backend=counters.rejected_no_backend,
    )
