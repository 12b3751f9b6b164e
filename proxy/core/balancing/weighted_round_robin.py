"""Smooth weighted round robin, nginx's sequence at a cost that does not grow with the peers.

nginx adds to every peer's `current` its weight, takes the largest, and takes
the total from the winner: after `t` turns a peer's current is
`weight·t - total·wins`. Peers of one weight therefore keep their order among
themselves until one of them wins, and goes behind all of them then: each distinct
weight has a queue. A pick compares the queues' heads: its cost is the number of
distinct weights, however many peers there are, and the sequence is the same to
the letter, `a a b a c a a` for the weights 5, 1, 1.

A peer that is passed over, because it is full or has failed this request, gains
nothing in that turn and the winner pays for the others alone, as in nginx: the
others share in their proportions, and nobody saves up turns for a burst later.
The currents of all peers always add up to (nearly) nothing, so none can run away.

A peer that fails gains nothing either at first, and then more with each turn, until
it gains its weight again: nginx's `effective_weight`. Meanwhile it stands beside the
queues, for its current does not keep step with those of its weight. A pick looks at
each peer that recovers, and a failure at those of the same weight.
"""

from bisect import insort
from collections import deque
from collections.abc import Container, Iterable, Sequence

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING, Balancer

# (what the peer owes: total·wins - what it carried over; its place; the peer).
# The smallest owes least and goes first; equal debts go by place.
_Entry = tuple[float, int, Backend]

_AFTER_A_FAILURE = 0  # nginx takes off weight / max_fails, whose default is 1: nothing is left
_RECOVERED_BY_A_TURN = 1


class _WeightClass:
    """`queue`: its peers' entries in their order."""

    __slots__ = ("queue", "weight")

    def __init__(self, weight: float, entries: Iterable[_Entry] = ()) -> None:
        self.weight = weight
        self.queue: deque[_Entry] = deque(sorted(entries))

    def add(self, entry: _Entry) -> None:
        queue = self.queue
        if queue and entry < queue[-1]:
            insort(queue, entry)
        else:  # as a winner's does: it had the least, and now has all the others' gains on top
            queue.append(entry)


