"""Reading the timeline on from where it was read to: no event is lost, and none is read twice.

To be used in a transaction, whose end makes both the reading and what came of it permanent.
"""

from datetime import datetime

from django.db.models import Q

from pool.models import Event
from pool.models.alerts import AlertCursor

PATIENCE = 300  # seconds: longer than a transaction that has a number may take to commit
MAX_GAPS = 1000


def has_news() -> bool:
    """Whether there is anything to read; asked without a lock."""
    cursor = AlertCursor.objects.first()
    return cursor is None or Event.objects.filter(_unread(cursor)).exists()


def lock() -> AlertCursor:
    """The cursor, which nobody else has until the transaction ends."""
    AlertCursor.objects.get_or_create(pk=1)
    return AlertCursor.objects.select_for_update().get(pk=1)


def take(cursor: AlertCursor, limit: int, now: datetime) -> list[Event]:
    """The next events, by number; the cursor is behind them then, and saved."""
    events = Event.objects.filter(_unread(cursor)).select_related("pool", "backend")
    batch = list(events.order_by("id")[:limit])
    if batch or cursor.gaps:
        _advance(cursor, [event.pk for event in batch], now.timestamp())
        cursor.save()
    return batch


def _unread(cursor: AlertCursor) -> Q:
    unread = Q(pk__gt=cursor.last_id)
    return unread | Q(pk__in=[int(gap) for gap in cursor.gaps]) if cursor.gaps else unread


def _advance(cursor: AlertCursor, read: list[int], now: float) -> None:
    last = max([cursor.last_id, *read])
    passed = set(range(max(cursor.last_id + 1, last - MAX_GAPS), last))
    gaps = {int(gap): until for gap, until in cursor.gaps.items() if until > now}
    gaps |= dict.fromkeys(passed, now + PATIENCE)
    for number in read:
        gaps.pop(number, None)
    cursor.gaps = {str(number): gaps[number] for number in sorted(gaps)[-MAX_GAPS:]}
    cursor.last_id = last
