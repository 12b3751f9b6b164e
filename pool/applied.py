"""A revision that edges get, on the timeline of each pool that it changes."""

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from pool.choices import EventKind
from pool.diff import Change, Kind, summarise
from pool.models import Backend, Event, Pool, Revision

_NONE = 0  # in the place of a pool's id


def tell_of_applied(revision: Revision) -> None:
    """An event for each pool, with what it is to that one; one of no pool if there is none."""
    changes = msgspec.convert(revision.diff, list[Change])
    note = revision.summary.removesuffix(summarise(changes))
    by_pool = _by_pool(changes)
    pools = Pool.objects.in_bulk(by_pool)
    backends = Backend.objects.select_related("pool").in_bulk(map(_only_backend, by_pool.values()))
    names = {change.id: change.name for change in changes if change.kind is Kind.POOL}
    for pool_id, about in by_pool.items():
        name = names.get(pool_id)  # of one that may be gone
        Event.objects.record(
            EventKind.CONFIGURATION_APPLIED,
            f"Revision {revision.number}: {note}{summarise(about)}",
            pool=pools.get(pool_id),
            backend=backends.get(_only_backend(about)),
            actor=revision.actor,
            data={"revision": revision.number} | ({"pool": name} if name else {}),
        )


def _by_pool(changes: Iterable[Change]) -> dict[int, list[Change]]:
    """What moves from one to another is about both."""
    found = defaultdict(list)
    for change in changes:
        for pool_id in change.pools or (_NONE,):
            found[pool_id].append(change)
    return found or {_NONE: []}


def _only_backend(changes: Iterable[Change]) -> int:
    """The id of the one that all of it is about; 0 if it is about more than one backend."""
    rows = {(change.kind, change.id) for change in changes}
    kind, row_id = next(iter(rows), (Kind.POOL, 0))
    return row_id if len(rows) == 1 and kind is Kind.BACKEND else 0
