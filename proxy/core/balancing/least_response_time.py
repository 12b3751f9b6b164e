"""Least response time: where a request is answered first, by what was measured of late.

The score is the mean time to the first byte, times the requests that share the
backend, the one to be placed included, for its weight.

A backend of which nothing is known is taken for as fast as the fastest, not for
one that needs no time at all, and may have a request only when it is its turn by
weight: a new one gets at most its fair share until it has shown how fast it is.
One that was slow and has had no request for a minute is such a one again.
"""

from collections.abc import Sequence
from math import inf, nextafter

from proxy.core.backend import Backend
from proxy.core.balancing.least import Least
from proxy.core.balancing.turns import Turns
from proxy.core.latency import FORGET


class LeastResponseTime(Least):
    def begin(self) -> None:
        super().begin()
        self._unknown_turns = Turns(self.offset)

    def update(self, backends: Sequence[Backend]) -> None:
        super().update(backends)
        self._unknown_turns.update(self.backends)

    def scores(self, backends: Sequence[Backend]) -> list[float]:
        times = self._times(backends)
        if not all(times):
            self._admit_unknown(backends, times)
        return [
            time * (1 + backend.load()) / backend.weight
            for backend, time in zip(backends, times, strict=True)
        ]

    def score(self, backend: Backend) -> float:
        """Microseconds for the weight."""
        time = backend.latency.known_mean(self.clock.now) or self._fastest(self.backends)
        return time * (1 + backend.load()) / backend.weight

    def _times(self, backends: Sequence[Backend]) -> list[float]:
        """`known_mean()` of each, without a call for each."""
        oldest = self.clock.now - FORGET
        return [
            latency.mean if (latency := backend.latency).at >= oldest else latency.elsewhere
            for backend in backends
        ]

    def _fastest(self, backends: Sequence[Backend]) -> float:
        # Where nothing is known of anybody all are equal, whatever the time.
        return min(filter(None, self._times(backends)), default=1.0)

    def _admit_unknown(self, backends: Sequence[Backend], times: list[float]) -> None:
        """Put a time in the place of each 0."""
        fastest = nextafter(self._fastest(backends), 0.0)  # its turn goes before its equals'
        turn = self._unknown_turns.among(backends)
        for place, time in enumerate(times):
            if not time:
                times[place] = fastest if backends[place] is turn else inf
