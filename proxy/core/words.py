"""Numbers that others may see."""

from typing import Protocol


class Words(Protocol):
    """64-bit numbers in a place that others may read, and write: a list, or shared memory."""

    def __getitem__(self, index: int, /) -> int: ...
    def __setitem__(self, index: int, value: int, /) -> None: ...
