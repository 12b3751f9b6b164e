"""Tasks that wait for the database or Redis: told once, and not with a traceback every second."""

import logging
from typing import Any

from celery import Task

from lbsite.unavailable import AWAY, in_words

logger = logging.getLogger(__name__)


class PatientTask(Task):
    """Beat sends it again when it is due: nothing is lost by a run that cannot be."""

    abstract = True
    throws = AWAY
    _waits = False

    def on_failure(self, exc: Exception, *_: Any) -> None:
        if isinstance(exc, AWAY) and not self._waits:
            self._waits = True
            logger.error("%s waits. %s", self.name, in_words(exc))

    def on_success(self, *_: Any) -> None:
        if self._waits:
            self._waits = False
            logger.warning("%s goes on", self.name)
