"""What Celery does for the configuration, and for the past that goes with it."""

from celery import shared_task
from django.utils import timezone

from pool import edge_lag, edges, publish
from pool.connection import redis_client
from pool.history.retention import prune_events, prune_revisions
from pool.retention import history_kept


@shared_task
def republish() -> None:
    """Heal what a publish could not do: Redis away, emptied, or a process killed in between."""
    publish.republish_if_lost()


@shared_task
def track_edges() -> None:
    """Record edges that joined, left, lag or do no longer, and forget those that left."""
    edges.track_edges()
    edge_lag.track_lag()


@shared_task
def prune() -> None:
    before = timezone.now() - history_kept()
    prune_events(before)
    reports = edges.read_reports(redis_client())
    prune_revisions(before, {report.snapshot_number for report in reports.values()})
