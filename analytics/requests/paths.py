"""Where most requests went wrong, by host and path."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import nlargest
from typing import TYPE_CHECKING

from django.db.models import Count, Max, Q, QuerySet, Sum

from analytics.requests.models import RequestRecord, RequestsLeftOut
from proxy.errors import Cause

if TYPE_CHECKING:
    from analytics.reports.span import Span

# The client's own decision; and what was answered in the end, if only at the second try.
_NO_ERRORS = (Cause.CLIENT_ABORT, Cause.COMPLETE)
_SERVER_ERROR = 500  # and above

_NEVER = datetime.min.replace(tzinfo=UTC)


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


class _Place:
    """What went wrong at one host and path."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        self.last_seen = _NEVER

    @property
    def count(self) -> int:
        return self.statuses.total()


def top_error_paths(
    span: "Span",
    pool: str | None = None,
    limit: int = 20,
    among: Q = Q(),  # noqa: B008 - immutable
) -> TopErrorPaths:
    """`pool`: only of this one. `among`: of which requests; what was left out, nobody knows of."""
    errors = _during(RequestRecord.objects.filter(among, _is_error(), notable=True), span, pool)
    left_out = _during(RequestsLeftOut.objects.all(), span, pool)
    places = _places(errors)
    noted = sum(place.count for place in places.values())
    top = nlargest(limit, places.items(), key=lambda item: (item[1].count, item[1].last_seen))
    return TopErrorPaths(
        noted=noted,
        left_out=left_out.aggregate(sum=Sum("count"))["sum"] or 0,
        paths=[
            PathErrors(
                host,
                path,
                count=place.count,
                share=place.count / noted,
                last_seen=place.last_seen.astimezone(span.zone),
                statuses=dict(place.statuses.most_common()),
                causes=dict(place.causes.most_common()),
            )
            for (host, path), place in top
        ],
    )


def _places(errors: "QuerySet") -> dict[tuple[str, str], _Place]:
    """In one pass over the table: asked for the best first, a database needs three."""
    places: dict[tuple[str, str], _Place] = defaultdict(_Place)
    kinds = errors.order_by().values_list("host", "path", "status", "cause")
    for host, path, status, cause, count, last in kinds.annotate(Count("key"), Max("at")):
        place = places[host, path]
        place.statuses[str(status)] += count
        place.causes[cause] += count
        place.last_seen = max(place.last_seen, last)
    return places


def _is_error() -> Q:
    return Q(status__gte=_SERVER_ERROR) | ~Q(cause__in=_NO_ERRORS)


def _during(rows: "QuerySet", span: "Span", pool: str | None) -> "QuerySet":
    rows = rows.filter(at__gte=span.at(span.start))
    if not span.running:
        rows = rows.filter(at__lt=span.until)
    return rows if pool is None else rows.filter(pool=pool)
