"""Celery's beat, which is patient: with Redis that is away, and with workers that are.

By itself it writes each tick's traceback, and fills Redis with ticks that nobody takes.
"""

import logging
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry, SchedulingError
from redis import RedisError

from lbsite.seen import say_beat
from pool.connection import redis_client
from pool.trouble import Trouble

logger = logging.getLogger(__name__)

MAX_WAITING = 1000  # tasks: those of two minutes, all of which have expired


class PatientScheduler(PersistentScheduler):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._failure = Trouble(
            logger, "ticks are not sent: %s", "ticks are sent again", level=logging.ERROR
        )
        super().__init__(*args, **kwargs)

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send one task; what cannot be sent is not sent later either, but when it is due again."""
        say_beat()
        try:
            self._send(entry, producer)
        except (SchedulingError, RedisError) as error:
            self._failure.met(error)
            return
        self._failure.over()

    def _send(self, entry: ScheduleEntry, producer: Any) -> None:
        if redis_client().llen(self.app.conf.task_default_queue) >= MAX_WAITING:
            raise SchedulingError(f"{MAX_WAITING} wait, and no worker takes them")
        self.apply_async(entry, producer=producer, advance=False)
