"""Where a worker keeps the files that it maps into memory.

In the data folder; on a full disk, which must not keep an edge from serving, in shared
memory. There they outlive the worker as well, though not the machine, and workers of the
same data folder find each other's.
"""

import logging
import os
import stat
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

ROOM = 16 << 20  # bytes; more than a worker's files take unless it serves hundreds of backends
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own in it, checked

log = logging.getLogger("lbsite.edge")


def folders_for(data_dir: Path) -> list[Path]:
    """All in which a worker may have left something; the one to use comes first."""
    usual, other = data_dir / "edge", _in_shared_memory(data_dir)
    usual.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        reserve(usual)
    except OSError as error:
        if not _make_private(other):
            raise
        log.error("no room in %s (%s): the counts are kept in %s", usual, error.strerror, other)
        return [other, usual]
    return [usual, other] if _is_private(other) else [usual]


def reserve(folder: Path) -> None:
    """Raises OSError if `folder` has no room for a worker's files."""
    with tempfile.TemporaryFile(dir=folder) as file:
        os.posix_fallocate(file.fileno(), 0, ROOM)


def _in_shared_memory(data_dir: Path) -> Path:
    of_folder = sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    return SHARED_MEMORY / f"lbsite-{os.geteuid()}-{of_folder}"


def _make_private(folder: Path) -> bool:
    with suppress(OSError):
        folder.mkdir(mode=0o700)
    return _is_private(folder)


def _is_private(folder: Path) -> bool:
    """Whether it is there, and nobody else has put it, or could put anything into it."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    mine = status.st_uid == os.geteuid() and not status.st_mode & 0o077
    return mine and stat.S_ISDIR(status.st_mode)
