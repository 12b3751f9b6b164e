"""How a request has ended, and what its time was spent on, as HAProxy tells it.

A transaction notes an instant only where time may have passed: one that found an
idle connection at once has noted none before its response's head.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from proxy.core.backend import Backend
from proxy.errors import Cause

if TYPE_CHECKING:
    from proxy.core.exchange import Exchange
    from proxy.engine.edge import Edge

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


class End(msgspec.Struct, gc=False):
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
    first_try: int = AT_ONCE
    last_try: int = AT_ONCE
    sent: int = NEVER  # when the last try's connection was there, if it was made for it
    responded: int = NEVER  # when the final response's head was there

    @property
    def reused(self) -> bool | None:
        """Whether its last connection had served others before; None: it had none."""
        return None if self.sent == NEVER else self.sent == AT_ONCE

    def phases(self) -> Phases:
        if not self.attempts:
            return Phases()
        first = self.first_try or self.started
        last = self.last_try or first
        queue, retries = first - self.started, last - first
        if self.sent == NEVER:
            return Phases(queue, retries)
        sent = self.sent or last
        waited = None if self.responded == NEVER else self.responded - sent
        return Phases(queue, retries, sent - last, waited)


class Course:
    """Base of a transaction: what it notes of its own course. Instants as those of `End`."""

    _first_try = AT_ONCE
    _last_try = AT_ONCE
    _sent = AT_ONCE
    _responded = NEVER

    _cause: Cause
    request_id: bytes
    _started: int
    _edge: "Edge"
    _exchange: "Exchange"
    _backend: "Backend | None"
    _waits_since: int
    _bytes_in: int
    _bytes_out: int

    def _begin_try(self, now: int) -> None:
        """Not for a first try that begins at once."""
        self._waits_since = self._last_try = now
        self._sent = AT_ONCE

    def _end(self, status: int) -> End:
        """The clock has to be right."""
        backend = self._backend
        return End(
            self.request_id,
            status,
            self._cause,
            self._bytes_in,
            self._bytes_out,
            self._started,
            self._edge.clock.now,
            backend,
            backend.in_flight if backend is not None else 0,
            self._exchange.attempts,
            self._first_try,
            self._last_try,
            self._sent,
            self._responded,
        )
