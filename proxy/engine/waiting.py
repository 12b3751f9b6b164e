"""When a pool's queue has its turn: whenever it is woken, and every few milliseconds."""

from asyncio import AbstractEventLoop
from time import monotonic_ns

from proxy.core.clock import Clock
from proxy.core.queue import Queue

TICK = 0.01  # seconds; another worker that gives a place back tells nobody


class Waiting:
    """Makes no timer while nobody waits."""

    def __init__(self, queue: Queue, loop: AbstractEventLoop, clock: Clock) -> None:
        self._queue = queue
        self._loop = loop
        self._clock = clock
        self._woken = False
        self._ticking = False
        queue.wake = self._wake

    def _wake(self) -> None:
        # Not at once: whoever gives its place back has not come to its own end yet.
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._woken = False
        if len(self._queue) and not self._ticking:
            # First: no defect in what follows may leave anybody waiting for ever.
            self._ticking = True
            self._loop.call_later(TICK, self._tick)
        self._clock.now = monotonic_ns()
        self._queue.turn(self._clock.now)

    def _tick(self) -> None:
        self._ticking = False
        self._turn()
