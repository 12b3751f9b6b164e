"""What a new snapshot makes void of what was found under the last one.

Another URL is another server: what the probes and calls of the old one have said holds no
more. And who has left a pool takes no place of those that may be out there at once.
"""

from collections.abc import Iterator
from time import time

from redis.client import Pipeline

from pool.actor import current_actor
from pool.bus import HEALTH_KEY, OUT_CIRCUITS_KEY
from pool.choices import CircuitEvent, CircuitMode
from pool.circuits import script
from pool.circuits.records import Order, terms_of
from pool.health.schedule import DUE_KEY, STANDING_KEY
from pool.snapshot import BackendSpec, PoolSpec, Snapshot, SnapshotError, decode


def renew(pipe: Pipeline, before: bytes | None, after: str) -> None:
    """Forget it in the transaction that publishes `after` in the place of `before`.

    After what announces the snapshot: edges then know the new server before its circuit.
    """
    if not before:
        return
    try:
        old, new = decode(before), decode(after.encode())
    except SnapshotError:
        return  # of another version: it cannot be compared
    for pool_id, backend_id in _members(old) - _members(new):
        pipe.srem(OUT_CIRCUITS_KEY % pool_id, str(backend_id))
    _forget_old_servers(pipe, list(_moved(old, new)))


def _members(snapshot: Snapshot) -> set[tuple[int, int]]:
    return {(pool.id, backend.id) for pool in snapshot.pools for backend in pool.backends}


def _forget_old_servers(pipe: Pipeline, moved: list[tuple[PoolSpec, BackendSpec]]) -> None:
    order = Order(event=CircuitEvent.RESET, cause="its URL was changed", actor=current_actor())
    step = pipe.register_script(script.source())
    for pool, backend in moved:
        pipe.hdel(HEALTH_KEY, str(backend.id))
        pipe.hdel(STANDING_KEY, str(backend.id))
        pipe.zadd(DUE_KEY, {str(backend.id): time()}, xx=True)
        if pool.circuit.mode is not CircuitMode.OFF:
            terms = terms_of(pool)
            step(
                script.keys(terms), script.arguments(backend.id, order, terms, time()), client=pipe
            )


def _moved(before: Snapshot, after: Snapshot) -> Iterator[tuple[PoolSpec, BackendSpec]]:
    urls = {backend.id: backend.url for pool in before.pools for backend in pool.backends}
    for pool in after.pools:
        for backend in pool.backends:
            if urls.get(backend.id, backend.url) != backend.url:
                yield pool, backend
