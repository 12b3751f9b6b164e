"""What Celery does for circuits."""

from celery import shared_task

from pool.circuits import events
from pool.connection import redis_client


@shared_task
def tell() -> None:
    events.write_happenings(redis_client())


@shared_task
def forget_deleted() -> None:
    events.forget_deleted(redis_client())
