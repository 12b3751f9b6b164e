"""What threads ask the core goes by the time of now, whatever was configured since."""

from time import monotonic_ns

from pool.snapshot import BackendSpec, PoolSpec, Snapshot
from proxy.client.decisions import Decisions
from proxy.core.exchange import Exchange


def test_algorithms_of_all_pools_have_the_right_time_after_each_configuration() -> None:
    pools = tuple(
        PoolSpec(
            id=number,
            name=f"pool{number}",
            algorithm="peak_ewma",
            backends=(BackendSpec(id=number, name="a", url="http://a"),),
        )
        for number in (1, 2, 3)
    )
    decisions = Decisions(lambda: 0.0, alone=True)
    for number in (1, 2):
        decisions.configure(Snapshot(number=number, pools=pools))
    for pool in decisions.configuration.pools.values():
        before = monotonic_ns()
        exchange = Exchange(pool, idempotent=True)
        decisions.choose(exchange)
        assert pool.tiers[0].balancer.clock.now >= before
        decisions.finish(exchange)
