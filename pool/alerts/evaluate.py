"""Events → alerts → messages that wait to be sent: each event once, in one transaction a batch.

What a batch costs depends on its events and on the alerts that they are about, and not on how
long the timeline is or how many alerts there have been.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from pool.alerts import cursor, grouping
from pool.alerts.ledger import Ledger
from pool.choices import AlertState
from pool.models.alerts import Alert

BATCH = 500
MAX_BATCHES = 20  # at a time: then it is others' turn


def evaluate(now: datetime) -> None:
    """Read what is new on the timeline, and take the steps that are due."""
    for _ in range(MAX_BATCHES):
        if not (cursor.has_news() or _due(now).exists()):
            return
        with transaction.atomic():
            events = cursor.take(cursor.lock(), BATCH, now)
            ledger = Ledger(events, _due(now)[:BATCH])
            ledger.apply()
            ledger.step(now)
            ledger.write(now)


def close_orphans(now: datetime) -> None:
    """End alerts of what was deleted, and of rules that are off: no event will."""
    gone = Q(backend=None, subject__startswith="backend:")
    gone |= Q(pool=None, subject__startswith="pool:")
    unfinished = Q(state__in=[AlertState.PENDING.value, AlertState.FIRING.value])
    with transaction.atomic():
        cursor.lock()
        still_open = Alert.objects.exclude(state=AlertState.CLOSED.value)
        still_open.filter(rule__enabled=False).update(state=AlertState.CLOSED.value, due=None)
        orphans = list(still_open.filter(gone & unfinished).select_related("rule"))
        for alert in orphans:
            alert.ending = f"{'/'.join(alert.names.values())} was deleted"
            grouping.end(alert, now)
        Alert.objects.bulk_update(orphans, ["state", "ending", "ended_at", "due"])


def _due(now: datetime) -> QuerySet[Alert]:
    return Alert.objects.filter(due__lte=now, rule__enabled=True)
