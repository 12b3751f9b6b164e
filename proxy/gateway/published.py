"""What the control plane has published, kept up to date in one process of a web server.

A thread reads Redis and brings circuits to agreement with those of all other workers;
requests never wait for it. While Redis is away, the last that was read holds.
"""

import logging
from collections.abc import Mapping
from threading import Event, Lock, Thread
from time import monotonic, sleep, time
from typing import Any

import msgspec
from redis import Redis, RedisError

from pool.bus import (
    CIRCUITS_KEY,
    FAILOVER_KEY,
    HEALTH_KEY,
    SNAPSHOT_KEY,
    FailoverState,
    HealthStatus,
)
from pool.snapshot import RouteSpec, Snapshot, SnapshotError, decode
from proxy.client.decisions import Decisions
from proxy.core.balancing import UnknownAlgorithm
from proxy.core.configuration import Configuration
from proxy.stores.redis import ThreadedRedisCircuits

BATCH = 0.02  # seconds in which results are collected before they are sent
TICK = 0.05  # between two looks while a circuit is not closed
INTERVAL = 0.5  # seconds between two readings

log = logging.getLogger("lbsite.client")


class Published:
    """`mount`: the path under which the pools are served, each under its name."""

    def __init__(self, redis: Redis, mount: str, sticky_key: bytes) -> None:
        self._redis = redis
        self._mount = mount
        self._sticky_key = sticky_key
        self._shared = ThreadedRedisCircuits(redis)
        self._news = Event()
        self.decisions = Decisions(time, self._news.set, alone=False)
        self._raw = b""
        self._away = False
        self._starting = Lock()
        self._started = False

    @property
    def configuration(self) -> Configuration:
        """What runs now. The first one to ask waits until Redis has been read once."""
        if not self._started:
            with self._starting:
                if not self._started:
                    self._step(self._read)
                    Thread(target=self._follow, name="lbsite-published", daemon=True).start()
                    self._started = True
        return self.decisions.configuration

    def _follow(self) -> None:
        read_at = monotonic() + INTERVAL
        while True:
            pause = TICK if self.decisions.circuits.guarding else INTERVAL
            if self._news.wait(min(pause, max(0.0, read_at - monotonic()))):
                sleep(BATCH)
                self._news.clear()
            self._step(self._agree)
            if monotonic() >= read_at:
                self._step(self._read)
                read_at = monotonic() + INTERVAL

    def _step(self, step: Any) -> None:
        try:
            step()
        except RedisError as error:
            if not self._away:
                log.warning("Redis is away, going on with what was published last: %s", error)
            self._away = True
        except Exception:  # a defect in one reading must not end all that follow
            log.exception("what is published could not be taken up")
        else:
            self._away = False

    # --- circuits ---

    def _agree(self) -> None:
        decisions, now = self.decisions, time()
        with decisions.lock:
            steps = decisions.circuits.steps(now)
        if not steps:
            return
        try:
            circuits = self._shared.apply(steps, now)
        except RedisError:
            with decisions.lock:
                decisions.circuits.decide_alone(steps, now)
            raise
        with decisions.lock:
            decisions.circuits.agreed(steps, circuits)

    # --- configuration and health ---

    def _read(self) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.get(SNAPSHOT_KEY)
            for key in (FAILOVER_KEY, HEALTH_KEY, CIRCUITS_KEY):
                pipe.hgetall(key)
            raw, floors, health, circuits = pipe.execute()
        if raw is not None and raw != self._raw:
            self._take_snapshot(raw)
        decisions = self.decisions
        statuses = _decoded(health, HealthStatus)
        states = _decoded(floors, FailoverState)
        with decisions.lock:
            for pool in decisions.configuration.pools.values():
                if pool.spec.id in states:
                    pool.set_floor(states[pool.spec.id].floor)
                pool.set_all_health(statuses)
            decisions.circuits.take_all(circuits)

    def _take_snapshot(self, raw: bytes) -> None:
        self._raw = raw
        try:
            snapshot = decode(raw)
            routes = _routes_by_name(snapshot, self._mount)
            self.decisions.configure(
                msgspec.structs.replace(snapshot, routes=routes), self._sticky_key
            )
        except (SnapshotError, UnknownAlgorithm) as error:
            log.error("a configuration was refused, the last one runs on: %s", error)


def _routes_by_name(snapshot: Snapshot, mount: str) -> tuple[RouteSpec, ...]:
    """In the place of the operator's: each pool under its name; counted as of no route."""
    return tuple(
        RouteSpec(id=0, pool_id=pool.id, path_prefix=mount + pool.name, strip_prefix=True)
        for pool in snapshot.pools
    )


def _decoded(records: Mapping[bytes, bytes], kind: type[Any]) -> dict[int, Any]:
    """By id, without what another version has written in another shape."""
    found = {}
    for number, record in records.items():
        try:
            found[int(number)] = msgspec.json.decode(record, type=kind)
        except (ValueError, msgspec.DecodeError) as error:
            log.error("a record of %r is malformed: %s", number, error)
    return found
