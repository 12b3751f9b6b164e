"""Tasks that wait for the database or Redis: told once, and not with a traceback every second.

A database that is locked keeps each waiting for as long as it likes. If all that come
meanwhile waited as well, they would have all of the worker's threads, and nobody would be
probed.
"""

import logging
from threading import Lock
from typing import Any

from celery import Task
from celery.exceptions import Ignore

from lbsite.unavailable import AWAY, in_words
from pool.trouble import Trouble

logger = logging.getLogger(__name__)


class PatientTask(Task):
    """Beat sends it again when it is due: nothing is lost by a run that cannot be.

    `overlaps`: whether it may be run while it runs in this process already.
    """

    abstract = True
    throws = AWAY
    overlaps = False

    def __init__(self) -> None:
        self._absence = Trouble(logger, "%s waits. %s", "%s goes on", level=logging.ERROR)
        self._running = Lock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.overlaps:
            return self.run(*args, **kwargs)
        if not self._running.acquire(blocking=False):
            raise Ignore  # neither a success nor a failure
        try:
            return self.run(*args, **kwargs)
        finally:
            self._running.release()

    def on_failure(self, exc: Exception, *_: Any) -> None:
        if isinstance(exc, AWAY):
            self._absence.met(self.name, in_words(exc))

    def on_success(self, *_: Any) -> None:
        self._absence.over(self.name)
