"""What Celery does for health."""

from datetime import timedelta
from functools import cache
from typing import Any

from celery import shared_task, signals
from django.conf import settings
from django.utils import timezone

from pool.connection import redis_client
from pool.health import records
from pool.health.prober import Prober

# Django settings, with their defaults.
CONCURRENCY = ("LB_HEALTH_CONCURRENCY", 500)  # probes at the same time, for each worker process
RETENTION_HOURS = ("LB_HEALTH_RETENTION_HOURS", 24)  # how long health records are kept


@cache
def prober() -> Prober:
    """This process's one; made with the first task, after any fork."""
    return Prober(redis_client(), getattr(settings, *CONCURRENCY))


@shared_task
def tick() -> None:
    prober().tick()


@shared_task
def prune() -> None:
    records.prune(timedelta(hours=getattr(settings, *RETENTION_HOURS)), timezone.now())


@signals.worker_shutdown.connect
@signals.worker_process_shutdown.connect
def close(**_: Any) -> None:
    if prober.cache_info().currsize:
        prober().close()
        prober.cache_clear()
