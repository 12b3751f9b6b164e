"""Which of a report's figures a terminal shows, and what they are called there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from analytics.terminal import cells


@dataclass(frozen=True)
class Column:
    """`path`: to the value in a row, with dots."""

    heading: str
    path: str
    shown: Callable[[Any], str] = cells.number
    right: bool = True


@dataclass(frozen=True)
class Section:
    title: str
    rows: Callable[[Any], Iterable[Any]]
    columns: tuple[Column, ...]


def _words(heading: str, path: str) -> Column:
    return Column(heading, path, cells.text, right=False)


def _times(path: str, *names: str, prefix: str = "") -> tuple[Column, ...]:
    return tuple(Column(f"{prefix}{name} ms", f"{path}.{name}", cells.ms) for name in names)


_BACKEND = (_words("pool", "pool"), _words("backend", "backend"))
_AT = Column("from", "at", cells.moment, right=False)
_REQUESTS = Column("requests", "requests")
_ERRORS = Column("errors", "errors")
_LATENCY = _times("latency_ms", "avg", "p50", "p95", "p99", "max")
_CLASSES = tuple(Column(name, f"status_{name}") for name in ("2xx", "3xx", "4xx", "5xx"))
_COUNTS = (
    _REQUESTS,
    _ERRORS,
    Column("aborted", "client_aborts"),
    Column("retries", "retries"),
    Column("rejected", "rejected"),
)
_FAILURES = (
    _REQUESTS,
    _ERRORS,
    Column("rate", "rate", cells.rate),
    Column("4xx", "rate_4xx", cells.rate),
    Column("connect", "causes.connect"),
    Column("timeout", "causes.timeout"),
    Column("cut", "causes.cut"),
    Column("bad", "causes.bad_response"),
    Column("rate limit", "causes.rejected_rate_limit"),
    Column("queue", "causes.rejected_queue"),
    Column("no backend", "causes.rejected_no_backend"),
)
_TIMES = (
    _REQUESTS,
    *_times("total", "avg", "p50", "p90", "p95", "p99", "p999", "max"),
    *_times("first_byte", "p50", "p99", prefix="first byte "),
)
_AVAILABILITY = (
    Column("uptime", "uptime", cells.percent),
    Column("down", "downtime", cells.length),
    Column("outages", "outages"),
    Column("to repair", "mttr", cells.length),
    Column("longest", "longest", cells.length),
    Column("time budget left", "time_budget.left_percent", cells.percent),
    Column("burn", "time_budget.burn_rate"),
    Column("requests ok", "availability", cells.percent),
    Column("request budget left", "request_budget.left_percent", cells.percent),
    Column("burn", "request_budget.burn_rate"),
)
_CHANGE = (_words("figure", "figure"), *(Column(name, name) for name in ("before", "after")))
_JUDGED = (Column("change", "relative", cells.signed), _words("judgment", "judgment"))


def _all_of(name: str) -> Callable[[Any], Iterable[Any]]:
    return lambda report: getattr(report, name) or ()


def _totals(report: Any) -> Iterable[Any]:
    return (report.totals,)


LAYOUTS: dict[str, tuple[Section, ...]] = {
    "traffic": (
        Section(
            "All",
            _totals,
            (*_COUNTS, Column("by the edge", "answered_by_edge"), *_LATENCY),
        ),
        Section(
            "Backends",
            _all_of("backends"),
            (*_BACKEND, Column("share", "share", cells.share), *_COUNTS, *_LATENCY),
        ),
        Section(
            "Over time",
            _all_of("series"),
            (
                _AT,
                _REQUESTS,
                *_CLASSES,
                Column("avg ms", "avg_ms", cells.ms),
                Column("max ms", "max_ms", cells.ms),
            ),
        ),
    ),
    "latency": (
        Section("All", _totals, _TIMES),
        Section("Backends", _all_of("backends"), (*_BACKEND, *_TIMES)),
        Section("Over time", _all_of("series"), (_AT, _REQUESTS, *_LATENCY)),
    ),
    "errors": (
        Section("All", _totals, _FAILURES),
        Section("Backends", _all_of("backends"), (*_BACKEND, *_FAILURES)),
        Section("Over time", _all_of("series"), (_AT, *_FAILURES)),
    ),
    "distribution": (
        Section(
            "Backends",
            _all_of("backends"),
            (
                *_BACKEND,
                _REQUESTS,
                Column("planned", "planned", cells.share),
                Column("share", "share", cells.share),
                Column("deviation", "deviation", cells.signed),
                _words("", "words"),
            ),
        ),
    ),
    "availability": (
        Section("Pools", _all_of("pools"), (_words("pool", "pool"), *_AVAILABILITY)),
        Section("Backends", _all_of("backends"), (*_BACKEND, *_AVAILABILITY)),
    ),
    "compare": (
        Section("What changed", _all_of("changes"), (*_CHANGE, *_JUDGED)),
        Section(
            "Shares",
            _all_of("backends"),
            (
                *_BACKEND,
                Column("before", "before", cells.share),
                Column("after", "after", cells.share),
                *_JUDGED,
            ),
        ),
    ),
    "requests": (
        Section(
            "Newest requests",
            _all_of("requests"),
            (
                Column("at", "at", cells.moment, right=False),
                Column("status", "status", cells.text),
                _words("method", "method"),
                _words("host", "host"),
                _words("path", "path"),
                *_BACKEND,
                Column("tries", "attempts"),
                Column("ms", "total_ms", cells.ms),
                _words("cause", "cause"),
                _words("request id", "request_id"),
            ),
        ),
    ),
}
