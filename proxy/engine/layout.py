"""What each 64-bit word of a board's row is for."""

from array import array
from typing import NamedTuple

from proxy.core.histogram import BUCKETS


class Kind(NamedTuple):
    """Words that one kind of times has in a row's part. Times are in microseconds."""

    min: int
    max: int
    sum: int
    histogram: int  # its first word


def _kind(number: int) -> Kind:
    return Kind(8 - 2 * number, 9 - 2 * number, 18 + number, 32 + number * BUCKETS)


# Words of a row's part. What most requests touch shares two lines of the processor's cache.
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
HEADER = 32  # words before the first histogram
WORDS = HEADER + len(KINDS) * BUCKETS

UNSEEN = 1 << 62  # the shortest time where there is none yet

# What words are set to when they are cleared: a row's first ones, and a histogram.
NO_COUNTS = memoryview(array("Q", bytes(8 * (COUNTS.stop - COUNTS.start))))
NO_TIMES = memoryview(array("Q", bytes(8 * BUCKETS)))
NEW_HEADER = memoryview(array("Q", [UNSEEN, 0] * len(KINDS) + [0] * (HEADER - 2 * len(KINDS))))
