"""Celery's consumer, which is patient with a Redis that answers but takes no writes.

As a replica does after a failover, or one that cannot write to its disk. To take a task is
a write: by itself the worker would end, and be started again only to end again.
"""

import logging
import time
from math import inf

from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from redis import RedisError, ResponseError

from lbsite.readiness import WRITTEN_KEY
from lbsite.unavailable import in_words
from pool.connection import redis_client

logger = logging.getLogger(__name__)

SHORTEST, LONGEST = 0.5, 4.0  # seconds between two looks
_SETTLED = 30.0  # seconds of work after which the next refusal is another one


class PatientConsumer(Consumer):
    _pause = SHORTEST
    _went_on_at = -inf

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        self._wait(exc)
        super().on_connection_error_before_connected(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        self._wait(exc)
        super().on_connection_error_after_connected(exc)

    def _wait(self, error: Exception) -> None:
        """Until Redis takes writes, if that is what it has refused; raises to end the worker."""
        if not isinstance(error, ResponseError):
            return
        if time.monotonic() - self._went_on_at > _SETTLED:
            self._pause = SHORTEST
            logger.error("no task is taken. %s", in_words(error))
        while True:
            self._sleep(self._pause)
            self._pause = min(2 * self._pause, LONGEST)
            if _takes_writes():
                break
        self._went_on_at = time.monotonic()
        logger.warning("tasks are taken again")

    @staticmethod
    def _sleep(seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            maybe_shutdown()
            time.sleep(min(left, 0.25))


def _takes_writes() -> bool:
    try:
        redis_client().set(WRITTEN_KEY, 1, ex=1)
    except RedisError:
        return False
    return True
