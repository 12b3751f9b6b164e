"""/healthz and /readyz on the web port: whether it lives, and whether all it needs is there.

They say what is wrong, and nothing of addresses or passwords.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from redis import Redis, RedisError

from lbsite.seen import SEEN_WITHIN, beat_seen, workers_seen
from pool.bus import SNAPSHOT_KEY
from pool.connection import redis_client

WRITTEN_KEY = "lb:seen:ready"  # to see whether something can be written


@dataclass(frozen=True)
class Check:
    name: str
    well: bool
    words: str

    def __str__(self) -> str:
        return f"{self.name}: {'ok' if self.well else 'FAILED'}, {self.words}"


def alive(_: HttpRequest) -> HttpResponse:
    return _text("alive\n", HTTPStatus.OK)


def ready(_: HttpRequest) -> HttpResponse:
    checks = list(read_checks(time.time()))
    well = all(check.well for check in checks)
    status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
    return _text("".join(f"{check}\n" for check in checks), status)


def read_checks(now: float) -> Iterator[Check]:
    """One query and five commands."""
    yield _database()
    redis = redis_client()
    try:
        redis.ping()
    except RedisError:
        yield Check("redis", False, "it cannot be reached")
        for name in ("snapshot", "beat", "workers"):
            yield Check(name, False, "unknown without Redis")
        return
    yield _redis(redis)
    yield _snapshot(redis)
    yield _beat(redis, now)
    yield _workers(redis, now)


def _database() -> Check:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return Check("database", False, "it cannot be reached")
    return Check("database", True, "it answers")


def _redis(redis: "Redis") -> Check:
    """One that answers may be full, read-only, or unable to write to its disk."""
    try:
        redis.set(WRITTEN_KEY, 1, ex=1)
    except RedisError:
        return Check("redis", False, "it answers, but takes no writes")
    return Check("redis", True, "it answers")


def _snapshot(redis: "Redis") -> Check:
    if not redis.exists(SNAPSHOT_KEY):
        return Check("snapshot", False, "none is published: edges have nothing to run")
    return Check("snapshot", True, "published")


def _beat(redis: "Redis", now: float) -> Check:
    at = beat_seen(redis)
    if at is None:
        return Check("beat", False, "never seen: probes and reports stand still")
    return Check("beat", now - at <= SEEN_WITHIN, f"seen {max(0.0, now - at):.0f} s ago")


def _workers(redis: "Redis", now: float) -> Check:
    seen = workers_seen(redis)
    lately = [at for at in seen if now - at <= SEEN_WITHIN]
    if lately:
        return Check("workers", True, f"{len(lately)} seen lately")
    ago = f"the last one was seen {now - max(seen):.0f} s ago" if seen else "none was ever seen"
    return Check("workers", False, ago)


def _text(text: str, status: HTTPStatus) -> HttpResponse:
    headers = {"Cache-Control": "no-store"}
    return HttpResponse(text, status=status, content_type="text/plain", headers=headers)
