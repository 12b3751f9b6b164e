"""The base of the algorithms that compare all backends: the least score wins.

A pick looks at each backend once: the scores change with every request, and with
those of other workers, of which nobody is told. Where that is too much, there
are the ones that compare two.
"""

from abc import abstractmethod
from collections.abc import Container, Sequence

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING, Balancer
from proxy.core.balancing.turns import Turns


class Least(Balancer):
    """Equals take turns by weight.

    Taking the first of them instead makes the choice look uneven at low traffic,
    where nearly all are equal (a frequent report of HAProxy's users).
    """

    def begin(self) -> None:
        self._turns = Turns(self.offset)

    def update(self, backends: Sequence[Backend]) -> None:
        super().update(backends)
        self._turns.update(self.backends)

    def pick(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        backends = self.backends
        if excluded is not NOTHING:
            backends = [backend for backend in backends if backend not in excluded]
        # To ask all of them whether they have room would cost half as much again.
        pick = self._least(backends)
        if pick is None and backends:
            pick = self._least([backend for backend in backends if backend.available()])
        return pick

    @abstractmethod
    def scores(self, backends: Sequence[Backend]) -> list[float]:
        """What each of them is compared by."""

    def _least(self, backends: Sequence[Backend]) -> Backend | None:
        """None: the least loaded are full."""
        if not backends:
            return None
        scores = self.scores(backends)
        least = min(scores)
        if scores.count(least) == 1:
            backend = backends[scores.index(least)]
            return backend if backend.available() else None
        equals = [
            backends[place]
            for place, score in enumerate(scores)
            if score == least and backends[place].available()
        ]
        return self._turns.among(equals) if equals else None
