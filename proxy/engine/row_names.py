"""Whose each row of a board is: a JSON line for each time that one was given to somebody.

A row is given on only when nothing is left in it. So whoever is named last has all that is
in it, whenever the worker is killed.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

_MANY = 1000  # lines of rows that were given on, for which it is not yet worth writing it anew


class RowName(NamedTuple):
    route_id: int
    pool_id: int
    pool: str
    backend_id: int
    backend: str


class _Line(NamedTuple):
    number: int
    name: RowName


class RowNames:
    """The file, beside the board."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._lines = 0

    def read(self) -> Iterator[tuple[int, RowName]]:
        """Rows' numbers and names as they were given. Raises what `MALFORMED` holds."""
        for line in self._path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):  # the last one may have been cut by a crash
                self._lines += 1
                yield msgspec.json.decode(line, type=_Line)

    def add(self, number: int, name: RowName) -> None:
        """All of it or nothing. OSError: the disk has no room for it."""
        line = _encode(number, name)
        size = os.fstat(self._descriptor).st_size
        written = os.write(self._descriptor, line)
        if written < len(line):
            os.ftruncate(self._descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        self._lines += 1

    def is_long_for(self, rows: int) -> bool:
        """Whether most of it is of rows that were given on."""
        return self._lines > 2 * rows + _MANY

    def rewrite(self, numbers: Mapping[RowName, int]) -> None:
        """Hold these alone."""
        self._lines = len(numbers)  # also if it fails: it is tried again after as many lines
        with suppress(OSError):
            self._replace(b"".join(_encode(number, name) for name, number in numbers.items()))

    def close(self, *, delete: bool) -> None:
        if delete:
            self._path.unlink(missing_ok=True)
            self._unnamed.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _replace(self, lines: bytes) -> None:
        """Whoever opens it finds all that it held, or all that it holds now."""
        unnamed = self._unnamed
        unnamed.unlink(missing_ok=True)
        descriptor = os.open(unnamed, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        if os.write(descriptor, lines) < len(lines):
            os.close(descriptor)
            unnamed.unlink()
            return
        unnamed.replace(self._path)
        os.close(self._descriptor)
        self._descriptor = descriptor

    @property
    def _unnamed(self) -> Path:
        return self._path.with_suffix(".rows.new")


def _encode(number: int, name: RowName) -> bytes:
    return msgspec.json.encode(_Line(number, name)) + b"\n"
