"""Tasks that wait for the database or Redis: told once, and not with a traceback every second."""

import logging
from typing import Any

from celery import Task

from lbsite.unavailable import AWAY, in_words
from pool.trouble import Trouble

logger = logging.getLogger(__name__)


class PatientTask(Task):
    """Beat sends it again when it is due: nothing is lost by a run that cannot be."""

    abstract = True
    throws = AWAY

    def __init__(self) -> None:
        self._absence = Trouble(logger, "%s waits. %s", "%s goes on", level=logging.ERROR)

    def on_failure(self, exc: Exception, *_: Any) -> None:
        if isinstance(exc, AWAY):
            self._absence.met(self.name, in_words(exc))

    def on_success(self, *_: Any) -> None:
        self._absence.over(self.name)
