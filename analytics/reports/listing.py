"""The backends that a report lists, with their sums.

Of a page of them, the sums of the others are not read: they are what takes longest.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from analytics.aggregate import Counters
from analytics.levels import Segment
from analytics.reports import rollups
from analytics.reports.rollups import Kinds, Name
from analytics.reports.scope import EDGE, Scope
from analytics.reports.selection import Selection


@dataclass(frozen=True)
class Listing:
    """`sums` by name, in its order; `count`: how many backends there are, listed or not."""

    count: int
    sums: dict[Name, Counters]


def list_backends(
    segments: Sequence[Segment],
    scope: Scope,
    selection: Selection,
    kinds: Kinds = (),
    *,
    histograms: bool = False,
    rank: Callable[[Counters], float] | None = None,
) -> Listing:
    """What `selection` asks for; without `rank`, its top is left to the report."""
    backends = rollups.find_backends(scope)
    if selection.top is not None and rank is not None:
        ranks = {name: rank(one) for name, one in rollups.sums(segments, backends).items()}
        names = _names(ranks)
        listed = selection.best(names, ranks.__getitem__)
    elif selection.whole:
        sums = rollups.sums(segments, backends, kinds, histograms=histograms)
        return Listing(len(_names(sums)), {name: sums[name] for name in _names(sums)})
    else:
        names = _names(rollups.present(segments, backends))
        listed = selection.page(names)
    sums = rollups.sums(segments, backends.only(listed), kinds, histograms=histograms)
    return Listing(len(names), {name: sums[name] for name in listed if name in sums})


def _names(found: Iterable[Name]) -> list[Name]:
    return sorted(name for name in found if name.backend != EDGE)
