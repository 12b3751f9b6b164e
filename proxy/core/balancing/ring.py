"""A ring of hashed points, 160 for each backend and unit of weight, after ketama.

Two things are done differently than in ketama, so that a thousand backends do not
bring an edge to a halt when they change:

The ring is cut into 160 segments, and each unit of weight has one point at a
random place in each of them. A lookup then needs one segment, or two, and a
segment is made when it is first needed, in about a millisecond for a thousand
backends; the whole ring would take a fifth of a second. (Shares become a little
more even as well, for no stretch of the ring is short of anybody's points.)

Points of a backend that is out stay where they are and are passed over, which is
the same as if they were not there. So is a part of the points of one whose weight
is less than configured while it starts slowly: health that comes and goes moves
no point at all.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate
from math import ceil
from operator import attrgetter
from struct import Struct, unpack_from

from proxy.core.backend import Backend

SEGMENTS = 160
MAX_UNITS = 8192  # in a ring, lest a segment take too long to make
_UNIT_BITS = 22  # what is left of a point's value tells whose it is
_UNIT_MASK = (1 << _UNIT_BITS) - 1
_PER_DIGEST = 16  # points of 32 bits in 64 bytes
_SEED = Struct("<QII")
_STRIDE = 97  # coprime to SEGMENTS: spreads those in which a part of a unit has points


class Ring:
    def __init__(self) -> None:
        self._scale = 1
        self._units: dict[int, int] = {}  # by backend's id, ascending: how many have points
        self._first: dict[int, int] = {}  # the number of the first of them
        self._members = 0
        self._owners: list[Backend | None] = []  # by the unit's number
        self._shares: list[int] = []  # by the unit's number: in how many segments it counts
        self._segments: list[array[int] | None] = [None] * SEGMENTS

    def update(self, backends: Sequence[Backend]) -> None:
        """Take the new set, and its weights."""
        weights = {
            backend.id: max(backend.weight, backend.spec.weight)
            for backend in sorted(backends, key=attrgetter("id"))
        }
        scale = _scale(sum(weights.values()))
        units = {number: ceil(weight / scale) for number, weight in weights.items()}
        known = self._units
        if (
            scale != self._scale
            or len(known) > 2 * len(units)
            or any(known.get(number, 0) < needed for number, needed in units.items())
        ):
            self._scale = scale
            self._start_anew(units)
        self._give_out(backends)

    def successors(self, point: int) -> Iterator[Backend]:
        """Each backend once, in the order in which the ring has them from `point` (64 bits) on."""
        left = self._members
        start = (point >> 32) * SEGMENTS >> 32
        position = (point & 0xFFFFFFFF) << _UNIT_BITS
        seen: set[Backend] = set()
        for number in range(start, start + SEGMENTS + 1):
            segment = self._segments[number % SEGMENTS]
            if segment is None:
                segment = self._make(number % SEGMENTS)
            for place in range(bisect_left(segment, position), len(segment)):
                unit = segment[place] & _UNIT_MASK
                backend = self._owners[unit]
                if backend is None or backend in seen:
                    continue
                if (number * _STRIDE + backend.id) % SEGMENTS < self._shares[unit]:
                    yield backend
                    seen.add(backend)
                    if len(seen) == left:
                        return
            position = 0

    def _start_anew(self, units: dict[int, int]) -> None:
        self._units = units
        firsts = accumulate(units.values(), initial=0)
        self._first = dict(zip(units, firsts, strict=False))
        self._segments = [None] * SEGMENTS

    def _give_out(self, backends: Sequence[Backend]) -> None:
        total = sum(self._units.values())
        self._members = len(backends)
        self._owners = [None] * total
        self._shares = [0] * total
        for backend in backends:
            first = self._first[backend.id]
            # At least one point: nobody drops out of the ring because others weigh so much.
            points = max(1, round(backend.weight / self._scale * SEGMENTS))
            for unit in range(first, first + self._units[backend.id]):
                self._owners[unit] = backend
                self._shares[unit] = min(points, SEGMENTS)
                points -= self._shares[unit]

    def _make(self, number: int) -> "array[int]":
        """The segment's points, in order: 32 bits of position, then the unit's number."""
        points: list[int] = []
        unit = 0
        for backend_id, many in self._units.items():
            for done in range(0, many, _PER_DIGEST):
                few = min(_PER_DIGEST, many - done)
                # All of it, however few are wanted: a shorter digest is another one.
                digest = blake2b(_SEED.pack(backend_id, number, done)).digest()
                for position in unpack_from(f"<{few}I", digest):
                    points.append(position << _UNIT_BITS | unit)
                    unit += 1
        points.sort()
        segment = self._segments[number] = array("Q", points)
        return segment


def _scale(total: float) -> int:
    """How much weight one unit stands for: more than 1 only where the weights are enormous.

    In powers of two, for keys move where this changes, and so it does for few sets.
    """
    scale = 1
    while total > MAX_UNITS * scale:
        scale *= 2
    return scale
