"""Celery's beat, which tells once that its ticks wait: by itself it writes each one's traceback."""

import logging
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry, SchedulingError

logger = logging.getLogger(__name__)


class PatientScheduler(PersistentScheduler):
    _waits = False

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send one task; what cannot be sent is not sent later either, but when it is due again."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            if not self._waits:
                logger.error("ticks are not sent: %s", error)
            self._waits = True
            return
        if self._waits:
            logger.warning("ticks are sent again")
        self._waits = False
