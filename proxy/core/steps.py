"""Work that would keep requests waiting if it were done in one go.

Such work is a generator that stops wherever others may go on: every few hundredths of a
millisecond, except where what it does has to be seen as a whole. Who has nobody to keep
waiting does it `at_once()`; a shell that serves requests in between brings a pace of its own.
"""

from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]

PART = 50  # backends, of which there may be thousands


def in_parts(items: Iterable[T], size: int = PART) -> Iterator[list[T]]:
    """So many of `items` as one step should deal with, again and again."""
    remaining = iter(items)
    while part := list(islice(remaining, size)):
        yield part


def at_once(steps: Steps[T]) -> T:
    """What `steps` come to."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
