"""Round robin: each in turn, whatever its weight."""

from collections.abc import Container, Sequence

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING, Balancer


class RoundRobin(Balancer):
    def __init__(self, backends: Sequence[Backend], offset: int = 0) -> None:
        self._next = offset
        super().__init__(backends, offset)

    def pick(self, excluded: Container[Backend] = NOTHING) -> Backend | None:
        backends = self.backends
        for step in range(len(backends)):
            backend = backends[(self._next + step) % len(backends)]
            if backend.available() and backend not in excluded:
                self._next += step + 1
                return backend
        return None
