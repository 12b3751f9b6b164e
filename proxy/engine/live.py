"""What each worker of the machine has in flight and has measured, visible to the others.

A worker shows its own numbers in a file of its own, mapped into memory, and
reads the others' the same way: nobody writes to a shared place, and a reader
takes no lock. The file is locked for as long as its worker lives; when the lock
is free the worker is dead, and its numbers go with its file.

The file holds 64-bit words: how many backends, then for each its id, what is in
flight, and the mean time to the first byte in microseconds (0: none was measured
of late). In flight is written and read with each request, the time once a second.
Pools whose requests may have to wait have records among them: what is in flight, and
since when the first one waits (`proxy.core.queue`).
"""

import fcntl
import logging
import mmap
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic_ns

from pool.trouble import Trouble
from proxy.core.backend import Backend
from proxy.core.queue import Queue
from proxy.core.steps import Steps, in_parts
from proxy.engine.lockfile import create_locked
from proxy.engine.mapped import map_file

_RECORD = 3
_GROW = 256  # records
_IN_FLIGHT, _LATENCY = 0, 1  # words of a cell: a record without its id
_NONE: Mapping[int, Queue] = {}
_POOL = 1 << 63  # what an id is or-ed with where it is a pool's

log = logging.getLogger("lbsite.edge")


class LiveBoard:
    """The file of this worker, and what it sees in those of the others."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = create_locked(path)
        self._backends: dict[int, Backend] = {}
        self._queues: dict[int, Queue] = {}
        self._places: dict[int, int] = {}  # of the first word after the id, by it
        self._others: dict[Path, _Other] = {}
        self._full_disk = Trouble(
            log, "other workers do not see all that this one has: %s", level=logging.ERROR
        )
        self._map(_GROW)

    def show(self, backends: Iterable[Backend], queues: Mapping[int, Queue] = _NONE) -> Steps[None]:
        """From now on what these have in flight is visible to the others.

        `queues` by their pools' ids. In steps: what has no place yet counts for itself.
        """
        before, self._backends = self._backends, {backend.id: backend for backend in backends}
        self._queues = {_POOL | pool_id: queue for pool_id, queue in queues.items()}
        for number, queue in self._queues.items():
            place = self._place(number)
            if place is not None:
                queue.show_in(self._words[place : place + _RECORD - 1])
        self._connect_queues()
        yield
        for part in in_parts(list(before.values())):
            for backend in part:
                if self._backends.get(backend.id) is not backend:
                    # Its URL was changed, or it has left: it has requests still, and another
                    # server, now or later, is shown under its id.
                    backend.cell[backend.place] = 0
                    backend.show_in([0], 0)
            yield
        for part in in_parts(list(self._backends.values())):
            for backend in part:
                self._place(backend.id)  # first: for more places the file is mapped anew
            yield
        for part in in_parts(list(self._backends.values())):
            self._show([backend for backend in part if backend.cell is not self._words])
            yield

    def add(self, backends: Iterable[Backend]) -> Steps[None]:
        """Show those of them beforehand under whose ids nobody is shown: their limits hold."""
        for part in in_parts(backends):
            self._show([backend for backend in part if backend.id not in self._backends])
            yield

    def _show(self, backends: Sequence[Backend]) -> None:
        for backend in backends:
            place = self._place(backend.id)
            if place is not None:
                backend.show_in(self._words, place + _IN_FLIGHT)
        self._connect(backends)

    def refresh(self) -> None:
        """Take up workers that have come and those that have gone, and what they show.

        To be called once a second: what was measured is shown and looked up here.
        """
        now = monotonic_ns()
        for backend_id, backend in self._backends.items():
            place = self._places.get(backend_id)
            if place is not None:
                self._words[place + _LATENCY] = round(backend.latency.own_mean(now))
        paths = set(self._path.parent.glob("*.live")) - {self._path}
        for path in paths - self._others.keys():
            other = _Other.open(path)
            if other is not None:
                self._others[path] = other
        for path, other in list(self._others.items()):
            if path not in paths or other.is_dead():
                other.close()
                del self._others[path]
                path.unlink(missing_ok=True)
            else:
                other.read()
        self._connect(self._backends.values())
        self._connect_queues()

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        for other in self._others.values():
            other.close()
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # the map keeps a duplicate open
        os.close(self._descriptor)

    def _connect(self, backends: Iterable[Backend]) -> None:
        """Give each of them what other workers show of it."""
        others = [other.cells for other in self._others.values()]
        for backend in backends:
            seen = [cells[backend.id] for cells in others if backend.id in cells]
            backend.elsewhere = seen
            times = [cell[_LATENCY] for cell in seen if cell[_LATENCY]]
            backend.latency.elsewhere = sum(times) / len(times) if times else 0.0

    def _connect_queues(self) -> None:
        others = [other.cells for other in self._others.values()]
        for number, queue in self._queues.items():
            queue.elsewhere = [cells[number] for cells in others if number in cells]

    def _place(self, number: int) -> int | None:
        """Where `number` is shown; None: on a full disk, it is not, and is served all the same."""
        if number not in self._places:
            try:
                self._places[number] = self._append(number)
            except OSError as error:
                self._full_disk.met(error)
                return None
        return self._places[number]

    def _append(self, number: int) -> int:
        count = len(self._places)
        if count == self._capacity:
            self._map(2 * count)
        index = 1 + _RECORD * count
        self._words[index] = number
        self._words[0] = count + 1  # last: a reader sees no record that is not complete
        return index + 1

    def _map(self, capacity: int) -> None:
        size = 8 * (1 + _RECORD * capacity)
        self._words: memoryview[int] = memoryview(map_file(self._descriptor, size)).cast("Q")
        self._capacity = capacity


class _Other:
    """Another worker's file, read only."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.cells: dict[int, memoryview[int]] = {}

    @classmethod
    def open(cls, path: Path) -> "_Other | None":
        try:
            return cls(os.open(path, os.O_RDONLY))
        except OSError:  # it has gone since the folder was listed, or no descriptor is left
            return None

    def is_dead(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def read(self) -> None:
        """Map the file again if it shows more backends than before."""
        size = os.fstat(self._descriptor).st_size
        if size < 8:
            return
        words: memoryview[int] = memoryview(
            mmap.mmap(self._descriptor, size, access=mmap.ACCESS_READ)
        ).cast("Q")
        if words[0] == len(self.cells):
            return
        self.cells = {
            words[index]: words[index + 1 : index + _RECORD]
            for index in range(1, 1 + _RECORD * words[0], _RECORD)
        }

    def close(self) -> None:
        os.close(self._descriptor)
