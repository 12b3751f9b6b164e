"""Files in memory, for numbers that other processes see or that outlive this one."""

import mmap
import os


def map_file(descriptor: int, size: int) -> mmap.mmap:
    """The first `size` bytes of a file. OSError: the disk has no room for them.

    Allocated, not just sized: on a full disk a hole would end the process with SIGBUS, at the
    first write that falls into it.
    """
    os.posix_fallocate(descriptor, 0, size)
    return mmap.mmap(descriptor, size)
