"""Work in steps, at a pace that lets requests be served in between."""

from asyncio import sleep
from time import perf_counter

from proxy.core.steps import Steps, T

_SLICE = 0.00025  # seconds; with the longest step on top a request waits for about a millisecond
# Seconds between two slices. A request takes several turns of the loop: without a pause it
# would wait in each of them.
_PAUSE = 0.001


async def in_slices(steps: Steps[T]) -> T:
    """What `steps` come to; the loop has its turn whenever a slice of time is over."""
    until = perf_counter() + _SLICE
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        if perf_counter() >= until:
            await sleep(_PAUSE)
            until = perf_counter() + _SLICE
