"""Troubles that last: logged when they begin and when they are over, not each time they are met.

No Django in here.
"""

import logging


class Trouble:
    """One that comes and goes. `begins` and `ends`: what is logged then; "" says nothing.

    Threads may share it: at the worst two of them log the same beginning.
    """

    def __init__(
        self, logger: logging.Logger, begins: str, ends: str = "", *, level: int = logging.WARNING
    ) -> None:
        """`level` is that of the beginning; an end is a warning."""
        self._logger = logger
        self._begins = begins
        self._ends = ends
        self._level = level
        self._lasts = False

    def met(self, *args: object) -> None:
        """It is there; `args` are those of `begins`."""
        if not self._lasts:
            self._lasts = True
            self._logger.log(self._level, self._begins, *args, stacklevel=2)

    def over(self, *args: object) -> None:
        """It is not there, or not any more; `args` are those of `ends`."""
        if self._lasts:
            self._lasts = False
            if self._ends:
                self._logger.warning(self._ends, *args, stacklevel=2)
