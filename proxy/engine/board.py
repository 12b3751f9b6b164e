"""A worker's counters, in a file that outlives it.

The file is mapped into memory and counted in directly: when the worker is
killed, the kernel keeps the pages, and another worker of the machine takes the
counts over (`proxy.engine.orphans`). A row belongs to one (route, backend) and
has two parts of the same shape. What is counted goes into the live one, which
becomes the next batch when it is frozen; then the other one is live::

    part n % 2        frozen: batch number n is all that it holds
    part (n + 1) % 2  live: what will be batch n + 1

Only when Redis has confirmed batch n is it acknowledged, then its part is
cleared, and only then is batch n + 1 frozen. Whenever the worker is killed, the
file therefore still tells which batch was under way, with what in it, and what
came after it.

Whose each row is stands beside it (`proxy.engine.row_names`). One that two configurations
in a row had no use for is given to the next one that needs one: where backends come and go
all day, the board has room for those of a few configurations, and not of a year's.
"""

import fcntl
import mmap
import os
import sys
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from pool.bus import MALFORMED
from proxy.core.backend import Backend
from proxy.core.histogram import BUCKETS, OCTAVE, bucket_index
from proxy.engine.layout import (
    BLOCK,
    BLOCK_WORDS,
    COUNTS,
    HEADER,
    KINDS,
    NEW_HEADER,
    NO_COUNTS,
    NO_TIMES,
    PART,
    UNSEEN,
    Kind,
    header_of,
    octaves,
    times_of,
)
from proxy.engine.lockfile import create_locked, lock
from proxy.engine.mapped import map_file
from proxy.engine.row_names import RowName, RowNames

# Words of the file's head.
_LAYOUT = 0  # says that the rest is as this module has it
_FROZEN = 1  # number of the newest batch that was frozen
_ACKNOWLEDGED = 2  # number of the newest batch that Redis has confirmed
_FROZEN_AT = 3  # Unix second
_HEAD_WORDS = 8
# The first number is raised with any change of meaning that leaves the second one as it is.
_LAYOUT_OF_THIS = 4 << 32 | BLOCK_WORDS


class OtherLayout(Exception):
    """The board is of another version of the software."""


class Part:
    """What a part of a row has beside its words: unlike them it is lost with the worker.

    `noted`: words of the header that have been read while it was live, as they were then;
    `noted_times`: the same of the buckets.
    """

    __slots__ = ("in_flight_peak", "noted", "noted_times")

    def __init__(self) -> None:
        self.in_flight_peak = 0
        self.noted: dict[int, int] = {}
        self.noted_times: dict[Kind, dict[int, int]] = {}


class Row:
    """`at`: the index of its header, in `Board.live` as in `Board.frozen_words`.

    `times`: that of the first bucket of its first histogram.
    """

    __slots__ = ("at", "backend", "frozen", "live", "number", "times")

    def __init__(self, number: int) -> None:
        self.number = number
        self.at = header_of(number)
        self.times = times_of(number)
        self.backend: Backend | None = None
        self.live = Part()
        self.frozen = Part()


