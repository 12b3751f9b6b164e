"""How a request comes to be served: it waits for a place, tries again, or tries twice at once.

The part of a transaction that most requests have no use for. What is decided is the
exchange's; here are the timers, of which a request has none unless its pool asks for it.
"""

from abc import ABCMeta, abstractmethod
from asyncio import TimerHandle
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import TYPE_CHECKING, Self, cast

from proxy.core.head.response import ResponseHead
from proxy.engine.anatomy import NEVER, Course
from proxy.engine.hedge import Hedge
from proxy.errors import (
    BodyTooLarge,
    ClientGone,
    ConnectTimeout,
    DeadlineExceeded,
    NoBackend,
    NoRoom,
    ProxyError,
    QueueTimeout,
    ResponseTimeout,
    TryTimeout,
    UnwantedStatus,
)

if TYPE_CHECKING:
    from proxy.core.backend import Backend
    from proxy.core.framing import BodyReader
    from proxy.core.queue import Queue
    from proxy.core.routing import Route
    from proxy.engine.connections import Connecting, ConnectionPool
    from proxy.engine.downstream import ClientConnection
    from proxy.engine.prepared import Prepared
    from proxy.engine.transaction import Transaction
    from proxy.engine.upstream import UpstreamConnection

_HEDGED: frozenset[bytes] = frozenset((b"GET", b"HEAD"))
_GRACE = 1.0  # seconds; more than a back-off, so that the client's own time-out is not first


