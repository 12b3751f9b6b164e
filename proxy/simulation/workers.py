"""The workers of a simulated edge.

Each has a pool and balancers of its own. What another one has in flight it sees at
once, and how fast that one found the backends a moment later.
"""

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from pool.snapshot import PoolSpec
from proxy.core.balancing import Balancer, balancer_class
from proxy.core.clock import Clock
from proxy.core.pool import Pool
from proxy.core.succession import build_pool
from proxy.simulation.chance import chance


def make_pools(spec: PoolSpec, algorithm: str, count: int, clock: Clock, seed: int) -> list[Pool]:
    """The pool of `spec` in each of `count` workers; raises `UnknownAlgorithm`."""
    main, fallback = balancer_class(algorithm), balancer_class(spec.balancing.fallback)
    pools = []
    for offset in range(count):
        rng = chance(seed, f"worker {offset}")
        pool = build_pool(
            spec, _seeded(main, rng), None, offset, clock, fallback=_seeded(fallback, rng)
        )
        pool.chance = rng.random
        pools.append(pool)
    for mine in pools:
        for key, backend in mine.backends.items():
            backend.elsewhere = [pool.backends[key].cell for pool in pools if pool is not mine]
    finish_work(pools)
    return pools


def finish_work(pools: Iterable[Pool]) -> None:
    """Let algorithms finish what a change left to do, which takes the edge a moment."""
    for pool in pools:
        for tier in pool.tiers.values():
            tier.finish_work()


def share_latencies(pools: Sequence[Pool], now: int) -> None:
    """Let each worker know the mean of what the others have measured themselves."""
    for backends in zip(*(pool.backends.values() for pool in pools), strict=True):
        means = [backend.latency.own_mean(now) for backend in backends]
        total, known = sum(means), sum(map(bool, means))
        for backend, own in zip(backends, means, strict=True):
            others = known - bool(own)
            backend.latency.elsewhere = (total - own) / others if others else 0.0


def _seeded(algorithm: type[Balancer], rng: Random) -> type[Balancer]:
    """`algorithm` with its chances from `rng`; a pool makes balancers as it needs them."""

    def begin_with_rng(self: Balancer, *arguments: Any, **keywords: Any) -> None:
        algorithm.__init__(self, *arguments, **{"rng": rng, **keywords})

    return type(algorithm.__name__, (algorithm,), {"__init__": begin_with_rng})
