"""How much of the time backends and pools could serve, and what that leaves of a target.

Uptime is what the probes say: percent of the time in which somebody knew. Outages are read
from the timeline: one lasts until probes pass again. A pool is available while one of its
present backends is: not found unhealthy, and neither drained nor in maintenance; its time
begins with the first of these backends, and what is known of it is what is known of the
backend of which most is. Circuits and ejections, which depend on the traffic, are no part
of this; what they cost is in the other measure, the answers with a status of 500 or more.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean

from analytics.aggregate import Counters, sum_of
from analytics.reports import rollups
from analytics.reports.budget import Budget, budget
from analytics.reports.figures import answered
from analytics.reports.heading import Heading, heading
from analytics.reports.rollups import Name, Part
from analytics.reports.scope import EDGE, EVERYWHERE, Scope
from analytics.reports.selection import EVERYTHING, Selection
from analytics.reports.span import Span
from analytics.reports.strips import Strip, cut_cells, fill
from pool.history.outages import Cells, Interval, common, intervals, is_down, is_out, seconds_in
from pool.history.spans import Known, Uptimes, read_uptimes
from pool.history.timeline import Course, read_courses
from pool.models import Backend

TARGET = 99.9


@dataclass(frozen=True)
class Availability:
    """`uptime` in percent, None if nobody knows; times in seconds. `outages` touch the span,
    `flaps` began in it, `ongoing`: one had not ended then. `mttr`: mean time to repair, of
    those that ended in it, and `longest` is that of any, with what they lasted before the
    span. `availability`: percent of the requests that were no errors, None without any.
    """

    uptime: float | None
    downtime: float
    unknown: float
    outages: int
    flaps: int
    ongoing: bool
    mttr: float | None
    longest: float | None
    time_budget: Budget
    requests: int
    errors: int
    availability: float | None
    request_budget: Budget


@dataclass(frozen=True)
class BackendAvailability(Availability):
    pool: str
    backend: str


@dataclass(frozen=True)
class PoolAvailability(Availability):
    """`requests` and `errors` are those of the pool, the edge's own answers among them."""

    pool: str
    backends: int


@dataclass(frozen=True)
class AvailabilityReport(Heading):
    """`pools`: none if the report is about backends of one name. `strips`: of the pools, and of
    the backends that are told if the report is about one pool.
    """

    target: float
    pools: list[PoolAvailability]
    backend_count: int
    backends: list[BackendAvailability]
    strips: list[Strip]


def availability_report(
    span: Span,
    now: datetime,
    scope: Scope = EVERYWHERE,
    target: float = TARGET,
    selection: Selection = EVERYTHING,
) -> AvailabilityReport:
    """Of what is configured now. `target`: percent, below 100; `now` is that of the span."""
    reading = _read(span, now, scope)
    segments = span.segments()
    pools = []
    if not scope.backend:
        pools = _pools(reading, rollups.sums_of_pools(segments, scope), target)
    sums = rollups.sums(segments, rollups.find_backends(scope))
    backends = _backends(reading, sums, target)
    shown = selection.of(backends, lambda one: one.downtime)
    return AvailabilityReport(
        **heading(span),
        target=target,
        pools=pools,
        backend_count=len(backends),
        backends=shown,
        strips=_strips(reading, span, {one.backend for one in shown} if scope.pool else set()),
    )


@dataclass(frozen=True)
class _Reading:
    """What is known of the backends from `start` to `end`, in Unix seconds."""

    start: float
    end: float
    members: dict[str, list[Backend]]  # by the pool's name
    uptimes: Uptimes
    courses: dict[int, Course]
    whole_pools: bool

    def down(self, backend: Backend) -> list[Interval]:
        course = self.courses[backend.pk]
        return intervals(course.first, course.changes, self.end, is_down)

    def out(self, members: Sequence[Backend]) -> list[Interval]:
        """When all of them were, from the first one's making on."""
        begun = self.begun(members)
        found = []
        for backend in members:
            course = self.courses[backend.pk]
            out = intervals(course.first, course.changes, self.end, is_out)
            made = backend.created_at.timestamp()
            found.append([Interval(begun, made), *out] if made > begun else out)
        return common(found)

    def begun(self, members: Sequence[Backend]) -> float:
        return max(self.start, min(backend.created_at.timestamp() for backend in members))


