"""Where most requests went wrong, by host and path."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from django.db.models import Count, Max, Q, QuerySet, Sum

from analytics.requests.models import RequestRecord, RequestsLeftOut
from proxy.errors import Cause

if TYPE_CHECKING:
    from analytics.reports.span import Span

# The client's own decision; and what was answered in the end, if only at the second try.
_NO_ERRORS = (Cause.CLIENT_ABORT, Cause.COMPLETE)
_SERVER_ERROR = 500  # and above

_Place = tuple[str, str]  # host and path


@dataclass(frozen=True)
class PathErrors:
    """`share`, from 0 to 1, is of all errors that were noted. `statuses` and `causes` count."""

    host: str
    path: str
    count: int
    share: float
    last_seen: datetime
    statuses: dict[str, int]
    causes: dict[str, int]


@dataclass(frozen=True)
class TopErrorPaths:
    """Errors are answers with a status of 500 or more, answers that were cut short, and
    requests that the edge refused. `noted` of them are known by path; `left_out` were too
    many at once, and are in the same proportions.
    """

    noted: int
    left_out: int
    paths: list[PathErrors]


def top_error_paths(
    span: "Span",
    pool: str | None = None,
    limit: int = 20,
    among: Q = Q(),  # noqa: B008 - immutable
) -> TopErrorPaths:
    """`pool`: only of this one. `among`: of which requests; what was left out, nobody knows of."""
    noted_errors = RequestRecord.objects.filter(among, _is_error(), notable=True)
    errors = _during(noted_errors, span, pool)
    left_out = _during(RequestsLeftOut.objects.all(), span, pool)
    noted = errors.count()
    places = errors.order_by().values_list("host", "path")
    counts = places.annotate(count=Count("key"), last_seen=Max("at"))
    top = list(counts.order_by("-count", "-last_seen")[:limit])
    statuses, causes = _parts(errors, [(host, path) for host, path, *_ in top])
    return TopErrorPaths(
        noted=noted,
        left_out=left_out.aggregate(sum=Sum("count"))["sum"] or 0,
        paths=[
            PathErrors(
                host,
                path,
                count,
                share=count / noted,
                last_seen=last_seen.astimezone(span.zone),
                statuses=dict(statuses[host, path].most_common()),
                causes=dict(causes[host, path].most_common()),
            )
            for host, path, count, last_seen in top
        ],
    )


def _is_error() -> Q:
    return Q(status__gte=_SERVER_ERROR) | ~Q(cause__in=_NO_ERRORS)


def _during(rows: "QuerySet", span: "Span", pool: str | None) -> "QuerySet":
    rows = rows.filter(at__gte=span.at(span.start))
    if not span.running:
        rows = rows.filter(at__lt=span.until)
    return rows if pool is None else rows.filter(pool=pool)


def _parts(
    errors: "QuerySet", places: list[_Place]
) -> tuple[dict[_Place, Counter[str]], dict[_Place, Counter[str]]]:
    statuses: dict[_Place, Counter[str]] = defaultdict(Counter)
    causes: dict[_Place, Counter[str]] = defaultdict(Counter)
    if places:
        there = reduce(or_, (Q(host=host, path=path) for host, path in places))
        rows = errors.filter(there).order_by().values_list("host", "path", "status", "cause")
        for host, path, status, cause, count in rows.annotate(count=Count("key")):
            statuses[host, path][str(status)] += count
            causes[host, path][cause] += count
    return statuses, causes
