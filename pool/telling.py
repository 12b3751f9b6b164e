"""What waits in Redis to be told on the timeline.

An item is taken off once it is written: whoever writes it may be killed in between, or
be at it together with others, so that `write` looks whether it has been told already.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TypeVar, cast

import msgspec
from django.db import DatabaseError, DataError
from redis import Redis

from pool.bus import MALFORMED
from pool.trouble import Trouble

logger = logging.getLogger(__name__)

_BATCH = 100

# What is wrong with an item itself, however often it is tried: no record, a time that no
# calendar has, or what no column holds.
NEVER = (*MALFORMED, ValueError, OverflowError, DataError)

_failures: defaultdict[type[msgspec.Struct], Trouble] = defaultdict(
    lambda: Trouble(logger, "what waits as %s waits for the database: %s")
)

Key = TypeVar("Key")
Item = TypeVar("Item", bound=msgspec.Struct)


def tell_all(
    waiting: Iterable[tuple[Key, bytes]],
    kind: type[Item],
    write: Callable[[Item], None],
    take_off: Callable[[Key], object],
) -> None:
    """Write what waits, in its order. While the database is away, it goes on waiting there.

    Which is said once.
    """
    for key, raw in waiting:
        try:
            write(msgspec.json.decode(raw, type=kind))
        except NEVER as error:
            logger.error("what waits as %s is malformed and not told: %s", kind.__name__, error)
        except DatabaseError as error:
            _failures[kind].met(kind.__name__, error)
            return
        take_off(key)
        _failures[kind].over()


def tell_list(redis: "Redis", name: str, kind: type[Item], write: Callable[[Item], None]) -> None:
    """`tell_all` of a list."""
    raws = cast("list[bytes]", redis.lrange(name, 0, _BATCH - 1))
    tell_all(
        ((raw, raw) for raw in raws), kind, write, lambda raw: redis.lrem(name, 1, cast("str", raw))
    )
