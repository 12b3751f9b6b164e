"""Least connections, weighted: the backend with the fewest requests for its weight.

Equals are told apart by smooth weighted round robin among themselves. Taking the
first of them instead makes the choice look uneven at low traffic, where nearly
all are equal (a frequent report of HAProxy's users).
"""

from collections.abc import Container, Sequence

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING, Balancer
from proxy.core.balancing.weighted_round_robin import WeightedRoundRobin


class LeastConnections(Balancer):
    """A pick looks at each backend once."""

    def begin(self) -> None:
        self._among_equals = WeightedRoundRobin((), self.offset)

    def update(self, backends: Sequence[Backend]) -> None:
        super().update(backends)
        self._among_equals.update(backends)

    def pick(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        best: list[Backend] = []
        best_load, best_weight = 0, 1.0
        for backend in self.backends:
            if backend in excluded or not backend.available():
                continue
            load, weight = backend.load(), backend.weight
            # load / weight, compared without a division
            difference = load * best_weight - best_load * weight if best else -1
            if difference < 0:
                best, best_load, best_weight = [backend], load, weight
            elif difference == 0:
                best.append(backend)
        if len(best) < 2:
            return best[0] if best else None
        return self._among_equals.pick(_AllBut(best))


class _AllBut:
    """Everything is in it except a few."""

    def __init__(self, few: list[Backend]) -> None:
        self._few = set(few)

    def __contains__(self, item: object) -> bool:
        return item not in self._few
