"""What Celery does for health."""

from functools import cache
from typing import Any

from celery import shared_task, signals
from django.conf import settings
from django.utils import timezone

from pool.connection import redis_client
from pool.health.prober import Prober
from pool.history import folding
from pool.history.folding import SAMPLE_SECONDS
from pool.retention import health_kept, history_kept

# Django setting, with its default.
CONCURRENCY = ("LB_HEALTH_CONCURRENCY", 500)  # probes at the same time, for each worker process


@cache
def prober() -> Prober:
    """This process's one; made with the first task, after any fork."""
    return Prober(
        redis_client(), getattr(settings, *CONCURRENCY), sample=getattr(settings, *SAMPLE_SECONDS)
    )


@shared_task(overlaps=True)
def tick() -> None:
    prober().tick()


@shared_task
def prune() -> None:
    """Fold the hours that are over, then let go of what is old and folded."""
    now = timezone.now()
    folding.fold_hours(now, getattr(settings, *SAMPLE_SECONDS))
    folding.prune_records(now - health_kept())
    folding.prune_hours(now - history_kept())


@signals.worker_shutdown.connect
@signals.worker_process_shutdown.connect
def close(**_: Any) -> None:
    if prober.cache_info().currsize:
        prober().close()
        prober.cache_clear()
