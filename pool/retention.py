"""For how long the past is kept, and letting go of it a little at a time."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

# Django settings, with their defaults.
_HEALTH_HOURS = ("LB_HEALTH_RETENTION_HOURS", 24)
_HISTORY_DAYS = ("LB_HISTORY_RETENTION_DAYS", 400)  # a year, and a month to compare with
_ALERT_DAYS = ("LB_ALERT_RETENTION_DAYS", 30)

_ROWS_AT_ONCE = 5000  # that one statement deletes
_STEPS = 100  # of one run: what is left then waits for the next one


def health_kept() -> timedelta:
    """Single probes."""
    return timedelta(hours=getattr(settings, *_HEALTH_HOURS))


def history_kept() -> timedelta:
    """What reports of a long time are made from: events, revisions, uptime by the hour."""
    return timedelta(days=getattr(settings, *_HISTORY_DAYS))


def alerts_kept() -> timedelta:
    return timedelta(days=getattr(settings, *_ALERT_DAYS))


def delete_in_steps(rows: QuerySet[Any]) -> int:
    """In steps, so that no lock is held for long; returns how many there were."""
    deleted = 0
    for _ in range(_STEPS):
        ids = list(rows.values_list("pk", flat=True)[:_ROWS_AT_ONCE])
        deleted += rows.model._base_manager.filter(pk__in=ids).delete()[0]
        if len(ids) < _ROWS_AT_ONCE:
            break
    return deleted
