"""What Celery does for alerts."""

from threading import Lock

from celery import shared_task
from django.utils import timezone

from pool.alerts import delivery, evaluate, retention
from pool.retention import alerts_kept

_delivering = Lock()


@shared_task
def read_timeline() -> None:
    evaluate.evaluate(timezone.now())


@shared_task
def deliver() -> None:
    """One of this process's threads is enough: places that hang must not take them all."""
    if _delivering.acquire(blocking=False):
        try:
            delivery.deliver()
        finally:
            _delivering.release()


@shared_task
def tidy() -> None:
    evaluate.close_orphans(timezone.now())


@shared_task
def prune() -> None:
    retention.prune(timezone.now() - alerts_kept())
