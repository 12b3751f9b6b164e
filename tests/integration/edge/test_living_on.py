"""Everything that may happen to a running edge, at once, under a constant load."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pool.snapshot import BackendSpec, PoolSpec, RouteSpec, Snapshot, build
from tests.integration.edge.harness.backend_process import BackendProcess
from tests.integration.edge.harness.constant_load import ConstantLoad
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

RELOADS = 10
SWAPS = 100
SWAP_INTERVAL = 0.1


def changed(number: int, backends: list[BackendSpec]) -> Snapshot:
    """One that differs from the last: in a weight, and in who is there at all."""
    first, *others = backends[: 2 + number % 2]
    weighted = BackendSpec(id=first.id, name=first.name, url=first.url, weight=1 + number % 3)
    pool = PoolSpec(id=1, name="shop", backends=(weighted, *others))
    return build(number, (pool,), (RouteSpec(id=1, pool_id=1),))


@contextmanager
def swapping(edge: Edge, backends: list[BackendSpec]) -> Iterator[None]:
    """A new configuration every 100 ms, until there have been all of them."""

    def swap() -> None:
        pause = threading.Event()
        for _ in range(SWAPS):
            edge.number += 1
            edge.announce(changed(edge.number, backends))
            pause.wait(SWAP_INTERVAL)

    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    yield
    thread.join(60)


def reload(edge: Edge, workers: int) -> None:
    """HUP, until the new workers serve; the old ones may still be finishing."""
    before = set(edge.workers)
    edge.signal(signal.SIGHUP)
    wait_until("new ones serve", lambda: len(reporting(edge) - before) >= workers)


def reporting(edge: Edge) -> set[int]:
    return {report.pid for report in edge.all_reports()} & set(edge.workers)


def test_reloads_swaps_and_more_or_fewer_workers_at_1000_requests_a_second_fail_none(
    start_edge: Callable[..., Edge], processes: list[BackendProcess]
) -> None:
    backends = [process.spec for process in processes]
    edge = start_edge("--workers", "2")
    edge.serve(*backends, workers=2)
    with ConstantLoad(edge.port) as load, swapping(edge, backends):
        for number in range(RELOADS):
            reload(edge, workers=2)
            if number % 3 == 0:
                edge.signal(signal.SIGTTIN)
                wait_until("a third one serves", lambda: len(reporting(edge)) >= 3)
                edge.signal(signal.SIGTTOU)
    edge.wait_for(edge.number, workers=2)
    seen = load.seen
    assert seen.failures == []
    assert seen.answered == seen.sent
    assert min(seen.sent.values()) > 500, "each kind of client was there"
    wait_until("each is counted once", lambda: edge.counted() == sum(seen.answered.values()))
