"""Keeps the failover states at what health and configuration make of them.

Each verdict of a probe is looked at before it is put into Redis (`foresee`), so that
edges hear of a backend's health and of the floor in one step. What comes about
otherwise (time passes, a circuit opens or is tried, the configuration changes, Redis has
lost something, edges have been without it) is found once a second (`follow`). Any number
of workers may do both.
"""

import logging
from collections.abc import Callable, Iterable

from django.db import DatabaseError
from redis import Redis

from pool.bus import FailoverState
from pool.choices import HealthState
from pool.failover import decide, events, meanwhile
from pool.failover.store import FailoverStore, Replacement, removal, replacement
from pool.snapshot import PoolSpec, Snapshot

logger = logging.getLogger(__name__)

Recall = Callable[[Iterable[int]], dict[int, FailoverState]]


class FailoverWatch:
    def __init__(self, redis: "Redis", recall: Recall = events.recall) -> None:
        self._store = FailoverStore(redis)
        self._recall = recall
        self._pools: dict[int, PoolSpec] | None = None  # those with several tiers
        self._pool_of: dict[int, PoolSpec] = {}  # by a backend's id

    def take(self, snapshot: Snapshot) -> None:
        """Watch the pools of this snapshot from now on."""
        pools = [pool for pool in snapshot.pools if decide.is_tiered(pool)]
        self._pools = {pool.id: pool for pool in pools}
        self._pool_of = {backend.id: pool for pool in pools for backend in pool.backends}

    def foresee(self, backend_id: int, state: HealthState, now: float) -> Replacement | None:
        """What the backend's new state makes of its pool's; None if there is nothing to say."""
        pool = self._pool_of.get(backend_id)
        if pool is None:
            return None
        reading = self._store.read(pool)
        if reading.alone:  # what was so before the verdict is told before it
            self._bring_up(pool, now)
            reading = self._store.read(pool)
        if not reading.raw:
            return None  # `follow` begins
        out = reading.after(backend_id, state).out
        after, move = decide.follow(pool, reading.state, out, now)
        return replacement(pool.id, reading.raw, after, [move] if move else [])

    def follow(self, now: float) -> None:
        """Bring all states up to now."""
        if self._pools is None:
            return
        stored = self._store.read_all()
        self._begin(self._pools.keys() - stored.keys(), now)
        for pool_id, raw in stored.items():
            if pool_id in self._pools:
                self._bring_up(self._pools[pool_id], now)
            else:
                self._store.replace(removal(pool_id, raw))

    def _bring_up(self, pool: PoolSpec, now: float, known: FailoverState | None = None) -> None:
        reading = self._store.read(pool)
        if not reading.complete:
            return  # Redis was emptied, or the backend is new: the probes speak soon
        before = reading.state if known is None else known
        past = meanwhile.outages(pool, reading.known, reading.lone_changes)
        after, moves = meanwhile.catch_up(pool, before, past, reading.out, now)
        if reading.raw and after == reading.state and not reading.alone:
            return
        self._store.replace(replacement(pool.id, reading.raw, after, moves, reading.alone))

    def _begin(self, pool_ids: Iterable[int], now: float) -> None:
        """Take up pools without a state: from what the timeline remembers of them."""
        pool_ids = set(pool_ids)
        if not pool_ids or self._pools is None:
            return
        try:
            known = self._recall(pool_ids)
        except DatabaseError as error:
            logger.warning("failover of new pools waits for the database: %s", error)
            return
        for pool_id in pool_ids:
            self._bring_up(self._pools[pool_id], now, known.get(pool_id, FailoverState()))
