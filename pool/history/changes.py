"""Who changed one pool, backend or route, and when: from the revisions, which have it whichever
way it was changed.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import msgspec

from pool.diff import Change, Kind
from pool.models import Backend, Pool, Revision, Route

SHOWN = 100  # changes of one row
SEARCHED = 5000  # revisions, the newest first

Row = Pool | Backend | Route

_KINDS: dict[type, Kind] = {Pool: Kind.POOL, Backend: Kind.BACKEND, Route: Kind.ROUTE}


class Changed(NamedTuple):
    """One revision, and what of it is about the row."""

    number: int
    at: datetime
    actor: str
    changes: list[Change]


def changes_of(row: Row) -> list[Changed]:
    """The newest first; with a pool's own come those of its backends."""
    return list(islice(_search(row), SHOWN))


def _search(row: Row) -> Iterator[Changed]:
    kind = _KINDS[type(row)]
    names = {f"{row.name}/"} if isinstance(row, Pool) else set()
    revisions = Revision.objects.values_list("number", "created_at", "actor", "diff")
    for number, at, actor, diff in revisions[:SEARCHED].iterator():
        found = []
        for change in msgspec.convert(diff, list[Change]):
            if (change.kind, change.id) == (kind, row.pk):
                found.append(change)
                if names and "name" in change.fields:
                    names.add(f"{change.fields['name'][0]}/")  # as it was called before
            elif change.kind is Kind.BACKEND and change.name.startswith(tuple(names)):
                found.append(change)
        if found:
            yield Changed(number, at, actor, found)
