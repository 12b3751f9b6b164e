"""What a request may need beyond a connection that is idle: a new one, a place, another try.

Most requests need none of it and have no such object. What is decided is the
exchange's; here is what is waited for, and what comes after a try that has failed.
"""

from asyncio import TimerHandle
from time import monotonic_ns
from typing import TYPE_CHECKING

from proxy.core.head.response import ResponseHead
from proxy.engine.anatomy import NEVER, STRAIGHT, Dispatch
from proxy.engine.queued import Queued
from proxy.engine.watch import Watch
from proxy.errors import (
    Blame,
    Cause,
    ConnectTimeout,
    DeadlineExceeded,
    ProxyError,
    RequestTimeout,
    ResponseTimeout,
    TryTimeout,
    UnwantedStatus,
)

if TYPE_CHECKING:
    from proxy.core.backend import Backend
    from proxy.engine.connections import Connecting, ConnectionPool
    from proxy.engine.hedge import Hedge
    from proxy.engine.transaction import Transaction
    from proxy.engine.upstream import UpstreamConnection

_GRACE = 1.0  # seconds; more than a back-off, so that the client's own time-out is not first


class Tries:
    """A transaction's, as long as it runs."""

    # What most of those that have it leave as it is stands here.
    dispatch = STRAIGHT
    hedged = 0  # tries that were not made because another one had failed
    _connecting: "Connecting | None" = None
    _queued: Queued | None = None
    _pause: TimerHandle | None = None  # before another try
    _watch: Watch | None = None

    def __init__(self, transaction: "Transaction") -> None:
        self._transaction = transaction
        self._edge = transaction.edge

    def stop(self) -> None:
        """Nothing is waited for any more. The clock is right."""
        if self._pause is not None:
            self._pause.cancel()
        if self._queued is not None:
            self._queued.leave()
        if self._watch is not None:
            self._watch.end()
        self.stop_connecting()

    # --- a connection ---

    def connect(self, pool: "ConnectionPool") -> None:
        """Send the request over a connection that is made for it."""
        transaction = self._transaction
        self.dispatch = self.dispatch.over(NEVER)
        timeouts = transaction.exchange.pool.spec.timeouts
        # The connect has a timer of its own; this one is for a body that trickles meanwhile.
        transaction.client.wait(timeouts.connect + timeouts.response)
        self._connecting = pool.connect(self, timeouts.connect)

    def connected(self, connection: "UpstreamConnection") -> None:
        self._connecting = None
        transaction = self._transaction
        now = monotonic_ns()
        self.dispatch = self.dispatch.over(now)
        us = (now - (self.dispatch.last_try or transaction.started)) // 1000
        self._edge.counters.connected(transaction.route, transaction.backend, us)
        transaction.send(connection)

    def stop_connecting(self) -> None:
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.give_up()

    # --- a place ---

    def wait_for_backend(self, *, full: bool) -> bool:
        """None can be tried now. Whether one is waited for: not unless they are only `full`."""
        self.dispatch = self.dispatch.over(NEVER)
        transaction = self._transaction
        pool = transaction.exchange.pool
        if not full or pool.queue is None:
            return False
        self._queued = Queued(transaction, pool.queue)
        if not self._queued.join(self._edge.clock.now):
            return False
        spec = pool.spec
        transaction.client.wait(spec.limits.queue_timeout + spec.timeouts.response + _GRACE)
        return True

    def admitted(self, backend: "Backend") -> None:
        """The request has a place: its turn in the queue has come. The clock is right."""
        transaction, now = self._transaction, self._edge.clock.now
        waited = transaction.exchange.attempts == 1  # for its first try
        self.dispatch = Dispatch(now, now) if waited else self.dispatch.again(now)
        transaction.waits_since = now
        transaction.try_at(backend)

    # --- a try that fails ---

    def try_failed(
        self, error: ProxyError, *, untouched: bool = False, stale: bool = False
    ) -> None:
        """`untouched`: not a byte of a response had come.

        `stale`: the connection had served others before. A backend may close one
        whenever it likes, so that says nothing of its health (RFC 9112 §9.3.1):
        the request is sent once more, over a fresh connection.
        """
        self._connecting = None
        transaction = self._transaction
        exchange, backend = transaction.exchange, transaction.backend
        replayable = untouched and transaction.replayable
        if stale and replayable and exchange.idempotent and backend is not None:
            self.dispatch = self.dispatch.again(monotonic_ns())
            self.connect(self._edge.connections_to(backend, exchange.pool.spec.tls))
            return
        if error.blame is Blame.BACKEND:
            cause = Cause.RESPONSE_CUT if transaction.bytes_out else error.cause
            self._count_failure(cause, error.status)
        if self._watch is not None and self._watch.hedge is not None:
            exchange.failed(error, replayable=False)
            self._watch.change_over(self._watch.hedge)
        elif exchange.failed(error, replayable=replayable):
            self._try_again()
        else:
            transaction.give_up(exchange.answer(error))

    def timed_out(self) -> None:
        """Nothing has moved for as long as the pool's time-outs allow."""
        transaction = self._transaction
        answered, slow = transaction.status > 0, transaction.client_is_slow
        if answered and slow and transaction.client.has_read():
            transaction.client.wait(transaction.idle)
        elif answered and (slow or transaction.tunnel):
            transaction.give_up(ResponseTimeout())
        elif not answered and transaction.client_owes_the_body:
            transaction.give_up(RequestTimeout())
        else:
            self._cancel_try(ResponseTimeout())

    def try_timed_out(self) -> None:
        """The present try has taken as long as its pool gives to one."""
        error = TryTimeout() if self._connecting is None else ConnectTimeout()
        self._cancel_try(error, untouched=True)

    def deadline_passed(self) -> None:
        """The whole request has taken as long as its pool allows."""
        transaction = self._transaction
        if transaction.awaits_head and not transaction.client_owes_the_body:
            self._count_failure(DeadlineExceeded.cause, DeadlineExceeded.status)
            transaction.exchange.failed(ResponseTimeout(), replayable=False)
        transaction.give_up(DeadlineExceeded())

    def _cancel_try(self, error: ProxyError, *, untouched: bool = False) -> None:
        self.stop_connecting()
        self._transaction.drop_upstream()
        self.try_failed(error, untouched=untouched)

    def _count_failure(self, cause: Cause, status: int) -> None:
        transaction = self._transaction
        self._edge.counters.failed_try(transaction.route, transaction.backend, cause)
        transaction.observe(status)

    # --- again ---

    def _try_again(self) -> None:
        """After as long as the exchange says."""
        if self._watch is not None:
            self._watch.stop_timers()
        exchange = self._transaction.exchange
        pause = exchange.pause()
        if pause:
            self._pause = self._edge.loop.call_later(pause, self._resume)
            self._transaction.client.wait(exchange.pool.spec.timeouts.response + _GRACE)
        else:
            self._resume()

    def _resume(self) -> None:
        now = self._edge.clock.now = monotonic_ns()
        self.dispatch = self.dispatch.again(now)
        self._transaction.waits_since = now
        self._transaction.start()

    # --- a try under watch ---

    @property
    def watch(self) -> Watch:
        """Made when it is first asked for."""
        if self._watch is None:
            self._watch = Watch(self._transaction)
        return self._watch

    def accept(self, head: ResponseHead) -> bool:
        """Whether the response with this head is passed on; if not, a try goes on or begins."""
        self._edge.clock.now = monotonic_ns()
        watch, status = self._watch, head.status
        hedge = None
        if watch is not None:
            watch.stop_timers()
            hedge = watch.hedge
        transaction = self._transaction
        exchange = transaction.exchange
        if watch is None or hedge is None:
            if not exchange.declines(status, replayable=transaction.replayable):
                return True
            self._count_failure(UnwantedStatus.cause, status)
            transaction.let_go()
            self._try_again()
            return False
        if status not in exchange.pool.unwanted:
            watch.end()
            return True
        self._count_failure(UnwantedStatus.cause, status)
        exchange.responded(status)
        exchange.finish(status)
        watch.change_over(hedge)
        return False

    def go_on_with(self, hedge: "Hedge") -> None:
        """The second try takes the place of the first one, which is over."""
        self.hedged = 1
        first, second = self._transaction.exchange, hedge.exchange
        second.tried = {**(second.tried or {}), **(first.tried or {})}
        self.dispatch = self.dispatch.again(hedge.began).over(hedge.sent)
        self._connecting = hedge.connecting
        self._transaction.adopt(hedge)
