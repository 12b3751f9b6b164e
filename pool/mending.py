"""Puts right what holds the wrong type in Redis: it is moved aside, and its owner makes it anew.

All of these keys are the product's, and each is made again from elsewhere, as after a Redis
that was emptied: from the database, from what edges know, by the next probe.
"""

import logging
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import cast

from redis import Redis

from pool import bus
from pool.health import schedule

logger = logging.getLogger(__name__)

ASIDE = ":wrong-type"  # follows the key's name

KINDS: Mapping[str, str] = {
    bus.SNAPSHOT_KEY: "string",
    bus.HEALTH_KEY: "hash",
    bus.FAILOVER_KEY: "hash",
    bus.FAILOVER_MOVES: "list",
    bus.PANIC_KEY: "hash",
    bus.PANIC_ALARMS: "list",
    bus.EDGES_KEY: "hash",
    bus.KNOWN_EDGES_KEY: "hash",
    bus.EDGES_LOOKED_AT_KEY: "string",
    bus.LAGGING_EDGES_KEY: "hash",
    bus.TRAFFIC_STREAM: "stream",
    bus.REQUESTS_STREAM: "stream",
    bus.CIRCUITS_KEY: "hash",
    bus.EJECTIONS_KEY: "hash",
    bus.EVENTS_STREAM: "stream",
    schedule.DUE_KEY: "zset",
    schedule.PLAN_KEY: "hash",
    schedule.PACE_KEY: "hash",
    schedule.CLAIMS_KEY: "zset",
    schedule.STANDING_KEY: "hash",
}


def kinds_of_pools(pool_ids: Iterable[int]) -> dict[str, str]:
    kinds = {}
    for number in pool_ids:
        kinds[bus.OUT_CIRCUITS_KEY % number] = "set"
        kinds[bus.LONE_CHANGES % number] = "list"
    return kinds


class Mender:
    """A process's. What is wrong again and again is told once."""

    def __init__(self) -> None:
        self._told: set[bytes] = set()
        self._script = resources.files(__package__).joinpath("mend.lua").read_text()

    def mend(self, redis: "Redis", kinds: Mapping[str, str]) -> None:
        """`kinds`: by key the type that belongs there, in Redis' words.

        RedisError while it is away, or takes no writes.
        """
        run = redis.register_script(self._script)
        arguments = [ASIDE, *kinds.values()]
        moved = cast("list[list[bytes]]", run([*kinds], arguments))
        for key, kind in moved:
            if key not in self._told:
                name = key.decode()
                logger.error(
                    "%s in Redis was a %s and not a %s: it is made anew. What was there is "
                    "%s for a week: see who has written it, then DEL %s",
                    name,
                    kind.decode(),
                    kinds[name],
                    name + ASIDE,
                    name + ASIDE,
                )
        self._told = {key for key, _ in moved}
