"""What threads ask the core, one at a time: the only lock of the client library.

It is held for as long as a decision takes, and never while anything is sent.
"""

import logging
from collections import deque
from collections.abc import Callable
from threading import RLock
from time import monotonic_ns

from pool.choices import HealthState
from pool.circuits.records import Operation
from pool.snapshot import Snapshot
from proxy.client.turn import Turn
from proxy.core.backend import Backend
from proxy.core.clock import Clock
from proxy.core.configuration import Configuration
from proxy.core.exchange import Exchange
from proxy.core.pool import Pool
from proxy.errors import NoBackend, NoRoom, ProxyError
from proxy.stores.agreement import Agreement

_TICK = 0.05  # seconds between two looks of who waits: other things free a place as well

log = logging.getLogger("lbsite.client")


class Decisions:
    """`now`: what circuits go by, in seconds; shared ones need Unix time.

    `alone`: nobody shares the circuits. Else somebody has to bring them to agreement,
    and `wake` is called, under the lock, when there is something to say.
    """

    def __init__(
        self,
        now: Callable[[], float],
        wake: Callable[[], None] = lambda: None,
        *,
        alone: bool,
        offset: int = 0,
    ) -> None:
        self.lock = RLock()
        self.forgotten: deque[Exchange] = deque()  # whose response nobody has read or closed
        self.configuration = Configuration(offset=offset)
        self._clock = Clock()  # one: algorithms outlive the configuration that they came with
        self.circuits = Agreement(self._wake, now, log)
        self._now = now
        self._offset = offset
        self._alone = alone
        self._wake_shell = wake
        self._news = False

    def _wake(self) -> None:
        self._news = True
        self._wake_shell()

    # --- what there is to choose from ---

    def configure(self, snapshot: Snapshot, sticky_key: bytes | None = None) -> None:
        """Go by `snapshot` from the next request on. Raises `UnknownAlgorithm`."""
        with self.lock:
            self.configuration = Configuration(
                snapshot, self.configuration, self._offset, self._clock, sticky_key
            )
            self.circuits.configure(self.configuration.pools.values())

    def order(self, operation: Operation) -> None:
        """Do this to the circuits of all backends."""
        with self.lock:
            self.circuits.order(operation)

    # --- a request's life ---

    def choose(self, exchange: Exchange) -> Backend:
        """The backend of the next try; `NoBackend` if there is none, now or when it is one's turn.

        Waits, where the pool's limits say so.
        """
        with self.lock:
            pool = exchange.pool
            self._prepare(pool)
            try:
                return exchange.choose()
            except NoRoom:
                turn = self._join(exchange, pool)
            except NoBackend:
                exchange.finish()
                raise
        try:
            while not turn.over.wait(_TICK):
                with self.lock:
                    self._prepare(pool)
                    self._give_turns(pool)
        except BaseException:
            with self.lock:
                turn.abandon()
            raise
        with self.lock:
            return turn.result()

    def _prepare(self, pool: Pool) -> None:
        while self.forgotten:
            self.forgotten.popleft().finish()
        self._settle()
        pool.clock.now = monotonic_ns()
        if pool.starting:
            pool.refresh()
        for tier in pool.tiers.values():
            tier.finish_work()

    def _join(self, exchange: Exchange, pool: Pool) -> Turn:
        queue = pool.queue
        if queue is not None:
            turn = Turn(exchange, queue)
            if queue.join(turn, pool.clock.now):
                return turn
        exchange.finish()
        raise NoRoom

    def _give_turns(self, pool: Pool) -> None:
        if pool.queue is not None and len(pool.queue):
            pool.clock.now = monotonic_ns()
            pool.queue.turn(pool.clock.now)

    def responded(self, exchange: Exchange, status: int, began: int) -> None:
        """A response has begun that will be passed on; `began`: `monotonic_ns()` of the try."""
        with self.lock:
            self._observe(exchange, status, began)
            exchange.responded(status)
            self._settle()

    def failed(
        self, exchange: Exchange, error: ProxyError, began: int, *, replayable: bool
    ) -> bool:
        """As `Exchange.failed`."""
        with self.lock:
            self._observe(exchange, error.status, began)
            again = exchange.failed(error, replayable=replayable)
            self._settle()
            self._give_turns(exchange.pool)
            return again

    def declines(self, exchange: Exchange, status: int, *, replayable: bool) -> bool:
        """As `Exchange.declines`."""
        with self.lock:
            again = exchange.declines(status, replayable=replayable)
            self._give_turns(exchange.pool)
            return again

    def cut(self, exchange: Exchange, error: ProxyError) -> None:
        """The response has broken off while it was passed on."""
        with self.lock:
            if exchange.backend is not None:  # else its status has been counted as a failure
                exchange.failed(error, replayable=False)
            self._settle()
            self._give_turns(exchange.pool)

    def finish(self, exchange: Exchange, status: int = 0) -> None:
        """As `Exchange.finish`."""
        with self.lock:
            exchange.finish(status)
            self._settle()
            self._give_turns(exchange.pool)

    def _observe(self, exchange: Exchange, status: int, began: int) -> None:
        now = exchange.pool.clock.now = monotonic_ns()
        if exchange.backend is not None:
            exchange.backend.observe_try(status, (now - began) / 1000, now)

    def _settle(self) -> None:
        """Where circuits are nobody else's, what has happened is decided on the spot."""
        if self._alone and (self._news or self.circuits.guarding):
            self._news = False
            now = self._now()
            self.circuits.decide_alone(self.circuits.steps(now), now)


def is_well(backend: Backend) -> bool:
    """Whether it takes requests: not said or found to be ill, nor tried out after it was."""
    breaker = backend.breaker
    on_trial = breaker is not None and breaker.circuit.out
    ill = backend.health is not None and backend.health.state is HealthState.UNHEALTHY
    return not on_trial and not ill
