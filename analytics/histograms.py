"""Histograms that add up without a look at each of their buckets.

Those of the edges map a bucket's index to its count (see `proxy.core.histogram`). Here one is
an integer of which each 64 bits are the count of a bucket, that of the first bucket the lowest:
the sum of two such integers has the sums of all their buckets, for the price of one addition.

In the database it begins with the index of the first bucket that has a count, in two bytes,
and two more of which the low twelve bits are how many buckets there are from it to the last
one, and the others how many bytes their largest count has. The lowest bytes of all these counts
follow, then the next higher ones of all, and so on. Little-endian all of it. What is stored of
several, one behind the other, is their sum: databases can make it.
"""

import struct
from array import array
from collections.abc import Mapping, Sequence
from sys import byteorder
from typing import Any

from proxy.core.histogram import BUCKETS

Lanes = int

_BITS, _BYTES = 64, 8  # of a count
_HEAD = struct.Struct("<HH")
_WIDTH_BITS = 12
# By the number of bytes: what a lane has above so many, for all lanes.
_ABOVE = [
    int.from_bytes((bytes(low) + b"\xff" * (_BYTES - low)) * BUCKETS, "little")
    for low in range(_BYTES + 1)
]


def lanes_of(counts: Mapping[int, int]) -> Lanes:
    """`counts` as edges send them."""
    if not counts:
        return 0
    first = min(counts)
    lanes = array("Q", bytes(_BYTES * (max(counts) - first + 1)))
    for index, count in counts.items():
        lanes[index - first] = count
    return int.from_bytes(lanes.tobytes(), byteorder) << _BITS * first


def lanes_of_all(histograms: Sequence[Mapping[int, int]]) -> Lanes:
    """The sum of some whose counts are mostly small, such as those of single seconds."""
    total = bytearray(BUCKETS)
    try:
        for counts in histograms:
            for index, count in counts.items():
                total[index] += count
    except ValueError:  # more than a byte can hold
        return sum(map(lanes_of, histograms))
    width = -(-int.from_bytes(total, "little").bit_length() // 8)
    lanes = bytearray(_BYTES * width)
    lanes[::_BYTES] = total[:width]
    return int.from_bytes(lanes, "little")


def counts_of(lanes: Lanes) -> dict[int, int]:
    """As edges send it, by index, without buckets that counted nothing."""
    first, width, data = _cut(lanes)
    counts = struct.unpack(f"<{width}Q", data)
    return {index: count for index, count in enumerate(counts, first) if count}


def pack(lanes: Lanes) -> bytes:
    if not lanes:
        return b""
    first, width, data = _cut(lanes)
    planes = 1
    while lanes & _ABOVE[planes]:
        planes += 1
    head = _HEAD.pack(first, planes << _WIDTH_BITS | width)
    return b"".join([head, *[data[plane::_BYTES] for plane in range(planes)]])


def unpack(data: Any) -> Lanes:
    """The sum of those in `data`, as databases give it back: bytes, or a memoryview."""
    sums: dict[int, int] = {}  # by the first bucket
    position, end = 0, len(data)
    while position < end:
        first, shape = _HEAD.unpack_from(data, position)
        position += _HEAD.size
        width = shape & (1 << _WIDTH_BITS) - 1
        counts = bytearray(_BYTES * width)
        for plane in range(shape >> _WIDTH_BITS):
            counts[plane::_BYTES] = data[position : position + width]
            position += width
        sums[first] = sums.get(first, 0) + int.from_bytes(counts, "little")
    return sum([lanes << _BITS * first for first, lanes in sums.items()])


def _cut(lanes: Lanes) -> tuple[int, int, bytes]:
    """The first bucket that has a count, the number of those to the last, and their counts."""
    first = ((lanes & -lanes).bit_length() - 1) // _BITS if lanes else 0
    lanes >>= _BITS * first
    width = -(-lanes.bit_length() // _BITS)
    return first, width, lanes.to_bytes(_BYTES * width, "little")
