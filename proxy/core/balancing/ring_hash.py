"""Ring hash with bounded load: equal keys go to one backend, as long as it is not overloaded.

When one of n backends goes, about 1/n of the keys move, and none between two that
stay. A key that many ask for at once would still overload its backend: nobody
gets more than `bounded_load` times its share of what is in flight (Mirrokni,
Thorup, Zadimoghaddam: Consistent Hashing with Bounded Loads), and what is beyond
that goes on to the next on the ring.
"""

from collections.abc import Container, Sequence
from math import ceil

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING, Balancer
from proxy.core.balancing.hashing import stable_hash
from proxy.core.balancing.ring import Ring


class RingHash(Balancer):
    needs_key = True

    def begin(self) -> None:
        self._ring = Ring()

    def update(self, backends: Sequence[Backend]) -> None:
        super().update(backends)
        self._ring.update(self.backends)
        self._weight = sum(backend.weight for backend in self.backends)

    def pick(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        bounded = self.policy.bounded_load > 0
        in_flight = -1  # in all; added up only where somebody is busy
        full: Backend | None = None
        for backend in self._ring.successors(stable_hash(key or b"")):
            if backend in excluded or not backend.available():
                continue
            load = backend.load()
            if not bounded or not load:  # everybody may have one
                return backend
            if in_flight < 0:
                in_flight = sum(one.load() for one in self.backends)
            if load < self._slots(backend, in_flight):
                return backend
            full = full or backend
        return full  # only excluded ones, and ones at their limit, have room for their share

    def _slots(self, backend: Backend, in_flight: int) -> int:
        """How many requests it may have when there is one more than `in_flight` in all."""
        return ceil((in_flight + 1) * self.policy.bounded_load * backend.weight / self._weight)
