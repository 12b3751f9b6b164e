"""Round robin: each in turn, whatever its weight."""

from collections.abc import Container

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING, Balancer


class RoundRobin(Balancer):
    def begin(self) -> None:
        self._next = self.offset

    def pick(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        backends = self.backends
        for step in range(len(backends)):
            backend = backends[(self._next + step) % len(backends)]
            if backend.available() and backend not in excluded:
                self._next += step + 1
                return backend
        return None
