"""A worker's counters, in a file that outlives it.

The file is mapped into memory and counted in directly: when the worker is
killed, the kernel keeps the pages, and another worker of the machine takes the
counts over (`proxy.engine.traffic`). A row belongs to one (route, backend) and
has three parts of the same shape::

    live | slot 0 | slot 1

`live` only grows. Batch number n is the difference between slot n % 2 and the
other slot, which batch n - 1 left there. Only when Redis has confirmed batch n
is it acknowledged and the other slot written again. Whenever the worker is
killed, the file therefore still tells which batch was under way, with what in
it, and what came after it.

Row names stand beside it, a JSON line each, appended when a row is first used.
"""

import errno
import fcntl
import json
import mmap
import os
from pathlib import Path
from typing import NamedTuple

from proxy.core.histogram import BUCKETS
from proxy.engine.lockfile import create_locked, lock

# Words of a row's part.
ACTIVITY = 0  # goes up with each change: tells cheaply whether anything happened
REQUESTS = 1
STATUS = 1  # + status // 100: words 2 to 6
ERRORS = 7
RETRIES = 8
CLIENT_ABORTS = 9
BYTES_IN = 10
BYTES_OUT = 11
DURATION_SUM = 12
DURATION_MIN = 13  # of the present second, not a sum; 0: none yet
DURATION_MAX = 14
HEDGES = 15  # in a backend's row
REJECTED = 15  # in the row of what the edge has answered itself, which has no hedges
HISTOGRAM = 16
WORDS = HISTOGRAM + BUCKETS

# Words of the file's head.
_FROZEN = 0  # number of the newest batch that was put into a slot
_ACKNOWLEDGED = 1  # number of the newest batch that Redis has confirmed
_FROZEN_AT = 2  # Unix second
_HEAD_WORDS = 8
_STRIDE = 3 * WORDS
_GROW_ROWS = 64


class RowName(NamedTuple):
    route_id: int
    pool_id: int
    pool: str
    backend_id: int
    backend: str


class Board:
    """`live` is the map as 64-bit words; a row is known by the index of its first word."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Create the board at `path`, or open the one that is there.

        Raises `Locked` if its worker is alive, FileNotFoundError without `create`.
        """
        self.path = path
        self._names_path = path.with_suffix(".rows")
        existing = path.exists() or not create
        self._descriptor = lock(path, os.O_RDWR) if existing else create_locked(path)
        status = os.fstat(self._descriptor)
        self.last_changed = int(status.st_mtime)
        self._names = os.open(self._names_path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self.rows: dict[RowName, int] = {}
        self._map(max(status.st_size, self._size(_GROW_ROWS)))
        self._load_names()

    @property
    def source(self) -> str:
        return self.path.stem

    def row(self, name: RowName) -> int:
        """The row of `name`, made if there is none yet. OSError: the disk has no room for it."""
        index = self.rows.get(name)
        if index is None:
            self._make_room()
            self._write_name(name)
            index = self._append(name)
        return index

    def freeze(self, row: int, number: int, values: "memoryview[int]") -> None:
        start = self._slot(row, number)
        self.live[start : start + WORDS] = values

    def slot(self, row: int, number: int) -> "memoryview[int]":
        start = self._slot(row, number)
        return self.live[start : start + WORDS]

    def mark_frozen(self, number: int, at: int) -> None:
        self.live[_FROZEN_AT] = at
        self.live[_FROZEN] = number

    def mark_acknowledged(self, number: int) -> None:
        self.live[_ACKNOWLEDGED] = number

    @property
    def frozen(self) -> int:
        return self.live[_FROZEN]

    @property
    def frozen_at(self) -> int:
        return self.live[_FROZEN_AT]

    @property
    def acknowledged(self) -> int:
        return self.live[_ACKNOWLEDGED]

    def close(self, *, delete: bool) -> None:
        """Let go of the file; the map goes with the process (rows may still be referred to)."""
        if delete:
            self.path.unlink(missing_ok=True)
            self._names_path.unlink(missing_ok=True)
        os.close(self._names)
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # the map holds a descriptor of its own
        os.close(self._descriptor)

    def _make_room(self) -> None:
        count = len(self.rows)
        if self._size(count + 1) > self._bytes:
            self._map(self._size(2 * count))

    def _write_name(self, name: RowName) -> None:
        """All of it or nothing: whose a row is, the order of the names says."""
        line = json.dumps(name).encode() + b"\n"
        size = os.fstat(self._names).st_size
        written = os.write(self._names, line)
        if written < len(line):
            os.ftruncate(self._names, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._names_path))

    def _append(self, name: RowName) -> int:
        index = _HEAD_WORDS + len(self.rows) * _STRIDE
        self.rows[name] = index
        return index

    def _map(self, size: int) -> None:
        """Map `size` bytes. Older maps of the file show the same pages and stay usable."""
        # Allocated, not just sized: on a full disk a hole would kill the worker with SIGBUS
        # at the first count that falls into it, instead of raising here.
        os.posix_fallocate(self._descriptor, 0, size)
        self._bytes = size
        self.live: memoryview[int] = memoryview(mmap.mmap(self._descriptor, size)).cast("Q")

    def _load_names(self) -> None:
        for line in self._names_path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):  # the last one may have been cut by a crash
                self._append(RowName(*json.loads(line)))

    @staticmethod
    def _size(rows: int) -> int:
        return 8 * (_HEAD_WORDS + rows * _STRIDE)

    @staticmethod
    def _slot(row: int, number: int) -> int:
        return row + WORDS * (1 + number % 2)
