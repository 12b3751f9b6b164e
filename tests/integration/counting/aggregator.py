"""An aggregator beside the Celery worker's.

`python aggregator.py` goes on until it is killed. With `before-commit` or `before-ack` it
kills itself there: with the rollups written and the transaction open, or with the
transaction committed and Redis not told.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from typing import Any

import django

PAUSE = 0.05


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_after_writing_rollups(execute: Any, sql: Any, *arguments: Any) -> Any:
    result = execute(sql, *arguments)
    if str(sql).startswith("INSERT INTO analytics_trafficrollup"):
        die()
    return result


def main(crash: str) -> None:
    django.setup()
    from django.db import DatabaseError, close_old_connections, connection
    from redis import RedisError

    from analytics.ingest import ingest
    from analytics.stream import TrafficStream
    from pool.connection import redis_client

    if crash == "before-commit":
        connection.execute_wrappers.append(die_after_writing_rollups)
    elif crash == "before-ack":
        TrafficStream.done = die  # type: ignore[method-assign]
    while True:
        with suppress(DatabaseError, RedisError):
            ingest(redis_client())
        close_old_connections()
        time.sleep(PAUSE)


if __name__ == "__main__":
    main(*sys.argv[1:] or [""])
