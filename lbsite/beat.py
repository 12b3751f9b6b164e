"""Celery's beat, which is patient: with Redis that is away, and with workers that are.

By itself it writes each tick's traceback, and fills Redis with ticks that nobody takes.
"""

import logging
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry, SchedulingError
from redis import RedisError

from lbsite.seen import say_beat
from pool.connection import redis_client

logger = logging.getLogger(__name__)

MAX_WAITING = 1000  # tasks: those of two minutes, all of which have expired


class PatientScheduler(PersistentScheduler):
    _waits = False

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send one task; what cannot be sent is not sent later either, but when it is due again."""
        say_beat()
        try:
            self._send(entry, producer)
        except (SchedulingError, RedisError) as error:
            if not self._waits:
                logger.error("ticks are not sent: %s", error)
            self._waits = True
            return
        if self._waits:
            logger.warning("ticks are sent again")
        self._waits = False

    def _send(self, entry: ScheduleEntry, producer: Any) -> None:
        if redis_client().llen(self.app.conf.task_default_queue) >= MAX_WAITING:
            raise SchedulingError(f"{MAX_WAITING} wait, and no worker takes them")
        self.apply_async(entry, producer=producer, advance=False)
