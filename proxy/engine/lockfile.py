"""Files that belong to a process for as long as it lives."""

import fcntl
import os
from pathlib import Path


class Locked(Exception):
    """The process that owns the file is alive."""


def lock(path: Path, flags: int) -> int:
    """A descriptor of `path` with the lock on it. Raises `Locked`, or OSError."""
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise Locked(path.name) from error
        raise  # a file system without locks, perhaps: that says of nobody that it lives
    return descriptor


def create_locked(path: Path) -> int:
    """A new file that is locked before anybody can find it under its name."""
    unnamed = path.with_suffix(path.suffix + ".new")
    descriptor = lock(unnamed, os.O_RDWR | os.O_CREAT)
    unnamed.rename(path)
    return descriptor
