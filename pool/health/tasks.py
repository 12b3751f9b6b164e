"""What Celery does for health."""

from datetime import timedelta
from functools import cache
from typing import Any

from celery import shared_task, signals
from django.conf import settings
from django.utils import timezone

from pool.connection import redis_client
from pool.health.prober import Prober
from pool.history import folding

# Django settings, with their defaults.
CONCURRENCY = ("LB_HEALTH_CONCURRENCY", 500)  # probes at the same time, for each worker process
RETENTION_HOURS = ("LB_HEALTH_RETENTION_HOURS", 24)  # how long health records are kept
SAMPLE_SECONDS = ("LB_HEALTH_SAMPLE_SECONDS", 60)  # one pass in so many is kept; 0: every probe


@cache
def prober() -> Prober:
    """This process's one; made with the first task, after any fork."""
    return Prober(
        redis_client(), getattr(settings, *CONCURRENCY), sample=getattr(settings, *SAMPLE_SECONDS)
    )


@shared_task
def tick() -> None:
    prober().tick()


@shared_task
def prune() -> None:
    """Fold the hours that are over, then let go of what is old and folded."""
    now = timezone.now()
    folding.fold_hours(now, getattr(settings, *SAMPLE_SECONDS))
    folding.prune(timedelta(hours=getattr(settings, *RETENTION_HOURS)), now)


@signals.worker_shutdown.connect
@signals.worker_process_shutdown.connect
def close(**_: Any) -> None:
    if prober.cache_info().currsize:
        prober().close()
        prober.cache_clear()
