"""Another URL is another server: what the calls of the old one have said is void."""

from collections.abc import Iterator
from time import time

from redis.client import Pipeline

from pool.actor import current_actor
from pool.choices import CircuitEvent, CircuitMode
from pool.circuits import script
from pool.circuits.records import Order, Terms, terms_of
from pool.snapshot import Snapshot, SnapshotError, decode


def renew(pipe: Pipeline, before: bytes | None, after: str) -> None:
    """Close the circuits of backends that one snapshot has elsewhere than the other had them.

    After what announces the snapshot: edges then know the new server before its circuit.
    """
    try:
        moved = list(_moved(decode(before), decode(after.encode()))) if before else []
    except SnapshotError:
        return  # of another version: it cannot be compared
    order = Order(event=CircuitEvent.RESET, cause="its URL was changed", actor=current_actor())
    step = pipe.register_script(script.source())
    for backend_id, terms in moved:
        step(script.keys(terms), script.arguments(backend_id, order, terms, time()), client=pipe)


def _moved(before: Snapshot, after: Snapshot) -> Iterator[tuple[int, Terms]]:
    urls = {backend.id: backend.url for pool in before.pools for backend in pool.backends}
    for pool in after.pools:
        if pool.circuit.mode is CircuitMode.OFF:
            continue
        for backend in pool.backends:
            if urls.get(backend.id, backend.url) != backend.url:
                yield backend.id, terms_of(pool)
