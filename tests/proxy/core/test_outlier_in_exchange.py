"""What a request tells the monitor of its backend, and what an ejection does to the choice."""

import pytest

from pool.outliers.records import Ejection
from pool.snapshot import BackendSpec, OutlierPolicy, PoolSpec, RetryPolicy, TierPolicy
from proxy.core.balancing import balancer_class
from proxy.core.exchange import Exchange
from proxy.core.outlier import Monitor
from proxy.core.pool import Pool
from proxy.core.succession import build_pool
from proxy.errors import BadRequest, ClientGone, ConnectFailed, ProxyError, ResponseTimeout

EJECTION = Ejection(since=1.0, until=31.0, times=1, cause="5 failures in a row")


@pytest.fixture
def pool() -> Pool:
    backends = tuple(BackendSpec(id=n, name=f"b{n}", url="http://h") for n in (1, 2))
    spec = PoolSpec(
        id=1,
        name="shop",
        backends=backends,
        tiers=TierPolicy(panic_threshold=0),
        retry=RetryPolicy(attempts=1),
    )
    pool = build_pool(spec, balancer_class("round_robin"), None, 0)
    for backend in pool.backends.values():
        backend.monitor = Monitor(OutlierPolicy(enabled=True), lambda _: None)
    return pool


def counted(pool: Pool) -> tuple[int, int]:
    both = [one.monitor.begin_interval() for one in pool.backends.values() if one.monitor]
    return sum(good for good, _ in both), sum(bad for _, bad in both)


@pytest.mark.parametrize(
    ("status", "counts"),
    [(200, (1, 0)), (404, (1, 0)), (499, (1, 0)), (500, (0, 1)), (503, (0, 1)), (0, (0, 0))],
)
def test_a_response_counts_once_by_its_status(
    pool: Pool, status: int, counts: tuple[int, int]
) -> None:
    exchange = Exchange(pool, idempotent=True)
    exchange.choose()
    exchange.responded(status)
    exchange.finish(status)
    exchange.finish(status)
    assert counted(pool) == counts


@pytest.mark.parametrize(
    ("error", "failures"),
    [(ConnectFailed(), 1), (ResponseTimeout(), 1), (ClientGone(), 0), (BadRequest(), 0)],
)
def test_only_what_the_backend_is_to_blame_for_is_a_failure(
    pool: Pool, error: ProxyError, failures: int
) -> None:
    exchange = Exchange(pool, idempotent=True)
    exchange.choose()
    exchange.failed(error, replayable=False)
    assert counted(pool) == (0, failures)


def test_an_ejected_backend_is_not_chosen_and_counts_as_lost(pool: Pool) -> None:
    pool.backends[1].ejection = EJECTION
    pool.refresh()
    assert {Exchange(pool, idempotent=True).choose().id for _ in range(6)} == {2}
    assert (pool.shares[0].healthy, pool.shares[0].total) == (1, 2)
    pool.backends[1].ejection = None
    pool.refresh()
    assert {Exchange(pool, idempotent=True).choose().id for _ in range(6)} == {1, 2}
