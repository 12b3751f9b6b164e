"""The backends that a report lists, with their sums.

Of a page of them, the sums of the others are not read: they are what takes longest.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from analytics.aggregate import Counters
from analytics.levels import Segment
from analytics.reports import rollups
from analytics.reports.rollups import Backends, Kinds, Name
from analytics.reports.scope import EDGE, Scope
from analytics.reports.selection import Selection


@dataclass(frozen=True)
class Listing:
    """`sums` by name, in its order; `count`: how many backends there are, listed or not."""

    count: int
    sums: dict[Name, Counters]
    backends: Backends


def list_backends(
    segments: Sequence[Segment],
    scope: Scope,
    selection: Selection,
    kinds: Kinds = (),
    rank: Callable[[Counters], float] | None = None,
) -> Listing:
    """What `selection` asks for; without `rank`, its top is left to the report."""
    backends = rollups.find_backends(scope)
    if selection.whole:
        sums = rollups.sums(segments, backends, kinds)
        names = listed = _names(sums)
        if rank is not None:
            listed = selection.best(names, lambda name: rank(sums[name]))
    else:
        names = _names(rollups.present(segments, backends))
        listed = selection.page(names)
        sums = rollups.sums(segments, backends.only(listed), kinds)
    found = {name: sums[name] for name in listed if name in sums}
    return Listing(
        len(names), found, backends.only(listed) if len(listed) < len(names) else backends
    )


def _names(found: Iterable[Name]) -> list[Name]:
    return sorted(name for name in found if name.backend != EDGE)
