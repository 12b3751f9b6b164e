"""What a tier's two algorithms have left to do after a change."""

from pool.snapshot import BalancingPolicy
from proxy.core.balancing.maglev import Maglev
from proxy.core.balancing.round_robin import RoundRobin
from proxy.core.clock import Clock
from proxy.core.tier import Algorithm, Tier


class Laborious(RoundRobin):
    """As somebody else's may be: it makes a table, in three slices."""

    def begin(self) -> None:
        super().begin()
        self.left = 3

    def work(self) -> bool:
        self.left = max(0, self.left - 1)
        return self.left > 0


def test_what_chooses_for_requests_without_a_key_is_worked_on_too() -> None:
    tier = Tier(Algorithm(Maglev, Laborious, BalancingPolicy()), 0, Clock())
    assert tier.work(), "there is more to do"
    tier.finish_work()
    fallback = tier.balancer_for(None)
    assert isinstance(fallback, Laborious)
    assert not fallback.left


def test_one_algorithm_alone_is_worked_on_once_a_slice() -> None:
    tier = Tier(Algorithm(Laborious, RoundRobin, BalancingPolicy()), 0, Clock())
    assert [tier.work() for _ in range(3)] == [True, True, False]
