"""Maglev: equal keys go to one backend, shares are exact, and a lookup is one index.

A few keys more than necessary move when backends come or go (about one in a
hundred), which ring hash avoids; in return the shares are even to a slot in 65537.

A new table is made while the last one serves. Until it is done, it answers for
the slots that are filled already and the last one for the others. (A pool's first
table has no last one: while it is made, for a few hundredths of a second, keys of slots
that are not filled yet go to the next one that is, and may move once.) One whose backend
cannot be taken is left for the next slot: the backends of neighbouring slots have
nothing to do with each other, so its keys spread over all.
"""

from collections.abc import Container, Sequence
from functools import lru_cache
from math import ceil
from operator import attrgetter

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING, Balancer
from proxy.core.balancing.hashing import stable_hash
from proxy.core.balancing.maglev_table import EMPTY, SIZE, MaglevTable

_STEPS = 8  # of a slow start: each of them takes a new table
_NEARBY = 32  # slots to look at before it is asked whether anybody at all can be taken

# Health that goes up and down finds its table again, and pools of the same backends share one.
_table_of = lru_cache(8)(MaglevTable)


class Maglev(Balancer):
    needs_key = True

    def begin(self) -> None:
        self._last = self._table = _table_of(())

    def update(self, backends: Sequence[Backend]) -> None:
        super().update(sorted(backends, key=attrgetter("id")))
        self._by_id = {backend.id: backend for backend in self.backends}
        weights = tuple((backend.id, _in_steps(backend)) for backend in self.backends)
        if weights == self._table.weights:
            return
        if self._table.done:
            self._last = self._table
        self._table = _table_of(weights)
        if not self._last.weights:
            self.work()  # there is nothing else to go by

    def work(self) -> bool:
        return self._table.work()

    def pick(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        slot = stable_hash(key or b"") % SIZE
        for step in range(SIZE):
            backend = self._owner((slot + step) % SIZE)
            if backend is not None and backend.available() and backend not in excluded:
                return backend
            if step == _NEARBY and not self._anybody(excluded):
                break
        return None

    def _owner(self, slot: int) -> Backend | None:
        table = self._table
        place = table.slots[slot]
        if place != EMPTY:
            return self.backends[place]
        place = self._last.slots[slot]
        return self._by_id.get(self._last.weights[place][0]) if place != EMPTY else None

    def _anybody(self, excluded: Container[Backend]) -> bool:
        return any(backend.available() and backend not in excluded for backend in self.backends)


def _in_steps(backend: Backend) -> float:
    """Its weight; while it starts slowly (which makes it a float), rounded up to a few steps."""
    weight, whole = backend.weight, backend.spec.weight
    if isinstance(weight, int) or not 0 < weight < whole:
        return weight
    return ceil(weight / whole * _STEPS) / _STEPS * whole
