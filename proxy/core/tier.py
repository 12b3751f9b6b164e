"""One tier of a pool in one worker: the algorithm over those that serve in it."""

from collections.abc import Container
from typing import NamedTuple

from pool.snapshot import BalancingPolicy
from proxy.core.backend import Backend, Weight
from proxy.core.balancing import Balancer
from proxy.core.balancing.base import NOTHING
from proxy.core.clock import Clock


class Algorithm(NamedTuple):
    """What chooses in a pool; `fallback` for requests that lack the key which `main` needs."""

    main: type[Balancer]
    fallback: type[Balancer]
    policy: BalancingPolicy


class Tier:
    """Outlives refreshes and configurations, since an algorithm's state has to."""

    __slots__ = ("_fallback", "_members", "balancer", "pick")

    def __init__(self, algorithm: Algorithm, offset: int, clock: Clock) -> None:
        main, fallback, policy = algorithm
        self.balancer = main((), offset, policy=policy, clock=clock)
        self._fallback = self.balancer
        self._members: list[tuple[Backend, Weight]] = []
        # Without a detour where every request can be given to the algorithm.
        self.pick = self.balancer.pick
        if main.needs_key:
            self._fallback = fallback((), offset, policy=policy, clock=clock)
            self.pick = self._pick_by_key

    def update(self, members: list[tuple[Backend, Weight]]) -> None:
        """Choose among these from now on, each with the weight that it has now."""
        for backend, weight in members:
            backend.weight = weight
        if members == self._members:
            return
        self._members = members
        backends = [backend for backend, _ in members]
        self.balancer.update(backends)
        if self._fallback is not self.balancer:
            self._fallback.update(backends)

    def work(self) -> bool:
        """As `Balancer.work()`, for both algorithms."""
        more = self.balancer.work()
        if self._fallback is not self.balancer:
            more = self._fallback.work() or more
        return more

    def finish_work(self) -> None:
        """All that a change has left to do, for those who need not serve anybody meanwhile."""
        while self.work():
            pass

    def failed(self, backend: Backend) -> None:
        """A try at this backend has failed by its own fault; it need not be one of this tier."""
        self.balancer.failed(backend)
        if self._fallback is not self.balancer:
            self._fallback.failed(backend)

    def _pick_by_key(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        return self.balancer_for(key).pick(excluded, key)

    def balancer_for(self, key: bytes | None) -> Balancer:
        """What chooses for a request with this key."""
        return self._fallback if key is None else self.balancer
