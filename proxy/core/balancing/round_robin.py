"""Round robin: each in turn, whatever its weight.

One that starts slowly or is degraded takes a part of its turns: of ten, the one whose
weight is a tenth now takes one, and the next in line takes the others.
"""

from collections.abc import Container, Sequence
from typing import ClassVar

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING, Balancer


class RoundRobin(Balancer):
    """Tries after a failed one take turns of their own.

    Out of the common ones they would take every second turn of two backends of which
    one is dead, and leave each request to begin with that one.
    """

    weighted: ClassVar[bool] = False

    def begin(self) -> None:
        self._next = self._next_again = self.offset
        self._parts: dict[Backend, float] = {}  # of a turn, of those with less than whole ones
        self._saved: dict[Backend, float] = {}

    def update(self, backends: Sequence[Backend]) -> None:
        super().update(backends)
        whole = min(1, max((backend.weight for backend in backends), default=1))
        self._parts = {
            backend: backend.weight / whole for backend in backends if backend.weight < whole
        }
        self._saved = {backend: self._saved.get(backend, 0) for backend in self._parts}

    def pick(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        again = excluded is not NOTHING
        start = self._next_again if again else self._next
        backends = self.backends
        spared: Backend | None = None  # it has to, if nobody else can
        for step in range(len(backends)):
            backend = backends[(start + step) % len(backends)]
            if backend.available() and backend not in excluded:
                if self._parts and self._spares(backend):
                    spared = spared or backend
                    continue
                if again:
                    self._next_again = start + step + 1
                else:
                    self._next = start + step + 1
                return backend
        return spared

    def _spares(self, backend: Backend) -> bool:
        """Whether it lets this turn of its go by."""
        part = self._parts.get(backend)
        if part is None:
            return False
        saved = self._saved[backend] + part
        self._saved[backend] = saved - (saved >= 1)
        return saved < 1
