"""What Celery does for the analytics."""

import logging
from threading import Lock

from celery import shared_task
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from redis import RedisError

from analytics import ingest as pipeline
from analytics.levels import RETENTION
from pool.connection import redis_client

logger = logging.getLogger(__name__)

_ingesting = Lock()
_failing = False


@shared_task
def ingest() -> None:
    """Skipped while this process is still at it: two at once would only wait for each other."""
    global _failing
    if not _ingesting.acquire(blocking=False):
        return
    try:
        pipeline.ingest(redis_client())
    except (DatabaseError, RedisError) as error:
        if not _failing:
            logger.error("traffic waits in the stream (%s)", error)
        _failing = True
    else:
        if _failing:
            logger.warning("traffic is counted again")
        _failing = False
    finally:
        _ingesting.release()


@shared_task
def prune() -> None:
    pipeline.prune(redis_client(), getattr(settings, *RETENTION), timezone.now())
