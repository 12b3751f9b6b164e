"""Round robin: each in turn, whatever its weight."""

from collections.abc import Container

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING, Balancer


class RoundRobin(Balancer):
    """Tries after a failed one take turns of their own.

    Out of the common ones they would take every second turn of two backends of which
    one is dead, and leave each request to begin with that one.
    """

    def begin(self) -> None:
        self._next = self._next_again = self.offset

    def pick(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        again = excluded is not NOTHING
        start = self._next_again if again else self._next
        backends = self.backends
        for step in range(len(backends)):
            backend = backends[(start + step) % len(backends)]
            if backend.available() and backend not in excluded:
                if again:
                    self._next_again = start + step + 1
                else:
                    self._next = start + step + 1
                return backend
        return None
