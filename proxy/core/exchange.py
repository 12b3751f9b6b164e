"""One request's life: which backend it goes to, and where it goes when that fails.

Events come in, decisions go out; bytes, sockets and time stay with the caller.
The asyncio engine and the `requests` transport drive the same object.

    CHOOSING ──choose()──▶ TRYING ──responded()──▶ RELAYING ──finish()──▶ DONE
        ▲                     │                        │
        └──failed(): retry────┴──failed(): give up─────┴──▶ DONE

Where every backend is full, `choose()` stays in CHOOSING and may be called again when
the request's turn has come (`proxy.core.queue`). A second try beside a slow first one
is an exchange of its own, of which one takes the other's place (`hedge()`).
"""

from enum import Enum, auto
from typing import NoReturn

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING
from proxy.core.pool import Pool
from proxy.core.retry import backoff, may_retry
from proxy.errors import Blame, NoBackend, NoRoom, ProxyError, TryTimeout, UnwantedStatus


class Phase(Enum):
    CHOOSING = auto()
    TRYING = auto()  # a backend has been chosen; nothing of its response was passed on
    RELAYING = auto()  # the response has begun: there is no way back
    DONE = auto()


class IllegalMove(Exception):
    """The caller reported an event that cannot happen in this phase: a defect, never traffic."""


_CHOOSING, _TRYING, _RELAYING, _DONE = Phase  # locals of the hot path
_NONE = -1  # no circuit is of this generation
_SERVER_ERROR = 500  # and above


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
        "retrying",
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
        self.retrying = False  # one of those that the pool's budget is for
        self.generation = _NONE  # of the backend's circuit, when the try began
        self.timed_from = 0  # when it began; 0: it does not matter
        self.phase = _CHOOSING

    def choose(self, *, waited: bool = False) -> Backend:
        """The backend of the next try; `NoBackend` if there is none.

        `NoRoom`, if it is so only for the moment: then it may be asked again, `waited`
        being whether the request's turn has come.
        """
        if self.phase is not _CHOOSING:
            raise IllegalMove(f"choose() in {self.phase}")
        pool = self.pool
        queue = pool.queue
        if queue is not None and not queue.has_place(pool.clock.now, waited=waited):
            raise NoRoom
        backend = self.preferred
        if backend is None or not self.sticks:
            backend = pool.choose(NOTHING if self.tried is None else self.tried, self.key)
        if backend is None:
            self._find_nobody()
        backend.take()
        if queue is not None:
            queue.take()
        breaker = backend.breaker
        if breaker is not None:
            self.generation = breaker.generation
            if breaker.close_watch:
                self.timed_from = pool.clock.now
                self.slow = False
                breaker.begin()
        self.backend = backend
        self.attempts += 1
        self.phase = _TRYING
        return backend

    def _find_nobody(self) -> NoReturn:
        if self.pool.queue is not None and self.pool.full_for(self.tried or NOTHING):
            raise NoRoom
        self._end_retrying()
        self.phase = _DONE
        raise NoBackend

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
        backend.give_back()
        if self.pool.queue is not None:
            self.pool.queue.give_back()
        self.backend = None
        self.phase = _DONE
        if error.blame is Blame.BACKEND:
            self.pool.failed(backend)
        breaker = backend.breaker
        if breaker is not None and error.blame is Blame.BACKEND:
            breaker.failed(self.generation)
        elif breaker is not None:
            breaker.excluded(self.generation)
        if backend.monitor is not None and error.blame is Blame.BACKEND:
            backend.monitor.failed(error.status)
        self.generation, self.timed_from = _NONE, 0
        if self.tried is None:
            self.tried = {}
        self.tried[backend] = error
        again = trying and may_retry(
            self.pool.spec.retry,
            error,
            attempts=self.attempts,
            idempotent=self.idempotent,
            replayable=replayable,
        )
        # What was not sent costs no backend anything when it goes to another one.
        if again and (error.nothing_sent or self._within_budget()):
            self.phase = _CHOOSING
            return True
        self._end_retrying()
        return False

    def declines(self, status: int, *, replayable: bool) -> bool:
        """Whether an answer of this status is not passed on: `choose()` again.

        Only if that finds somebody; the last answer is better than none.
        """
        backend, policy, pool = self.backend, self.pool.spec.retry, self.pool
        if status not in pool.unwanted or self.attempts >= policy.attempts:
            return False
        if not self.idempotent or not replayable or backend is None:
            return False
        tried: dict[Backend, ProxyError] = {**(self.tried or {}), backend: UnwantedStatus()}
        if not pool.has_another(tried) or not self._within_budget():
            return False
        self.responded(status)
        self.retrying = False  # for `finish()`: what the budget has given is for the next try
        self.finish(status)
        self.retrying = True
        self.tried = tried
        self.generation, self.timed_from = _NONE, 0
        self.phase = _CHOOSING
        return True

    def hedge(self) -> "Exchange | None":
        """A second try beside this one, at another backend; None if there can be none."""
        if self.phase is not _TRYING or self.attempts >= self.pool.spec.retry.attempts:
            return None
        second = Exchange(self.pool, self.idempotent, self.key)
        second.attempts = self.attempts
        second.tried = dict(self.tried or {})
        if self.backend is not None:
            second.tried[self.backend] = TryTimeout()
        if not second._within_budget():
            return None
        try:
            second.choose()
        except NoBackend:
            second.finish()
            return None
        return second

    def pause(self) -> float:
        """Seconds until the next `choose()`, after a try that failed."""
        error = next(reversed(self.tried.values())) if self.tried else NoBackend()
        return backoff(self.attempts, error, self.pool.chance)

    def _within_budget(self) -> bool:
        if not self.retrying:
            pool = self.pool
            active = pool.active() + (self.backend is None)
            self.retrying = pool.budget.take(pool.spec.retry.budget, active)
        return self.retrying

    def _end_retrying(self) -> None:
        if self.retrying:
            self.retrying = False
            self.pool.budget.give_back()

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
        if self.retrying:
            self._end_retrying()
        backend = self.backend
        if backend is None:
            self.phase = _DONE
            return
        backend.give_back()
        queue = self.pool.queue
        if queue is not None:
            queue.give_back()
        self.backend = None
        self.phase = _DONE
        monitor = backend.monitor
        if monitor is not None and status:
            if status < _SERVER_ERROR:
                monitor.successes += 1
            else:
                monitor.failed(status)
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
