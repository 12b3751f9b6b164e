"""Lets go of old events and revisions, except what still says how things are.

An event stays while none has followed it by which its backend or pool is something else:
one that has been down, or tied to another tier, for longer than events are kept is so still.
A revision's age is counted from when another one took its place. So each that was in force
in the time that is kept is there, and with it all that events of that time refer to.
"""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Exists, Max, OuterRef, Q

from pool.models import Event, Revision
from pool.retention import delete_in_steps

NEWEST_REVISIONS = 1000  # that stay however old they are: the ways back


def prune_events(before: datetime) -> int:
    """Delete those before that time which are not the last word on anything."""
    old = Event.objects.filter(at__lt=before)
    later = old.filter(kind=OuterRef("kind")).filter(
        Q(at__gt=OuterRef("at")) | Q(at=OuterRef("at"), pk__gt=OuterRef("pk"))
    )
    of_nothing = Q(pool=None, backend=None)
    of_backend = Exists(later.filter(backend=OuterRef("backend")))
    of_pool = Q(backend=None) & Exists(later.filter(backend=None, pool=OuterRef("pool")))
    return delete_in_steps(old.filter(of_nothing | of_backend | of_pool).order_by("at"))


def prune_revisions(before: datetime, running: Collection[int]) -> int:
    """Delete those that were replaced before that time; `running`: numbers that edges run."""
    replaced = Revision.objects.filter(published_at__lt=before).aggregate(by=Max("number"))["by"]
    numbers = Revision.objects.order_by("-number").values_list("number", flat=True)
    for number in numbers[NEWEST_REVISIONS - 1 : NEWEST_REVISIONS]:
        if replaced is not None:
            old = Revision.objects.filter(number__lt=min(replaced, number))
            return delete_in_steps(old.exclude(number__in=running).order_by("number"))
    return 0
