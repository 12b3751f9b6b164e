"""Two times side by side, and whether what changed is more than chance.

Requests are compared a second, as the two may not be equally long.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from analytics.aggregate import Counters
from analytics.histograms import counts_of
from analytics.reports import rollups
from analytics.reports.figures import QUANTILES, Latency, answered, latency, ratio
from analytics.reports.heading import Heading, heading
from analytics.reports.rollups import Name
from analytics.reports.scope import EDGE, EVERYWHERE, Scope
from analytics.reports.selection import EVERYTHING, Selection
from analytics.reports.sides import Sides
from analytics.reports.significance import (
    PROPORTIONS,
    RANKS,
    latencies_matter,
    percentiles_differ,
    proportions_differ,
)
from analytics.reports.span import Span

_COMPARED = ("p50", "p95", "p99")
_TIMED = ("total",)

BETTER, WORSE, CHANGED = "better", "worse", "changed"
NO_CLEAR_CHANGE, TOO_FEW, NOT_JUDGED = "no clear change", "too few to tell", "not judged"
TOO_SMALL = "too small to matter"


@dataclass(frozen=True)
class Side(Heading):
    seconds: int
    requests: int
    requests_per_second: float
    errors: int
    error_rate: float
    latency_ms: Latency | None


@dataclass(frozen=True)
class Change:
    """`relative` is a part of `before`, null if that is nothing. `judgment` follows from `test`."""

    figure: str
    before: float | None
    after: float | None
    absolute: float | None
    relative: float | None
    judgment: str
    test: str


@dataclass(frozen=True)
class ShareChange(Change):
    """A backend's share of its pool's requests."""

    pool: str
    backend: str


@dataclass(frozen=True)
class ComparisonReport:
    """`revision`: the number of the one before and after which it is, if it is about one."""

    revision: int | None
    notes: tuple[str, ...]
    before: Side
    after: Side
    changes: list[Change]
    backend_count: int
    backends: list[ShareChange]


@dataclass(frozen=True)
class _Measured:
    """`sums` are of all backends, of which a share is a part; the rest of what is in scope."""

    span: Span
    sums: Mapping[Name, Counters]
    total: Counters
    times: Mapping[int, int]

    @classmethod
    def read(cls, span: Span, scope: Scope) -> "_Measured":
        segments = span.segments()
        sums = rollups.sums(segments, rollups.find_backends(scope.all_backends()))
        total = rollups.totals(segments, scope, _TIMED, histograms=True).whole
        return cls(span, sums, total, counts_of(total.total.histogram))

    @property
    def requests(self) -> int:
        return answered(self.total)

    @property
    def per_second(self) -> float:
        return ratio(self.requests, self.span.seconds)

    @property
    def error_rate(self) -> float:
        return ratio(self.total.status_5xx, self.requests)

    @property
    def latency(self) -> Latency | None:
        return latency(self.total.total)

    def side(self) -> Side:
        return Side(
            **heading(self.span),
            seconds=self.span.seconds,
            requests=self.requests,
            requests_per_second=self.per_second,
            errors=self.total.status_5xx,
            error_rate=self.error_rate,
            latency_ms=self.latency,
        )

    def reached(self, name: Name) -> tuple[int, int]:
        """The requests of one backend, and of its pool's backends together."""
        own = self.sums.get(name)
        return answered(own) if own else 0, self._of_pools.get(name.pool, 0)

    @cached_property
    def _of_pools(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for name, one in self.sums.items():
            if name.backend != EDGE:
                found[name.pool] = found.get(name.pool, 0) + answered(one)
        return found


def comparison_report(
    sides: Sides,
    scope: Scope = EVERYWHERE,
    selection: Selection = EVERYTHING,
) -> ComparisonReport:
    a, b = (_Measured.read(span, scope) for span in (sides.before, sides.after))
    names = {name for name in (*a.sums, *b.sums) if scope.backend in ("", name.backend)}
    shares = [_share(name, a, b) for name in sorted(names) if name.backend != EDGE]
    return ComparisonReport(
        revision=sides.revision,
        notes=sides.notes,
        before=a.side(),
        after=b.side(),
        changes=[_requests(a, b), _error_rate(a, b), *(_percentile(q, a, b) for q in _COMPARED)],
        backend_count=len(shares),
        backends=selection.of(shares, lambda one: abs(one.absolute or 0)),
    )


def _requests(a: _Measured, b: _Measured) -> Change:
    fields = _difference(a.per_second, b.per_second)
    return Change(figure="requests_per_second", **fields, judgment=NOT_JUDGED, test="")


def _error_rate(a: _Measured, b: _Measured) -> Change:
    differ = proportions_differ(a.total.status_5xx, a.requests, b.total.status_5xx, b.requests)
    return Change(
        figure="error_rate",
        **_difference(a.error_rate, b.error_rate),
        judgment=_judge(differ, worse=b.error_rate > a.error_rate),
        test=PROPORTIONS,
    )


def _percentile(name: str, a: _Measured, b: _Measured) -> Change:
    before, after = (getattr(one.latency, name, None) for one in (a, b))
    differ = percentiles_differ(a.times, b.times, QUANTILES[name])
    judgment = _judge(differ, worse=(after or 0) > (before or 0))
    if differ and not latencies_matter(before or 0, after or 0):
        judgment = TOO_SMALL
    return Change(figure=f"{name}_ms", **_difference(before, after), judgment=judgment, test=RANKS)


def _share(name: Name, a: _Measured, b: _Measured) -> ShareChange:
    (own_a, all_a), (own_b, all_b) = a.reached(name), b.reached(name)
    differ = proportions_differ(own_a, all_a, own_b, all_b)
    judgment = TOO_FEW if differ is None else CHANGED if differ else NO_CLEAR_CHANGE
    return ShareChange(
        figure="share",
        **_difference(ratio(own_a, all_a), ratio(own_b, all_b)),
        judgment=judgment,
        test=PROPORTIONS,
        pool=name.pool,
        backend=name.backend,
    )


def _difference(before: float | None, after: float | None) -> dict[str, float | None]:
    absolute = None if before is None or after is None else round(after - before, 6)
    relative = ratio(absolute, before) if before and absolute is not None else None
    return {"before": before, "after": after, "absolute": absolute, "relative": relative}


def _judge(differ: bool | None, *, worse: bool) -> str:
    if differ is None:
        return TOO_FEW
    if not differ:
        return NO_CLEAR_CHANGE
    return WORSE if worse else BETTER
