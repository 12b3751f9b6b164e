"""What Celery does for the configuration, every few seconds."""

from celery import shared_task

from pool import edge_lag, edges, publish


@shared_task
def republish() -> None:
    """Heal what a publish could not do: Redis away, emptied, or a process killed in between."""
    publish.republish_if_lost()


@shared_task
def track_edges() -> None:
    """Record edges that joined, left, lag or do no longer, and forget those that left."""
    edges.track_edges()
    edge_lag.track_lag()
