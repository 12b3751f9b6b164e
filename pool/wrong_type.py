"""Keys of Redis that hold another type than is kept there: by a slip of the hand, or of a program.

No Django in here. Whatever is read or written together with such a key fails with it, so
those who need others as well pass over it; `pool.mending` puts it right.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from redis import ResponseError


def is_wrong_type(error: Exception) -> bool:
    """Scripts tell it too, in words of their own around it."""
    return isinstance(error, ResponseError) and "WRONGTYPE" in str(error)


@contextmanager
def passing_over() -> Iterator[None]:
    """Of one key, or of one feature's: the others' turn comes."""
    try:
        yield
    except ResponseError as error:
        if not is_wrong_type(error):
            raise


class PassedOver:
    """The same for who cannot know whether anybody mends it: each key is told once."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._told: set[str] = set()

    @contextmanager
    def reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            self.tell(key)
        else:
            self._told.discard(key)

    def tell(self, key: str) -> None:
        if key not in self._told:
            self._log.error("%s in Redis is of the wrong type and passed over: DEL %s", key, key)
        self._told.add(key)