class Tries(Course, metaclass=ABCMeta):
    """Base of `Transaction`, which has the bytes; names without a value here are its own."""

    selective: bool  # asks to see a response's head before it is passed on
    hedged: int  # tries that were not made because another one had failed
    _queue: "Queue | None" = None  # in which it waits
    _queued_at = 0  # since when
    _timers: Sequence[TimerHandle] = ()
    _hedge: Hedge | None = None

    done: bool
    tunnel: bool
    prepared: "Prepared"
    _client: "ClientConnection"
    _route: "Route"
    _upstream: "UpstreamConnection | None"
    _connecting: "Connecting | None"
    _body: "BodyReader | None"
    _status: int

    @property
    @abstractmethod
    def _client_owes_the_body(self) -> bool: ...

    @property
    @abstractmethod
    def _at_hand(self) -> bool:
        """Whether all of the request that was sent can be sent once more."""

    @abstractmethod
    def _too_large(self) -> bool: ...

    @abstractmethod
    def _send(self, connection: "UpstreamConnection") -> None: ...

    @abstractmethod
    def try_failed(
        self, error: ProxyError, *, untouched: bool = False, stale: bool = False
    ) -> None: ...

    @abstractmethod
    def _give_up(self, error: ProxyError) -> None: ...

    # --- a try ---

    def start(self) -> None:
        """Send the request, as far as it has come, to the next backend."""
        if self.prepared.has_body and self._too_large():
            self._give_up(BodyTooLarge())
            return
        try:
            backend = self._exchange.choose()
        except NoBackend as error:
            self._find_nobody(error)
        else:
            self._try(backend)

    def _try(self, backend: "Backend") -> None:
        self._backend = backend
        if self._exchange.pool.selective:
            self._watch()
        try:
            pool = self._edge.connections[backend]
        except KeyError:
            pool = self._edge.connections_to(backend, self._exchange.pool.spec.tls)
        connection = pool.take()
        if connection is None:
            self._connect(pool)
        else:
            self._send(connection)

    def _connect(self, pool: "ConnectionPool") -> None:
        self._sent = NEVER
        timeouts = self._exchange.pool.spec.timeouts
        # The connect has a timer of its own; this one is for a body that trickles meanwhile.
        self._client.wait(timeouts.connect + timeouts.response)
        self._connecting = pool.connect(self, timeouts.connect)

    def connected(self, connection: "UpstreamConnection") -> None:
        self._connecting = None
        now = self._sent = monotonic_ns()
        us = (now - (self._last_try or self._started)) // 1000
        self._edge.counters.connected(self._route, self._backend, us)
        self._send(connection)

    def _observe(self, status: int) -> None:
        """A try is over before a response's head; `status` says how. Sets the clock."""
        now = self._edge.clock.now = monotonic_ns()
        backend = self._backend
        # Where the request is not complete, or the response had begun, the client has a part in it.
        if backend is not None and self._body is None and not self._status:
            backend.observe_try(status, (now - (self._waits_since or self._started)) / 1000, now)

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abandon()
        if self._connecting is not None:
            self._connecting.give_up()
            self._connecting = None

    # --- no place ---

    def _find_nobody(self, error: NoBackend) -> None:
        """Wait, if it is for a place that others will give back."""
        queue = self._exchange.pool.queue
        self._sent = NEVER
        waits = isinstance(error, NoRoom) and queue is not None
        if waits and queue is not None and queue.join(self, self._edge.clock.now):
            self._queue = queue
            self._queued_at = self._edge.clock.now
            spec = self._exchange.pool.spec
            self._client.wait(spec.limits.queue_timeout + spec.timeouts.response + _GRACE)
        else:
            self._give_up(self._exchange.answer(error))

    @property
    def picky(self) -> bool:
        return bool(self._exchange.tried)

    def admit(self) -> bool:
        exchange = self._exchange
        try:
            backend = exchange.choose(waited=True)
        except NoRoom:
            return False
        except NoBackend as error:
            self._give_up(exchange.answer(error))
            return True
        self._leave_queue(backend)
        self._begin_try(self._edge.clock.now)
        if exchange.attempts == 1:
            self._first_try = self._last_try
        self._try(backend)
        return True

    def expire(self) -> None:
        self._leave_queue()
        self._give_up(self._exchange.answer(QueueTimeout()))

    def _leave_queue(self, backend: "Backend | None" = None) -> None:
        """`backend`: which has a place for it; None: it has waited in vain. The clock is right."""
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.leave(self)
            us = (self._edge.clock.now - self._queued_at) // 1000
            self._edge.counters.queued(self._route, backend, us)

    # --- again ---

    def _try_again(self) -> None:
        """After as long as the exchange says."""
        self._stop_timers()
        pause = self._exchange.pause()
        if pause:
            self._after(pause, self._resume)
            self._client.wait(self._exchange.pool.spec.timeouts.response + _GRACE)
        else:
            self._resume()

    def _resume(self) -> None:
        self._edge.clock.now = monotonic_ns()
        self._begin_try(self._edge.clock.now)
        self.start()

    # --- a try under watch ---

    def _watch(self) -> None:
        """A try begins in a pool that may not wait for its end."""
        self.selective = True
        retry = self._exchange.pool.spec.retry
        if retry.try_timeout:
            self._after(retry.try_timeout, self._take_too_long)
        if retry.hedge_after and self._may_hedge:
            self._after(retry.hedge_after, self._begin_hedge)

    def _take_too_long(self) -> None:
        if self._status or self.done:
            return
        if self._body is not None:  # which is the client's time
            self._after(self._exchange.pool.spec.retry.try_timeout, self._take_too_long)
            return
        error = TryTimeout() if self._connecting is None else ConnectTimeout()
        self._drop_upstream()
        self.try_failed(error, untouched=True)

    def taker(self, head: ResponseHead) -> Self | None:
        """Who passes on the response with this head; None: nobody, another try is made."""
        self._edge.clock.now = monotonic_ns()
        self._stop_timers()
        exchange, hedge = self._exchange, self._hedge
        if hedge is not None and head.status in exchange.pool.unwanted:
            self._count_failure(head.status)
            exchange.responded(head.status)
            exchange.finish(head.status)
            self._change_over(hedge)
            return None
        if hedge is not None:
            self._hedge = None
            hedge.abandon()
            return self
        if not exchange.declines(head.status, replayable=self._at_hand):
            return self
        self._count_failure(head.status)
        self._upstream = None
        self._try_again()
        return None

    def _count_failure(self, status: int) -> None:
        self._edge.counters.failed_try(self._route, self._backend, UnwantedStatus.cause)
        self._observe(status)

    # --- the time for all of it ---

    @property
    def untimed(self) -> bool:
        """Whether the time for a whole request does not apply (any more): a tunnel has its own."""
        return self.done or self.tunnel

    def deadline_passed(self) -> None:
        """The whole request has taken as long as the pool allows."""
        if self._upstream is not None and not self._status and not self._client_owes_the_body:
            self._edge.counters.failed_try(self._route, self._backend, DeadlineExceeded.cause)
            self._observe(DeadlineExceeded.status)
            self._exchange.failed(ResponseTimeout(), replayable=False)
        self._give_up(DeadlineExceeded())

    def end(self) -> None:
        """The worker leaves: this has had its time, and nobody is to blame."""
        self._give_up(DeadlineExceeded())

    # --- two tries ---

    @property
    def _may_hedge(self) -> bool:
        head = self.prepared.head
        plain = head.method in _HEDGED and not self.prepared.has_body and not head.upgrade
        exchange = self._exchange
        # One that sticks to its backend has its session there.
        free = not exchange.tried and exchange.preferred is None
        return plain and free and self._hedge is None

    def _begin_hedge(self) -> None:
        if self._status or self.done:
            return
        self._edge.clock.now = monotonic_ns()
        second = self._exchange.hedge()
        if second is not None:
            self._hedge = Hedge(cast("Transaction", self), second, self._edge, self._route)
            self._hedge.start()

    def hedge_failed(self, backend: "Backend", error: ProxyError) -> None:
        """The first try is left alone."""
        self._hedge = None
        self.hedged = 1
        self._exchange.tried = {**(self._exchange.tried or {}), backend: error}
        self._exchange.attempts += 1

    def hedge_won(self, hedge: Hedge) -> None:
        """The second try has a response: the first one is not waited for."""
        self._observe(ClientGone.status)  # at least so long
        self._drop_upstream()
        self._exchange.finish()
        self._change_over(hedge)
        self._stop_timers()

    def _change_over(self, hedge: Hedge) -> None:
        """Go on with the second try in place of the first, which is over."""
        self._hedge = None
        self.hedged = 1
        hedge.exchange.tried = {**(hedge.exchange.tried or {}), **(self._exchange.tried or {})}
        self._exchange = hedge.exchange
        self._backend = hedge.exchange.backend
        self._begin_try(hedge.began)
        self._sent = hedge.sent
        self._upstream = hedge.connection
        self._connecting = hedge.connecting
        hedge.hand_over()
        spec = self._exchange.pool.spec
        self._client.wait(spec.timeouts.connect + spec.timeouts.response)
        if spec.retry.try_timeout:
            self._after(spec.retry.try_timeout, self._take_too_long)

    # --- ends ---

    def _stop_trying(self) -> None:
        """Nothing is waited for any more."""
        if self._timers:
            self._stop_timers()
        if self._queue is not None:
            self._leave_queue()
        hedge, self._hedge = self._hedge, None
        if hedge is not None:
            hedge.abandon()

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._timers = [*self._timers, self._edge.loop.call_later(seconds, act)]

    def _stop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = ()
