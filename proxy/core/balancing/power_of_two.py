"""Power of two choices: of two drawn by weight, the one with the lower score.

Nearly as even as looking at all of them (Mitzenmacher, 1996), at a cost that does
not grow with their number, and workers that see the same state do not all choose
the same backend at once.
"""

from collections.abc import Container

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING
from proxy.core.balancing.drawing import Drawing


class PowerOfTwo(Drawing):
    def pick(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        place = self.draw(excluded)
        if place < 0:
            return None
        first = self.backends[place]
        place = self.draw_another(place, excluded)
        if place < 0:
            return first
        second = self.backends[place]
        return second if self.score(second) < self.score(first) else first

    def score(self, backend: Backend) -> float:
        """Requests for the weight, the one to be placed included."""
        return (backend.load() + 1) / backend.weight
