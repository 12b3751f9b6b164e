"""One request's life: which backend it goes to, and where it goes when that fails.

Events come in, decisions go out; bytes, sockets and time stay with the caller.
The asyncio engine and the `requests` transport drive the same object.

    CHOOSING ──choose()──▶ TRYING ──responded()──▶ RELAYING ──finish()──▶ DONE
        ▲                     │                        │
        └──failed(): retry────┴──failed(): give up─────┴──▶ DONE
"""

from enum import Enum, auto

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING
from proxy.core.pool import Pool
from proxy.core.retry import may_retry
from proxy.errors import Blame, NoBackend, ProxyError


class Phase(Enum):
    CHOOSING = auto()
    TRYING = auto()  # a backend has been chosen; nothing of its response was passed on
    RELAYING = auto()  # the response has begun: there is no way back
    DONE = auto()


class IllegalMove(Exception):
    """The caller reported an event that cannot happen in this phase: a defect, never traffic."""


_CHOOSING, _TRYING, _RELAYING, _DONE = Phase  # locals of the hot path
_NONE = -1  # no circuit is of this generation


class Exchange:
    """`in_flight` of the backend in use is up by one from `choose()` until the try has ended."""

    __slots__ = (
        "attempts",
        "backend",
        "generation",
        "idempotent",
        "key",
        "phase",
        "pool",
        "preferred",
        "slow",
        "timed_from",
        "tried",
    )

    def __init__(
        self,
        pool: Pool,
        idempotent: bool,
        key: bytes | None = None,
        preferred: Backend | None = None,
    ) -> None:
        """`key`: what the pool's hash key says of the request; None if it has none.

        `preferred`: the backend that the client sticks to, which need not be one that
        the algorithm may choose.
        """
        self.pool = pool
        self.idempotent = idempotent
        self.key = key
        self.preferred = preferred
        self.backend: Backend | None = None
        self.attempts = 0
        self.tried: dict[Backend, ProxyError] | None = None  # made at the first failure
        self.generation = _NONE  # of the backend's circuit, when the try began
        self.timed_from = 0  # when it began; 0: it does not matter
        self.phase = _CHOOSING

    def choose(self) -> Backend:
        """The backend of the next try; `NoBackend` if there is none."""
        if self.phase is not _CHOOSING:
            raise IllegalMove(f"choose() in {self.phase}")
        backend = self.preferred
        if backend is None or not self.sticks:
            backend = self.pool.choose(NOTHING if self.tried is None else self.tried, self.key)
        if backend is None:
            self.phase = _DONE
            raise NoBackend
        backend.take()
        breaker = backend.breaker
        if breaker is not None:
            self.generation = breaker.generation
            if breaker.close_watch:
                self.timed_from = self.pool.clock.now
                self.slow = False
                breaker.begin()
        self.backend = backend
        self.attempts += 1
        self.phase = _TRYING
        return backend

    @property
    def sticks(self) -> bool:
        """Whether the next try goes to the preferred backend, whatever the algorithm says."""
        backend = self.preferred
        # Once: what was tried or passed over is not asked again.
        if backend is None or self.attempts:
            return False
        return backend.keeps_clients and backend.available()

    def responded(self, status: int = 0) -> None:
        """The first byte of a final response is about to be passed on.

        The clock has to be right where `timed_from` is set.
        """
        if self.phase is not _TRYING:
            raise IllegalMove(f"responded() in {self.phase}")
        self.phase = _RELAYING
        if self.timed_from:
            self._watch(status)

    def _watch(self, status: int) -> None:
        backend = self.backend
        breaker = backend.breaker if backend is not None else None
        if breaker is None:
            return
        self.slow = breaker.is_slow(self.pool.clock.now - self.timed_from)
        if breaker.trial and not self.slow and status not in breaker.failing:
            # Not at the end of the response, for which others would wait as long as it streams.
            breaker.succeeded(self.generation)
            self.generation = _NONE

    def failed(self, error: ProxyError, *, replayable: bool) -> bool:
        """The try has failed. True: `choose()` again. False: `error` is the client's answer."""
        backend = self.backend
        if backend is None:
            raise IllegalMove(f"failed() in {self.phase}")
        trying = self.phase is _TRYING
        self._leave(backend)
        breaker = backend.breaker
        if breaker is not None and error.blame is Blame.BACKEND:
            breaker.failed(self.generation)
        elif breaker is not None:
            breaker.excluded(self.generation)
        self.generation, self.timed_from = _NONE, 0
        if self.tried is None:
            self.tried = {}
        self.tried[backend] = error
        if trying and may_retry(
            self.pool.spec.retry,
            error,
            attempts=self.attempts,
            idempotent=self.idempotent,
            replayable=replayable,
        ):
            self.phase = _CHOOSING
            return True
        return False

    def answer(self, error: ProxyError) -> ProxyError:
        """What the client is told, now that `error` leaves nothing to try.

        How the last try failed, and not that no other backend is left. But where the
        pool has nobody well and no try got through, that is all there is to say, and
        the client may come again (RFC 9110 §15.6.4).
        """
        tried = list(self.tried.values()) if self.tried else []
        if self.pool.hopeless and all(failure.nothing_sent for failure in tried):
            return error if isinstance(error, NoBackend) else NoBackend(error.reason)
        return tried[-1] if tried and isinstance(error, NoBackend) else error

    def finish(self, status: int = 0) -> None:
        """The response has been passed on to its end, or nobody waits for it any more.

        `status` of a whole response; 0 says nothing of the backend.
        """
        backend = self.backend
        if backend is None:
            self.phase = _DONE
            return
        self._leave(backend)
        breaker = backend.breaker
        if breaker is None:
            return
        if status in breaker.failing:
            breaker.failed(self.generation)
        elif breaker.counts:
            if status:
                breaker.succeeded(self.generation, self.timed_from > 0 and self.slow)
            else:
                breaker.excluded(self.generation)

    def _leave(self, backend: Backend) -> None:
        backend.give_back()
        self.backend = None
        self.phase = _DONE
