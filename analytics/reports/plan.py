"""What share each backend was meant to have: by weight, among its pool's first tier.

Read from the revisions that were in force, as the weights of now say nothing of an hour
ago. In each stretch between two of them the plan is one; the requests of the stretch say
how much it counts.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import msgspec
from django.db.models import Q
from django.db.models.functions import Coalesce

from analytics.reports.bins import Bins
from analytics.reports.rollups import Name
from analytics.reports.span import Span
from pool.choices import DEFAULT_ALGORITHM
from pool.models import Pool, Revision

_MOST_REVISIONS = 200  # of a span; of more, the newest
_PLANNING = {"weight", "tier", "backup_of", "pool", "algorithm"}
_EQUAL = "round_robin"  # which goes by no weights


class _Backend(msgspec.Struct, frozen=True):
    """What of a snapshot a plan needs, with the same defaults."""

    name: str
    weight: int = 1
    tier: int = 0
    backup_of: int = 0


class _Pool(msgspec.Struct, frozen=True):
    name: str
    algorithm: str = DEFAULT_ALGORITHM
    backends: tuple[_Backend, ...] = ()


class _Snapshot(msgspec.Struct, frozen=True):
    pools: tuple[_Pool, ...] = ()


@dataclass(frozen=True)
class Stretch:
    """From `start` to `end` (Unix seconds) these pools were configured."""

    start: float
    end: float
    pools: Sequence[_Pool]


class WeightChange(NamedTuple):
    """A backend that was added had no weight before, one that was removed has none after."""

    at: float
    before: int | None
    after: int | None


def read_plan(span: Span, start: int) -> list[Stretch]:
    """From `start` to the end of `span`, by time; without revisions, as it is configured now."""
    found = [(at, _decode(text).pools) for at, text in _revisions(span, start)]
    if not found:
        return [Stretch(start, span.end, _configured())]
    ends = [at for at, _ in found[1:]] + [float(span.end)]
    return [
        Stretch(max(float(start), at), end, pools)
        for (at, pools), end in zip(found, ends, strict=True)
        if end > start
    ]


def planned_shares(
    plan: Sequence[Stretch], bins: Bins, requests: Mapping[str, Sequence[int]]
) -> dict[Name, float]:
    """What the plan comes to over all stretches; `requests` of each pool in each part."""
    weights: dict[str, float] = defaultdict(float)
    parts: dict[Name, float] = defaultdict(float)
    for stretch in plan:
        for pool in stretch.pools:
            weight = _weight(stretch, bins, requests.get(pool.name, ()))
            weights[pool.name] += weight
            for backend, share in _shares_in(pool).items():
                parts[Name(pool.name, backend)] += share * weight
    return {
        name: part / weights[name.pool] if weights[name.pool] else 0.0
        for name, part in parts.items()
    }


def weight_changes(plan: Sequence[Stretch]) -> dict[Name, list[WeightChange]]:
    found: dict[Name, list[WeightChange]] = defaultdict(list)
    for before, after in pairwise(plan):
        old, new = _weights(before), _weights(after)
        for name in old.keys() | new.keys():
            if old.get(name) != new.get(name):
                found[name].append(WeightChange(after.start, old.get(name), new.get(name)))
    return dict(found)


def _weights(stretch: Stretch) -> dict[Name, int]:
    return {
        Name(pool.name, one.name): one.weight for pool in stretch.pools for one in pool.backends
    }


def _weight(stretch: Stretch, bins: Bins, requests: Sequence[int]) -> float:
    """The requests in a stretch, as if those of a part were spread over it evenly.

    Where there were none at all, its seconds.
    """
    if not any(requests):
        return stretch.end - stretch.start
    found = 0.0
    for (start, end), count in zip(bins.parts(), requests, strict=True):
        shared = min(end, stretch.end) - max(start, stretch.start)
        if shared > 0:
            found += count * shared / (end - start)
    return found


def _revisions(span: Span, start: int) -> list[tuple[float, str]]:
    """When each took effect, and its snapshot: that at the start, and those that changed a plan."""
    rows = Revision.objects.annotate(since=Coalesce("published_at", "created_at")).order_by()
    first = rows.filter(since__lte=span.at(start)).order_by("-number").values_list("pk").first()
    within = rows.filter(since__gt=span.at(start), since__lt=span.until).order_by("number")
    changed = [pk for pk, diff in within.values_list("pk", "diff") if _plans(diff)]
    wanted = Q(pk__in=changed[-_MOST_REVISIONS:]) | Q(pk__in=first or ())
    found = rows.filter(wanted).order_by("number").values_list("since", "snapshot")
    return [(since.timestamp(), snapshot) for since, snapshot in found]


def _plans(diff: Iterable[Mapping[str, object]]) -> bool:
    """Whether a revision changed who is meant to get what."""
    for change in diff:
        fields = change.get("fields")
        if change.get("action") != "changed" or (
            isinstance(fields, Mapping) and not _PLANNING.isdisjoint(fields)
        ):
            return True
    return False


def _decode(snapshot: str) -> _Snapshot:
    return msgspec.json.decode(snapshot, type=_Snapshot)


def _configured() -> list[_Pool]:
    return [
        _Pool(
            name=pool.name,
            algorithm=pool.algorithm,
            backends=tuple(
                _Backend(one.name, one.weight, one.tier, one.backup_of_id or 0)
                for one in pool.backends.all()
            ),
        )
        for pool in Pool.objects.prefetch_related("backends")
    ]


def _shares_in(pool: _Pool) -> dict[str, float]:
    places = [one for one in pool.backends if not one.backup_of and one.weight]
    first = min((one.tier for one in places), default=0)
    equal = pool.algorithm == _EQUAL
    weights = {one.name: 0 for one in pool.backends}
    weights |= {one.name: 1 if equal else one.weight for one in places if one.tier == first}
    whole = sum(weights.values())
    return {name: weight / whole if whole else 0.0 for name, weight in weights.items()}
