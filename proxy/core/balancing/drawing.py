"""Weighted draws, the base of the algorithms that go by chance.

A draw is one bisection of the weights' running sum. One that hits a backend
which cannot be taken is repeated, which leaves the others' chances in proportion;
only where most are out are they looked through.
"""

from bisect import bisect
from collections.abc import Container, Sequence
from itertools import accumulate

from proxy.core.backend import Backend
from proxy.core.balancing.base import Balancer

_ATTEMPTS = 8


class Drawing(Balancer):
    by_chance = True

    def update(self, backends: Sequence[Backend]) -> None:
        super().update(backends)
        self._weights = [backend.weight for backend in self.backends]
        self._ends = list(accumulate(self._weights))
        self._total = self._ends[-1] if self._ends else 0.0
        self._last = len(self._ends) - 1  # where a sum that was rounded up must end

    def draw(self, excluded: Container[Backend]) -> int:
        """The place of one that can be taken; -1 if there is none."""
        if not self.backends:
            return -1
        for _ in range(_ATTEMPTS):
            place = bisect(self._ends, self.rng.random() * self._total, 0, self._last)
            backend = self.backends[place]
            if backend.available() and backend not in excluded:
                return place
        return self._search(excluded)

    def draw_another(self, first: int, excluded: Container[Backend]) -> int:
        """The place of one that can be taken and is not `first`; -1 if there is none.

        `first` is cut out of the line on which is drawn: each of the others has its
        weight's chance. To draw from all and move a repetition on to its neighbour,
        as is often done, doubles the chance of the one that comes after a heavy one.
        """
        if not self._last:
            return -1
        weight = self._weights[first]
        start = self._ends[first] - weight
        for _ in range(_ATTEMPTS):
            point = self.rng.random() * (self._total - weight)
            if point >= start:
                point += weight
            place = bisect(self._ends, point, 0, self._last)
            backend = self.backends[place]
            if place != first and backend.available() and backend not in excluded:
                return place
        return self._search(excluded, but=first)

    def _search(self, excluded: Container[Backend], but: int = -1) -> int:
        places = [
            place
            for place, backend in enumerate(self.backends)
            if place != but and backend.available() and backend not in excluded
        ]
        if not places:
            return -1
        return self.rng.choices(places, [self._weights[place] for place in places])[0]
