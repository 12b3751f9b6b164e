"""Least connections, weighted: the backend with the fewest requests for its weight."""

from collections.abc import Sequence

from proxy.core.backend import Backend
from proxy.core.balancing.least import Least


class LeastConnections(Least):
    def scores(self, backends: Sequence[Backend]) -> list[float]:
        # Divided, not multiplied crosswise: equal fractions of whole numbers have one
        # quotient to the last bit (IEEE 754 rounds correctly), and different ones differ.
        return [backend.load() / backend.weight for backend in backends]

    def score(self, backend: Backend) -> float:
        """Requests for the weight."""
        return backend.load() / backend.weight
