"""What Celery does for the analytics."""

import logging
from collections.abc import Callable
from threading import Lock

from celery import shared_task
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from redis import Redis, RedisError

from analytics import ingest as pipeline
from analytics.levels import RETENTION
from analytics.requests import store as requests
from pool.connection import redis_client
from pool.trouble import Trouble

logger = logging.getLogger(__name__)


class _Reader:
    """Reads a stream, one at a time in this process: two at once would wait for each other."""

    def __init__(self, what: str, read: Callable[[Redis], object]) -> None:
        self._what = what
        self._read = read
        self._lock = Lock()
        self._failure = Trouble(
            logger, "%s waits in the stream (%s)", "%s is read again", level=logging.ERROR
        )

    def run(self) -> None:
        """Skipped while another one is still at it. That it fails is logged once."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._read(redis_client())
        except (DatabaseError, RedisError) as error:
            self._failure.met(self._what, error)
        else:
            self._failure.over(self._what)
        finally:
            self._lock.release()


_traffic = _Reader("traffic", pipeline.ingest)
_requests = _Reader("the log of requests", requests.keep)


@shared_task
def ingest() -> None:
    _traffic.run()


@shared_task
def keep_requests() -> None:
    _requests.run()


@shared_task
def prune() -> None:
    pipeline.prune(redis_client(), getattr(settings, *RETENTION), timezone.now())


@shared_task
def prune_requests() -> None:
    kept, hours = getattr(settings, *requests.KEPT), getattr(settings, *requests.HOURS)
    requests.prune(kept, hours, timezone.now())
