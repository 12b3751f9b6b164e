"""Reading files that are needed at the start, whatever stands in their place."""

import errno
import os
import stat
from pathlib import Path


def read_regular(path: Path) -> bytes:
    """OSError, too, if it is no regular file: a FIFO may have no writer, a device no end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)
