"""Smooth weighted round robin among changing few: how equals are told apart.

nginx's step as it stands: each of those in question gains its weight, the one
with the most goes first and pays for all. `WeightedRoundRobin` gives the same
sequence at a cost that does not grow with the backends, but only where nearly
all of them take part each time; who is equal changes with every request.
"""

from collections.abc import Sequence

from proxy.core.backend import Backend

_MAX_AHEAD = 32  # workers that start together are not more


class Turns:
    def __init__(self, offset: int) -> None:
        """`offset`: turns that are over before the first one (another in each worker)."""
        self._current: dict[Backend, float] = {}
        self._ahead = offset % _MAX_AHEAD

    def update(self, backends: Sequence[Backend]) -> None:
        """Take the new set; those that stay keep what they have."""
        before = self._current
        stay = [before[backend] for backend in backends if backend in before]
        drift = sum(stay) // len(stay) if stay else 0  # of what the others took along
        self._current = {
            backend: before[backend] - drift if backend in before else 0 for backend in backends
        }
        if backends:
            for _ in range(self._ahead):
                self.among(backends)
            self._ahead = 0

    def among(self, backends: Sequence[Backend]) -> Backend:
        """Whose turn it is, of these: at least one of the set."""
        current = self._current
        best = backends[0]
        most = current[best] + best.weight - 1
        total: float = 0
        for backend in backends:
            weight = backend.weight
            total += weight
            has = current[backend] + weight
            current[backend] = has
            if has > most:
                best, most = backend, has
        current[best] -= total
        return best