class Board:
    """`live` are the live parts' 64-bit words, from the first row's on."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Create the board at `path`, or open the one that is there.

        Raises `Locked` if its worker is alive, `OtherLayout` if it cannot be understood, and
        OSError: FileNotFoundError without `create`.
        """
        self.path = path
        self.rows: dict[RowName, Row] = {}
        self._made = 0  # rows, with those that nobody has now
        self._free: list[int] = []  # their numbers
        self._unasked: set[RowName] = set()  # for, since the configuration changed
        self._unused: set[RowName] = set()  # nor while there was the one before
        with ExitStack() as failed:  # a board that cannot be opened is nobody's again
            existing = path.exists() or not create
            self._descriptor = lock(path, os.O_RDWR) if existing else create_locked(path)
            failed.callback(self._let_go)
            self._check_layout()
            status = os.fstat(self._descriptor)
            self.last_changed = int(status.st_mtime)
            self._names = RowNames(path.with_suffix(".rows"))
            failed.callback(self._names.close, delete=False)
            self._map(max(status.st_size, self._size(BLOCK)))
            self._load_names()
            failed.pop_all()

    @property
    def source(self) -> str:
        return self.path.stem

    # --- rows ---

    def row(self, name: RowName) -> Row:
        """The row of `name`, made if there is none yet. OSError: the disk has no room for it."""
        row = self.rows.get(name)
        if row is not None:
            self._unasked.discard(name)
            self._unused.discard(name)
            return row
        number = self._free[-1] if self._free else self._made
        self._make_room(number)
        self._names.add(number, name)
        if self._free:
            self._free.pop()
        else:
            self._made += 1
        row = self.rows[name] = Row(number)
        return row

    def look_anew(self) -> None:
        """Nobody counts in any row from now on that is not asked for again."""
        self._unused = self._unasked
        self._unasked = set(self.rows)

    def free_unused(self, most: int) -> None:
        """Take some of the rows that nobody uses from their names. No row may be being read."""
        for name in list(islice(self._unused, most)):
            self._unused.discard(name)
            if self._is_clear(self.rows[name]):  # or else it is one of them next time
                self._unasked.discard(name)
                self._free.append(self.rows.pop(name).number)
        if self._names.is_long_for(len(self.rows)):
            self._names.rewrite({name: row.number for name, row in self.rows.items()})

    def _is_clear(self, row: Row) -> bool:
        header = slice(row.at, row.at + HEADER)
        return self.live[header] == NEW_HEADER == self.frozen_words[header]

    # --- batches ---

    @property
    def changed(self) -> bool:
        """Whether anything was counted in the live part."""
        live, start, stop = self.live, COUNTS.start, COUNTS.stop
        return any(live[row.at + start : row.at + stop] != NO_COUNTS for row in self.rows.values())

    def freeze(self, at: int) -> None:
        """Make a batch of the live part. The other one has to be clear by now."""
        self.take_peaks()
        self._words[_FROZEN_AT] = at
        self._words[_FROZEN] += 1
        self._look_at_parts()
        for row in self.rows.values():
            row.live, row.frozen = row.frozen, row.live

    def take_peaks(self) -> None:
        """Keep how much each backend had in flight at most, and begin anew."""
        peaks: dict[Backend, int] = {}
        for row in self.rows.values():
            backend = row.backend
            if backend is not None:
                row.live.in_flight_peak = peaks.setdefault(backend, backend.in_flight_peak)
        for backend in peaks:
            backend.in_flight_peak = backend.in_flight

    def acknowledge(self) -> None:
        self._words[_ACKNOWLEDGED] = self._words[_FROZEN]

    def clear(self, row: Row) -> None:
        """Make the frozen part of a row, which is acknowledged, ready to be counted in again."""
        words, at, part = self.frozen_words, row.at, row.frozen
        for kind in KINDS:
            shortest, longest = words[at + kind.min], words[at + kind.max]
            if part.noted:  # and its extremes were begun anew
                changed = octaves(row.times + kind.histogram, 0, BUCKETS - 1)
            elif shortest != UNSEEN:
                first, last = bucket_index(shortest), bucket_index(longest)
                changed = octaves(row.times + kind.histogram, first, last)
            else:
                continue
            for word in changed:
                words[word : word + OCTAVE] = NO_TIMES
        words[at : at + HEADER] = NEW_HEADER
        part.noted = {}
        part.noted_times = {}

    @property
    def frozen(self) -> int:
        return self._words[_FROZEN]

    @property
    def frozen_at(self) -> int:
        return self._words[_FROZEN_AT]

    @property
    def acknowledged(self) -> int:
        return self._words[_ACKNOWLEDGED]

    # --- the file ---

    def close(self, *, delete: bool) -> None:
        """Let go of the file; the map goes with the process (rows may still be referred to)."""
        if delete:
            self.path.unlink(missing_ok=True)
        self._names.close(delete=delete)
        self._let_go()

    def _let_go(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # the map holds a descriptor of its own
        os.close(self._descriptor)

    def _check_layout(self) -> None:
        """Mark a new file. One that is empty was new when its worker was killed."""
        found = os.pread(self._descriptor, 8, 8 * _LAYOUT)
        own = _LAYOUT_OF_THIS.to_bytes(8, sys.byteorder)
        if not found:
            os.pwrite(self._descriptor, own, 8 * _LAYOUT)
        elif found != own:
            raise OtherLayout(self.path.name)

    def _make_room(self, number: int) -> None:
        """For the row of this number, which is as new."""
        if self._size(number + 1) > self._bytes:
            self._map(self._size(number + max(BLOCK, number // 4)))
        at = header_of(number)
        for words in (self.live, self.frozen_words):
            words[at : at + HEADER] = NEW_HEADER

    def _map(self, size: int) -> None:
        """Map `size` bytes. Older maps of the file show the same pages and stay usable."""
        mapped = map_file(self._descriptor, size)
        self._bytes = size
        # Or else the kernel reads ahead, and keeps all of the histograms that nobody counts in.
        mapped.madvise(mmap.MADV_RANDOM)
        self._words: memoryview[int] = memoryview(mapped).cast("Q")
        self._look_at_parts()

    def _look_at_parts(self) -> None:
        even, odd = self._words[_HEAD_WORDS:], self._words[_HEAD_WORDS + PART :]
        self.live, self.frozen_words = (even, odd) if self.frozen % 2 else (odd, even)

    def _load_names(self) -> None:
        owners: dict[int, RowName] = {}
        try:
            for number, name in self._names.read():
                before = owners.get(number)
                if before is not None and self.rows[before].number == number:
                    del self.rows[before]
                owners[number] = name
                self.rows[name] = Row(number)
        except MALFORMED as error:
            raise OtherLayout(self.path.name) from error
        self._made = max(owners, default=-1) + 1
        if min(owners, default=0) < 0 or self._size(self._made) > self._bytes:
            raise OtherLayout(self.path.name)
        in_use = {row.number for row in self.rows.values()}
        self._free = [number for number in range(self._made) if number not in in_use]

    @staticmethod
    def _size(rows: int) -> int:
        """Bytes; of whole blocks."""
        return 8 * (_HEAD_WORDS + -(-rows // BLOCK) * BLOCK_WORDS)