class WeightedRoundRobin(Balancer):
    def begin(self) -> None:
        self._turn = 0
        self._total: float = 0
        self._classes: list[_WeightClass] = []
        self._class_of: dict[Backend, _WeightClass] = {}
        # What those gain that have failed, while it is less than their weight. They are
        # in no queue but this one, in which turns add nothing: what a peer here owes is
        # its current with the sign changed. It is one of the classes while it has any.
        self._effective: dict[Backend, float] = {}
        self._recovering = _WeightClass(0)
        self._ahead = self.offset  # turns to go before the first one; there may be no peer yet

    def update(self, backends: Sequence[Backend]) -> None:
        """Take the new set; peers that stay keep their `current` and how far they are recovered."""
        carried = {
            backend: group.weight * self._turn - owed
            for group in self._classes
            for owed, _, backend in group.queue
        }
        super().update(backends)
        stay = [carried[backend] for backend in backends if backend in carried]
        # Those that left took their credit or debt along. Without this the others would
        # drift further from the 0 that newcomers start with at each coming and going.
        drift = sum(stay) // len(stay) if stay else 0
        self._turn = 0
        effective, self._effective = self._effective, {}
        entries: dict[float, list[_Entry]] = {}
        recovering: list[_Entry] = []
        for place, backend in enumerate(backends):
            weight = backend.weight
            equals = entries.setdefault(weight, [])
            current = carried[backend] - drift if backend in carried else 0
            if backend in effective and effective[backend] < weight:
                self._effective[backend] = effective[backend]
                equals = recovering
            equals.append((-current, place, backend))
        classes = {weight: _WeightClass(weight, equals) for weight, equals in entries.items()}
        self._class_of = {backend: classes[backend.weight] for backend in backends}
        self._recovering = _WeightClass(0, recovering)
        self._classes = list(classes.values())
        if self._effective:
            self._classes.append(self._recovering)
        self._sum_up()
        if self._total and self._ahead:
            turns, self._ahead = int(self._ahead % self._total), 0
            for _ in range(turns):
                self.pick()

    def _sum_up(self) -> None:
        # Afresh each time: adding and taking away would let fractions drift.
        self._total = sum(group.weight * len(group.queue) for group in self._classes)

    def failed(self, backend: Backend) -> None:
        group = self._class_of.get(backend)
        if group is None:
            return
        if backend not in self._effective:
            entry = next(entry for entry in group.queue if entry[2] is backend)
            group.queue.remove(entry)
            owed, place, _ = entry
            if not self._effective:
                self._classes.append(self._recovering)
            self._recovering.add((owed - group.weight * self._turn, place, backend))
            self._sum_up()
        self._effective[backend] = _AFTER_A_FAILURE

    def pick(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        self._turn += 1
        if self._effective:
            return self._pick_while_some_recover(excluded)
        classes = self._classes
        # Equal weights, the usual case, are one class: there is nothing to compare.
        group = classes[0] if len(classes) == 1 else self._leading()
        if group is None:
            return None
        queue = group.queue
        owed, place, backend = queue[0]
        if backend.available() and backend not in excluded:
            queue.popleft()
            group.add((owed + self._total, place, backend))
            return backend
        return self._pick_past(excluded, self._total)

    def _pick_while_some_recover(self, excluded: Container[Backend]) -> Backend | None:
        effective, recovering = self._effective, self._recovering
        total = self._total
        recovered = False
        entries: list[_Entry] = []
        for owed, place, backend in recovering.queue:
            gain: float = 0
            if backend.available() and backend not in excluded:
                gain, weight = effective[backend], self._class_of[backend].weight
                total += gain
                effective[backend] = min(gain + _RECOVERED_BY_A_TURN, weight)
                recovered = recovered or effective[backend] == weight
            entries.append((owed - gain, place, backend))
        recovering.queue = deque(sorted(entries))
        chosen = self._pick_past(excluded, total)
        if recovered:
            self._put_back()
        return chosen

    def _put_back(self) -> None:
        """Those that have their weight again go back among their equals, at the same current."""
        still: list[_Entry] = []
        for entry in self._recovering.queue:
            owed, place, backend = entry
            group = self._class_of[backend]
            if self._effective[backend] < group.weight:
                still.append(entry)
            else:
                del self._effective[backend]
                group.add((owed + group.weight * self._turn, place, backend))
        self._recovering.queue = deque(still)
        if not still:
            self._classes.remove(self._recovering)
        self._sum_up()

    def _leading(self) -> _WeightClass | None:
        """The class whose best peer has the largest current; the first place wins ties."""
        turn = self._turn
        best: _WeightClass | None = None
        best_current: float = 0
        best_place = 0
        for group in self._classes:
            if not group.queue:
                continue
            owed, place, _ = group.queue[0]
            current = group.weight * turn - owed
            if (
                best is None
                or current > best_current
                or (current == best_current and place < best_place)
            ):
                best, best_current, best_place = group, current, place
        return best

    def _pick_past(self, excluded: Container[Backend], total: float) -> Backend | None:
        """Set aside peers that may not be taken now until one may; `total`: what all gain."""
        aside: list[tuple[_WeightClass, _Entry]] = []
        chosen: Backend | None = None
        while chosen is None and (group := self._leading()) is not None:
            entry = group.queue.popleft()
            owed, place, backend = entry
            if backend.available() and backend not in excluded:
                chosen = backend
                entry = (owed + total, place, backend)
            else:
                total -= group.weight
                entry = (owed + group.weight, place, backend)
            aside.append((group, entry))
        for group, entry in aside:
            group.add(entry)
        return chosen
