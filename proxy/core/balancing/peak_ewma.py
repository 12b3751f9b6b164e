"""Peak EWMA (Finagle): of two drawn by weight, the one on which a request costs less time.

The cost is the peak-sensitive latency times the requests that will be waiting:
a backend that turns slow is avoided from its first slow answer on, and let in
again as that memory fades. `proxy.core.latency` holds the formula.
"""

from collections.abc import Sequence

from proxy.core.backend import Backend
from proxy.core.balancing.power_of_two import PowerOfTwo

# Microseconds: more than any backend can have measured, and so small that a float
# still tells the requests apart that are added to it.
PENALTY = 1e12
_FADED = 1.0  # microseconds: what has decayed so far is no history


class PeakEwma(PowerOfTwo):
    def update(self, backends: Sequence[Backend]) -> None:
        super().update(backends)
        for backend in backends:
            backend.latency.follow_peak()

    def score(self, backend: Backend) -> float:
        """Microseconds of waiting for the weight.

        One without a history is tried with one request; more have to wait for what
        becomes of it.
        """
        cost = backend.latency.peak(self.clock.now)
        pending = backend.load()
        if cost < _FADED:
            return PENALTY + pending / backend.weight if pending else 0.0
        return cost * (pending + 1) / backend.weight
