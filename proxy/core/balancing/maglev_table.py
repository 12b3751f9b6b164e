"""Maglev's lookup table (Eisenbud et al., NSDI 2016, §3.4), with weights as Envoy's has them.

Each backend has an order of its own in which it would like to have the slots. In
turns, each takes the first that is still free. Filling all takes some 700,000
looks at a slot, and some 30 ms: so it is done in slices. A slot that is
filled keeps its backend, and a table that is half done already gives the right
answer for half of the keys.
"""

from array import array
from collections.abc import Iterator
from hashlib import blake2b
from struct import Struct

SIZE = 65537  # prime: every step goes through all slots
EMPTY = 0xFFFF
_SLICE = 8000  # looks at a slot; about a millisecond
_DONE = object()
_ORDER = Struct("<QQ")

Weights = tuple[tuple[int, float], ...]  # (backend's id, weight), by id


class MaglevTable:
    """`slots`: the place in `weights` of each slot's backend, or EMPTY while it is not done."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.slots = array("H", [EMPTY]) * SIZE
        self.done = not weights
        self._slices = self._fill()

    def work(self) -> bool:
        """Fill some more slots; whether there are more to fill."""
        if not self.done and next(self._slices, _DONE) is _DONE:
            self.done = True
        return not self.done

    def _fill(self) -> Iterator[None]:
        """Stops at the end of each slice."""
        slots, filled = self.slots, bytearray(SIZE)
        heaviest = max(weight for _, weight in self.weights)
        skips, nexts = _orders(self.weights)
        taken = [0] * len(self.weights)
        left, looks, iteration = SIZE, 0, 0
        while True:
            iteration += 1
            for place, (_, weight) in enumerate(self.weights):
                if iteration * weight < taken[place] * heaviest:
                    continue  # the lighter ones have a turn less often
                taken[place] += 1
                slot, skip = nexts[place], skips[place]
                while filled[slot]:
                    slot = (slot + skip) % SIZE
                filled[slot] = 1
                nexts[place] = slot
                slots[slot] = place
                looks += SIZE // left  # that were to be expected
                left -= 1
                if not left:
                    return
                if looks > _SLICE:
                    looks = 0
                    yield


def _orders(weights: Weights) -> tuple[list[int], list[int]]:
    """How far each backend goes on from slot to slot, and where it begins."""
    skips, offsets = [], []
    for backend_id, _ in weights:
        digest = blake2b(backend_id.to_bytes(8, "little"), digest_size=16).digest()
        offset, skip = _ORDER.unpack(digest)
        offsets.append(offset % SIZE)
        skips.append(skip % (SIZE - 1) + 1)
    return skips, offsets
