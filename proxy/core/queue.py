"""Who waits while all backends of a pool have as many requests as they may.

First come, first served, within a worker and among the workers of a machine: each
shows the others since when its first one waits, and lets whoever waits longer go
first. Nobody is told when another worker gives a place back; so `turn()` is not only
due when this one does, but also every few milliseconds while anybody waits.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from pool.snapshot import LimitPolicy
from proxy.core.words import Words

_SECOND = 1_000_000_000
_IN_FLIGHT, _SINCE = 0, 1  # words of a cell
# After its time-out nobody waits any more: one that seems to belongs to a worker that hangs.
_GRACE = _SECOND


class Waiter(Protocol):
    @property
    def picky(self) -> bool:
        """Whether a place that is free for others may be none for it."""

    def admit(self) -> bool:
        """Leave the queue and go on; False if there is still no room."""

    def expire(self) -> None:
        """It has waited for too long, and is out of the queue."""


class Queue:
    """One worker's, for one pool that has limits. It outlives configurations.

    `cell`: where others see what this worker has in flight, and since when its first
    one waits (nanoseconds of a clock that all share; 0: nobody does). `elsewhere`: theirs.
    `wake` is called when `turn()` is due.
    """

    __slots__ = (
        "_limit",
        "_patience",
        "_room",
        "_waiting",
        "cell",
        "elsewhere",
        "in_flight",
        "wake",
    )

    def __init__(self, limits: LimitPolicy) -> None:
        self.in_flight = 0
        self.cell: Words = [0, 0]
        self.elsewhere: Sequence[Words] = ()
        self.wake: Callable[[], None] = _nobody
        self._waiting: dict[Waiter, int] = {}  # since when, in their order
        self.configure(limits)

    def configure(self, limits: LimitPolicy) -> None:
        self._limit = limits.max_in_flight
        self._room = limits.max_queue
        self._patience = round(limits.queue_timeout * _SECOND)

    def __len__(self) -> int:
        return len(self._waiting)

    def show_in(self, cell: Words) -> None:
        """Where others look from now on."""
        self.cell = cell
        cell[_IN_FLIGHT] = self.in_flight
        self._show()

    # --- places ---

    def has_place(self, now: int, *, waited: bool) -> bool:
        """Whether a try may look for a backend. `waited`: its turn has come."""
        if self._limit and self._load() >= self._limit:
            return False
        return waited or not (self._waiting or self._others_wait(now, now))

    def take(self) -> None:
        self.in_flight += 1
        self.cell[_IN_FLIGHT] = self.in_flight

    def give_back(self) -> None:
        self.in_flight -= 1
        self.cell[_IN_FLIGHT] = self.in_flight
        if self._waiting:
            self.wake()

    def _load(self) -> int:
        return self.in_flight + sum(cell[_IN_FLIGHT] for cell in self.elsewhere)

    # --- waiting ---

    def join(self, waiter: Waiter, now: int) -> bool:
        """False: as many wait as may."""
        if len(self._waiting) >= self._room:
            return False
        self._waiting[waiter] = now
        self._show()
        self.wake()
        return True

    def leave(self, waiter: Waiter) -> None:
        """It waits no longer. Whoever is behind it may now be first."""
        if self._waiting.pop(waiter, None) is not None:
            self._show()
            if self._waiting:
                self.wake()

    def turn(self, now: int) -> None:
        """Let go on who can, the first one first, and give up on those whose time is over."""
        blocked = False
        for waiter, since in list(self._waiting.items()):
            if waiter not in self._waiting:  # it has left meanwhile
                continue
            if now - since >= self._patience:
                self.leave(waiter)
                waiter.expire()
            elif blocked:
                break  # who came later has waited for less
            elif waiter.picky:
                waiter.admit()
            else:
                blocked = self._others_wait(now, since) or not waiter.admit()

    def _others_wait(self, now: int, since: int) -> bool:
        """Whether another worker has somebody who came before `since`."""
        for cell in self.elsewhere:
            first = cell[_SINCE]
            if first and first < since and now - first < self._patience + _GRACE:
                return True
        return False

    def _show(self) -> None:
        self.cell[_SINCE] = next(
            (since for waiter, since in self._waiting.items() if not waiter.picky), 0
        )


def _nobody() -> None:
    """Wakes nobody: where requests are not kept waiting."""