def _read(span: Span, now: datetime, scope: Scope) -> _Reading:
    rows = Backend.objects.select_related("pool").order_by("pool__name", "name")
    for column, value in (("pool__name", scope.pool), ("name", scope.backend)):
        rows = rows.filter(**{column: value}) if value else rows
    backends = list(rows)
    end = min(span.end, now.timestamp())
    first = min((backend.created_at.timestamp() for backend in backends), default=end)
    start = min(span.start or first, end)
    since, until = (datetime.fromtimestamp(at, UTC) for at in (start, end))
    members: dict[str, list[Backend]] = defaultdict(list)
    for backend in backends:
        members[backend.pool.name].append(backend)
    return _Reading(
        start=start,
        end=end,
        members=members,
        uptimes=read_uptimes(backends, since, until, now),
        courses=read_courses(backends, since, until),
        whole_pools=not scope.backend,
    )


def _backends(
    reading: _Reading, requests: dict[Name, Counters], target: float
) -> list[BackendAvailability]:
    tallies = reading.uptimes.tallies()
    found = []
    for pool, members in reading.members.items():
        for backend in members:
            tally = tallies[backend.pk]
            sums = requests.get(Name(pool, backend.name), Counters())
            outages = reading.down(backend)
            own = _measure(reading, outages, tally.known, tally.down, sums, target)
            found.append(BackendAvailability(**vars(own), pool=pool, backend=backend.name))
    return found


def _pools(
    reading: _Reading, requests: dict[Part, Counters], target: float
) -> list[PoolAvailability]:
    known: dict[int, float] = defaultdict(float)
    for one in reading.uptimes.known_of_pools():
        known[one.id] += one.seconds
    found = []
    for pool, members in reading.members.items():
        outages = reading.out(members)
        seen = known[members[0].pool_id]
        lost = min(seen, seconds_in(outages, reading.start, reading.end))
        sums = sum_of([sums for part, sums in requests.items() if part.pool == pool])
        whole = _measure(reading, outages, seen, lost, sums, target)
        found.append(PoolAvailability(**vars(whole), pool=pool, backends=len(members)))
    return found


def _measure(
    reading: _Reading,
    outages: Sequence[Interval],
    known: float,
    down: float,
    sums: Counters,
    target: float,
) -> Availability:
    requests, errors = answered(sums), sums.status_5xx
    repaired = [one.length for one in outages if one.over]
    return Availability(
        uptime=_percent(known - down, known),
        downtime=round(down, 3),
        unknown=round(max(0.0, reading.end - reading.start - known), 3),
        outages=len(outages),
        flaps=sum(one.start >= reading.start for one in outages),
        ongoing=any(not one.over for one in outages),
        mttr=round(fmean(repaired), 3) if repaired else None,
        longest=round(max(one.length for one in outages), 3) if outages else None,
        time_budget=budget(target, down, known),
        requests=requests,
        errors=errors,
        availability=_percent(requests - errors, requests),
        request_budget=budget(target, errors, requests),
    )


def _percent(part: float, whole: float) -> float | None:
    """To five places: a target of five nines is told apart from what misses it."""
    return round(100 * part / whole, 5) if whole > 0 else None


def _strips(reading: _Reading, span: Span, shown: set[str]) -> list[Strip]:
    cells = cut_cells(reading.start, reading.end)
    strips = []
    if reading.whole_pools:
        known = _by_id(reading.uptimes.known_of_pools())
        for pool, members in reading.members.items():
            of_pool = known[members[0].pool_id]
            strips.append(_strip(span, cells, (pool, EDGE), reading.out(members), of_pool))
    told = [one for members in reading.members.values() for one in members if one.name in shown]
    known = _by_id(reading.uptimes.known_of(backend.pk for backend in told))
    for backend in told:
        name = (backend.pool.name, backend.name)
        strips.append(_strip(span, cells, name, reading.down(backend), known[backend.pk]))
    return strips


def _by_id(known: Iterable[Known]) -> dict[int, list[Known]]:
    found: dict[int, list[Known]] = defaultdict(list)
    for one in known:
        found[one.id].append(one)
    return found


def _strip(
    span: Span,
    cells: Cells,
    name: tuple[str, str],
    outages: Iterable[Interval],
    known: Iterable[Known],
) -> Strip:
    uptime, down = fill(cells, outages, known)
    pool, backend = name
    start, step = span.at(int(cells.start)), int(cells.width)
    return Strip(pool, backend, start, step, uptime, down)
