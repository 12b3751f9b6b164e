"""First available: the first backend takes all it can hold, then the next one does.

How much it can hold is its `max_connections`: without that the first takes
everything. Meant for as few backends in use as the traffic needs.
"""

from collections.abc import Container

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING, Balancer


class FirstAvailable(Balancer):
    def pick(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        for backend in self.backends:
            if backend.available() and backend not in excluded:
                return backend
        return None
