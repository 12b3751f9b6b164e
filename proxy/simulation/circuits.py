"""The circuits of simulated workers: as in the edge, with memory in the place of Redis."""

from collections.abc import Sequence

from pool.choices import CircuitMode
from pool.circuits.records import Circuit, terms_of
from proxy.core.backend import Backend
from proxy.core.circuit.breaker import Breaker
from proxy.core.pool import Pool
from proxy.stores.memory import MemoryCircuits
from proxy.stores.timing import IDLE_TICK, TICK


class Circuits:
    """`news`: whether anybody has something to say. Times are seconds."""

    def __init__(self, pools: Sequence[Pool], now: float) -> None:
        self.news = False
        self._shared = MemoryCircuits()
        self._members: list[tuple[Breaker, Backend, Pool]] = []
        for worker, pool in enumerate(pools):
            terms = terms_of(pool.spec)
            if terms.policy.mode is CircuitMode.OFF:
                continue
            for backend in pool.backends.values():
                breaker = Breaker(backend.id, terms, f"worker{worker}", self._wake)
                breaker.take_up(Circuit(), now)
                backend.set_breaker(breaker)
                self._members.append((breaker, backend, pool))

    def _wake(self, _: Breaker) -> None:
        self.news = True

    def pause(self, now: float) -> float | None:
        """How long until the next look; None: until there is news."""
        if any(breaker.guards for breaker, _, _ in self._members):
            return TICK
        return IDLE_TICK if any(breaker.due(now) for breaker, _, _ in self._members) else None

    def agree(self, now: float) -> None:
        """Let all say what they have to say, and take up what follows."""
        self.news = False
        changed: dict[int, Circuit] = {}
        for breaker, _, _ in self._members:
            for operation in breaker.operations(now):
                key = breaker.backend_id
                changed[key], _told = self._shared.apply(key, operation, breaker.terms, now)
        moved: set[Pool] = set()
        for breaker, backend, pool in self._members:
            if breaker.backend_id in changed:
                out = backend.out
                breaker.take_up(changed[breaker.backend_id], now)
                backend.set_breaker(breaker)
                if backend.out is not out:
                    moved.add(pool)
        for pool in moved:
            pool.refresh()
