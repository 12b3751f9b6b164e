"""Requests without a network: one algorithm, its backends, and a clock that is told the time."""

from collections import deque
from collections.abc import Container, Iterator, Sequence
from random import Random

from pool.snapshot import BalancingPolicy
from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING, Balancer
from proxy.core.clock import Clock

_PAUSE = 100_000  # nanoseconds between two requests


class Traffic:
    """Each request has a key of its own, unless one is given."""

    def __init__(
        self,
        algorithm: type[Balancer],
        backends: Sequence[Backend],
        seed: int,
        *,
        offset: int = 0,
        policy: BalancingPolicy | None = None,
    ) -> None:
        self.clock = Clock(1)
        self._rng = Random(seed)  # noqa: S311 - chance, no secret
        self.balancer = algorithm(
            (),
            offset,
            policy=policy,
            clock=self.clock,
            rng=Random(self._rng.random()),  # noqa: S311
        )
        self._held: deque[tuple[Backend, int]] = deque()
        self.update(backends)

    def update(self, backends: Sequence[Backend]) -> None:
        self.balancer.update(backends)
        while self.balancer.work():
            pass

    def pick(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        if key is None and self.balancer.needs_key:
            key = self._rng.randbytes(8)
        return self.balancer.pick(excluded, key)

    def run(self, requests: int, held: int) -> Iterator[Backend | None]:
        """Who gets each of so many requests, `held` of which are under way at any time."""
        for _ in range(requests):
            self.clock.now += _PAUSE
            pick = self.pick()
            if pick is not None:
                pick.take()
                self._held.append((pick, self.clock.now))
            while len(self._held) > held:
                self._end_oldest()
            yield pick

    def _end_oldest(self) -> None:
        backend, since = self._held.popleft()
        backend.give_back()
        backend.latency.observe((self.clock.now - since) / 1000, self.clock.now)
