"""A worker that serves nobody: it knows what the others know, and has done nothing itself."""

import time

from redis import Redis

from pool.choices import CircuitMode
from pool.circuits.records import terms_of
from proxy.core.backend import Backend
from proxy.core.circuit.breaker import Breaker
from proxy.core.ejected import show_ejected
from proxy.core.pool import Pool
from proxy.explain.published import (
    Figures,
    read_circuits,
    read_ejected,
    read_figures,
    read_floor,
    read_health,
)


def inform(pool: Pool, redis: Redis) -> Figures:
    """Tell a pool that was just built all that edges hear; what their workers report comes back."""
    figures = read_figures(redis, pool.backends)
    _show_figures(pool, figures)
    _equip(pool, redis)
    pool.set_all_health(read_health(redis, pool.backends))
    if pool.spec.outlier.enabled:
        show_ejected(pool, read_ejected(redis, pool.spec.id))
    pool.set_floor(read_floor(redis, pool.spec.id))
    pool.refresh()
    if pool.spec.balancing.slow_start:
        _show_weights(pool, figures)
    for tier in pool.tiers.values():
        tier.finish_work()
    return figures


def _show_figures(pool: Pool, figures: Figures) -> None:
    """In the places where a worker sees those of the others."""
    for number, loads in figures.loads.items():
        backend = pool.backends[number]
        backend.elsewhere = [[load.in_flight] for load in loads]
        measured = [load.latency for load in loads if load.latency]
        if measured:
            backend.latency.elsewhere = sum(measured) / len(measured)


def _equip(pool: Pool, redis: Redis) -> None:
    terms = terms_of(pool.spec)
    if terms.policy.mode is CircuitMode.OFF:
        return
    now = time.time()
    for number, circuit in read_circuits(redis, pool.backends).items():
        breaker = Breaker(number, terms, "", _keep_quiet)
        breaker.take_up(circuit, now)
        pool.backends[number].set_breaker(breaker)


def _keep_quiet(breaker: Breaker) -> None:
    """It asks for no permits: nothing is going to be sent."""


def _show_weights(pool: Pool, figures: Figures) -> None:
    """A slow start is known to the workers alone: each has seen the recovery at its time."""
    for share in pool.shares:
        if share.places:
            holders = [pool.backends[place.holder] for place in share.places]
            pool.tiers[share.tier].update(
                [(backend, _weight(backend, figures)) for backend in holders]
            )


def _weight(backend: Backend, figures: Figures) -> float:
    told = [load.weight for load in figures.loads.get(backend.id, ())]
    return min(backend.weight, sum(told) / len(told)) if told else backend.weight
