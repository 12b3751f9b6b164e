"""Who got what share of a pool's requests, beside what was planned, and why they differ."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analytics.aggregate import Counters
from analytics.reports import rollups
from analytics.reports.absences import Absence, read_absences
from analytics.reports.bins import AUTO
from analytics.reports.deviation import Circumstances, Member, Reason, reasons_for
from analytics.reports.figures import answered, ratio
from analytics.reports.heading import Heading, heading
from analytics.reports.plan import planned_shares, read_plan, weight_changes
from analytics.reports.rollups import Name
from analytics.reports.scope import EDGE, EVERYWHERE, Scope
from analytics.reports.selection import EVERYTHING, Selection
from analytics.reports.significance import tolerance
from analytics.reports.span import Span
from pool.models import Backend

AS_PLANNED, TOO_FEW = "as planned", "too few requests to tell"
EXPLAINED, UNEXPLAINED = "explained", "unexplained"


@dataclass(frozen=True)
class BackendShare:
    """`share` and `planned` are parts, from 0 to 1, of the requests of its pool that reached a
    backend; `deviation` is their difference, and `tolerance` what chance alone may make of it.
    """

    pool: str
    backend: str
    requests: int
    share: float
    planned: float
    deviation: float
    tolerance: float
    verdict: str
    reasons: list[Reason]
    words: str


@dataclass(frozen=True)
class DistributionReport(Heading):
    """`requests` that reached a backend."""

    requests: int
    backend_count: int
    backends: list[BackendShare]


def distribution_report(
    span: Span,
    scope: Scope = EVERYWHERE,
    selection: Selection = EVERYTHING,
) -> DistributionReport:
    members = _read_members(span, scope.all_backends())
    told = []
    for pool in members.values():
        requests = sum(answered(one.sums) for one in pool)
        away = [one for one in pool if any(one.absence.seconds.values())]
        around = Circumstances(span.seconds, span.zone, away)
        told += [
            _tell(one, requests, reasons_for(one, around))
            for one in pool
            if scope.backend in ("", one.name.backend)
        ]
    return DistributionReport(
        **heading(span),
        requests=sum(one.requests for one in told),
        backend_count=len(told),
        backends=selection.of(told, lambda one: abs(one.deviation)),
    )


def _read_members(span: Span, scope: Scope) -> dict[str, list[Member]]:
    """By pool, all that was configured or had requests, sorted by name."""
    bins = rollups.cut_span(span, scope, AUTO)
    start = bins.edges[0]  # of everything, where it begins
    sums = rollups.sums(span.segments(), rollups.find_backends(scope))
    plan = read_plan(span, start)
    # Of one plan all the time, it does not matter how the requests were spread over it.
    requests = rollups.requests_of_pools(bins, scope) if len(plan) > 1 else {}
    planned = planned_shares(plan, bins, requests)
    changes = weight_changes(plan)
    backends = _configured(scope)
    absences = read_absences([one.pk for one in backends.values()], span, start)
    reached = _of_pools(sums)
    members: dict[str, list[Member]] = defaultdict(list)
    for name in _names(scope, sums, planned):
        backend = backends.get(name)
        own = sums.get(name, Counters())
        member = Member(
            name=name,
            sums=own,
            planned=planned.get(name, 0.0),
            share=ratio(answered(own), reached.get(name.pool, 0)),
            backend=backend,
            absence=absences.get(backend.pk, Absence()) if backend else Absence(),
            changes=changes.get(name, ()),
        )
        members[name.pool].append(member)
    return members


def _configured(scope: Scope) -> dict[Name, Backend]:
    rows = Backend.objects.select_related("pool", "backup_of")
    if scope.pool:
        rows = rows.filter(pool__name=scope.pool)
    return {Name(one.pool.name, one.name): one for one in rows}


def _names(scope: Scope, *sources: Iterable[Name]) -> list[Name]:
    found = {name for source in sources for name in source if name.backend != EDGE}
    return sorted(name for name in found if scope.pool in ("", name.pool))


def _of_pools(sums: Mapping[Name, Counters]) -> dict[str, int]:
    """The requests that reached a backend of each pool."""
    found: dict[str, int] = defaultdict(int)
    for name, one in sums.items():
        if name.backend != EDGE:
            found[name.pool] += answered(one)
    return dict(found)


def _tell(member: Member, requests: int, reasons: Sequence[Reason]) -> BackendShare:
    deviation = member.share - member.planned
    chance = tolerance(member.planned, requests)
    verdict = _verdict(deviation, chance, member.planned, reasons)
    return BackendShare(
        pool=member.name.pool,
        backend=member.name.backend,
        requests=answered(member.sums),
        share=member.share,
        planned=round(member.planned, 6),
        deviation=round(deviation, 6),
        tolerance=round(chance, 6),
        verdict=verdict,
        reasons=list(reasons),
        words=_words(member, verdict, reasons),
    )


def _verdict(deviation: float, chance: float, planned: float, reasons: Sequence[Reason]) -> str:
    if abs(deviation) > chance:
        return EXPLAINED if reasons else UNEXPLAINED
    # With so few requests it could have had half of its share less, and nobody could tell.
    return TOO_FEW if chance > max(planned, 0.01) / 2 else AS_PLANNED


def _words(member: Member, verdict: str, reasons: Sequence[Reason]) -> str:
    got = f"Got {member.share:.1%} where {member.planned:.1%} was planned"
    if verdict in (AS_PLANNED, TOO_FEW):
        return f"{got}: {verdict}."
    if not reasons:
        return f"{got}: nothing that is known explains it."
    return f"{got}. {' '.join(reason.text for reason in reasons)}"
