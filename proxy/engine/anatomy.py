"""How a request has ended, and what its time was spent on, as HAProxy tells it.

A transaction notes an instant only where time may have passed: one that found an
idle connection at once has noted none before its response's head.
"""

from typing import Final, NamedTuple

import msgspec

from proxy.core.backend import Backend
from proxy.errors import Cause

AT_ONCE: Final = 0  # with what came before it
NEVER: Final = -1  # it has not come to that; also of a duration


class Phases(NamedTuple):
    """Nanoseconds, one after the other; None: it never came to that.

    What they leave of the whole is the response's body, or the wait in which it ended.
    """

    queue: int | None = None  # until the first try began
    retries: int | None = None  # lost with tries before the last one
    connect: int | None = None  # of the last try, until it was connected and sent
    first_byte: int | None = None  # of the last try, from then until its response's head was there


class Dispatch(NamedTuple):
    """How a request came to be with a backend. Instants as those of `End`."""

    first_try: int = AT_ONCE
    last_try: int = AT_ONCE
    sent: int = AT_ONCE  # when the last try's connection was there, if it was made for it

    def again(self, now: int) -> "Dispatch":
        """Another try has begun."""
        return Dispatch(self.first_try, now)

    def over(self, sent: int) -> "Dispatch":
        """The present try is sent over a connection of its own, or not yet, if `NEVER`."""
        return Dispatch(self.first_try, self.last_try, sent)


STRAIGHT: Final = Dispatch()  # at once, to the only one that was tried
NOWHERE: Final = Dispatch(sent=NEVER)


class End(msgspec.Struct, gc=False, kw_only=True):
    """A request that has ended. Instants are `monotonic_ns()`, or `AT_ONCE` or `NEVER`."""

    request_id: bytes
    status: int
    cause: Cause
    bytes_in: int
    bytes_out: int
    started: int  # when its head was there
    ended: int
    backend: Backend | None = None  # of the last try
    in_flight: int = 0  # other requests that it has from this worker
    attempts: int = 0
    dispatch: Dispatch = NOWHERE
    responded: int = NEVER  # when the final response's head was there

    @property
    def reused(self) -> bool | None:
        """Whether its last connection had served others before; None: it had none."""
        sent = self.dispatch.sent
        return None if sent == NEVER else sent == AT_ONCE

    def phases(self) -> Phases:
        if not self.attempts:
            return Phases()
        first_try, last_try, sent = self.dispatch
        first = first_try or self.started
        last = last_try or first
        queue, retries = first - self.started, last - first
        if sent == NEVER:
            return Phases(queue, retries)
        sent = sent or last
        waited = None if self.responded == NEVER else self.responded - sent
        return Phases(queue, retries, sent - last, waited)
