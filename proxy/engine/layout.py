"""Where each 64-bit word of a board's rows is, and what it is for.

Rows come in blocks of `BLOCK`, whose words lie side by side: first the rows' headers,
then each histogram, one power of two of it after the other, with the 16 buckets that each
row has in it. Requests take about as long at one backend as at the next, so that what is
counted for 1,000 backends is on 120 pages of memory. Rows in one piece each had it on
1,300, and a processor remembers the addresses of some 2,000 for all that a worker does::

    block    part 0                                             part 1
    part     header of row 0, of row 1, … | kind 0 | kind 1 | …
    kind     octave 0 of row 0, of row 1, … | octave 1 of row 0, of row 1, … | …
"""

from array import array
from typing import NamedTuple

from proxy.core.histogram import BUCKETS, OCTAVE

BLOCK = 64  # rows
_STRIDE = BLOCK * OCTAVE  # words from a row's one octave to its next one


class Kind(NamedTuple):
    """Words that one kind of times has in a row's part. Times are in microseconds."""

    min: int
    max: int
    sum: int
    histogram: int  # its first bucket, after the row's first one of all


def _kind(number: int) -> Kind:
    return Kind(8 - 2 * number, 9 - 2 * number, 18 + number, number * BLOCK * BUCKETS)


# Words of a row's header. What most requests touch shares two lines of the processor's cache.
# The first words hold the extremes of the times; these grow and nothing else:
ERRORS = 10
STATUS = 10  # + status // 100: words 11 to 15. Their sum is how many requests there were
BYTES_IN = 16
BYTES_OUT = 17
CONNECT_ERRORS = 23
TIMEOUTS = 24
CUTS = 25
RETRIES = 26
HEDGES = 27
CLIENT_ABORTS = 28
REJECTED_RATE_LIMIT = 29
REJECTED_QUEUE = 30
REJECTED_NO_BACKEND = 31
COUNTS = slice(10, 32)  # with the sums of the times
# Times of requests whose response came in one piece, so that their first byte was there
# when they were complete: counted once for both. Those of all others are counted for each.
ONE_PIECE = _kind(0)
TOTAL = _kind(1)
FIRST_BYTE = _kind(2)
# Of few requests, and therefore last: a page that nobody writes to takes no memory.
CONNECT = _kind(3)
QUEUE = _kind(4)
KINDS = (ONE_PIECE, TOTAL, FIRST_BYTE, CONNECT, QUEUE)
HEADER = 32  # words
PART = BLOCK * (HEADER + len(KINDS) * BUCKETS)  # words of a block's part
BLOCK_WORDS = 2 * PART

UNSEEN = 1 << 62  # the shortest time where there is none yet

# What words are set to when they are cleared: a row's header, and an octave of a histogram.
NO_COUNTS = memoryview(array("Q", bytes(8 * (COUNTS.stop - COUNTS.start))))
NO_TIMES = memoryview(array("Q", bytes(8 * OCTAVE)))
NEW_HEADER = memoryview(array("Q", [UNSEEN, 0] * len(KINDS) + [0] * (HEADER - 2 * len(KINDS))))


def header_of(row: int) -> int:
    """The first word of the header of row number `row`."""
    block, place = divmod(row, BLOCK)
    return block * BLOCK_WORDS + place * HEADER


def times_of(row: int) -> int:
    """The first word of the first histogram of row number `row`."""
    block, place = divmod(row, BLOCK)
    return block * BLOCK_WORDS + BLOCK * HEADER + place * OCTAVE


def word_of(bucket: int) -> int:
    """Where a bucket is, counted from the first one of its histogram."""
    octave, place = divmod(bucket, OCTAVE)
    return octave * _STRIDE + place


def octaves(start: int, first: int, last: int) -> range:
    """The first words of the octaves of buckets `first` to `last`; `start`: the histogram's."""
    return range(start + first // OCTAVE * _STRIDE, start + last // OCTAVE * _STRIDE + 1, _STRIDE)
