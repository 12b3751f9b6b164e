"""When beat and the workers were last seen: each says so itself in Redis, as it works.

Beat says it when a task is due, which one is every second; a worker when it has run
one. A hung one is thus not seen, whatever its process does.
"""

import time
from dataclasses import dataclass, field
from typing import Any, cast

from celery import signals
from redis import Redis, RedisError

from pool.connection import redis_client

BEAT_KEY = "lb:seen:beat"  # Unix time
WORKERS_KEY = "lb:seen:workers"  # sorted set: host name of a worker → Unix time
SEEN_WITHIN = 15.0  # seconds: after that long, something is wrong
_EVERY = 2.0
_FORGOTTEN = 3600.0


@dataclass
class Pulse:
    """Says it every two seconds at most, whatever comes in between."""

    said: dict[str, float] = field(default_factory=dict)

    def say(self, redis: "Redis", key: str, member: str = "", now: float | None = None) -> None:
        now = time.time() if now is None else now
        if 0 <= now - self.said.get(key, 0.0) < _EVERY:
            return
        self.said[key] = now
        try:
            if member:
                redis.zremrangebyscore(key, "-inf", now - _FORGOTTEN)
                redis.zadd(key, {member: now})
            else:
                redis.set(key, now, ex=int(_FORGOTTEN))
        except RedisError:
            pass  # it has told so itself by what it could not do


_pulse = Pulse()


def beat_seen(redis: "Redis") -> float | None:
    raw = cast("bytes | None", redis.get(BEAT_KEY))
    try:
        return float(raw) if raw else None
    except ValueError:
        return None


def workers_seen(redis: "Redis") -> list[float]:
    """When each worker of the last hour was seen last."""
    rows: Any = redis.zrange(WORKERS_KEY, 0, -1, withscores=True)
    return [float(at) for _, at in rows]


def say_beat() -> None:
    _pulse.say(redis_client(), BEAT_KEY)


@signals.task_postrun.connect
def _say_worker(task: Any = None, **_: Any) -> None:
    name = getattr(getattr(task, "request", None), "hostname", None)
    if name:  # none: the task was called as a function
        _pulse.say(redis_client(), WORKERS_KEY, str(name))
