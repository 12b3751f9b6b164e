"""Celery's beat, which is patient: with Redis that is away, and with workers that are.

By itself it writes each tick's traceback, and fills Redis with ticks that nobody takes.
"""

import logging
from time import monotonic
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry, SchedulingError
from redis import RedisError

from lbsite.seen import say_beat
from pool.connection import redis_client
from pool.mending import Mender
from pool.trouble import Trouble

logger = logging.getLogger(__name__)

MAX_WAITING = 1000  # tasks: those of two minutes, all of which have expired
MEND_INTERVAL = 2.0  # seconds


class PatientScheduler(PersistentScheduler):
    _mend_at = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._failure = Trouble(
            logger, "ticks are not sent: %s", "ticks are sent again", level=logging.ERROR
        )
        self._mender = Mender()
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
        self._mend_queue()
        if redis_client().llen(self.app.conf.task_default_queue) >= MAX_WAITING:
            raise SchedulingError(f"{MAX_WAITING} wait, and no worker takes them")
        self.apply_async(entry, producer=producer, advance=False)

    def _mend_queue(self) -> None:
        """Workers cannot: while Celery's own keys are of a wrong type, they get no task."""
        if monotonic() < self._mend_at:
            return
        self._mend_at = monotonic() + MEND_INTERVAL
        queue = self.app.conf.task_default_queue
        kinds = {
            queue: "list",
            f"_kombu.binding.{queue}": "set",
            "unacked": "hash",
            "unacked_index": "zset",
        }
        self._mender.mend(redis_client(), kinds)
