"""A try that is not simply waited for: it has a time of its own, or a second one beside it.

Only where a pool asks for it are there timers of a request's own.
"""

from asyncio import TimerHandle
from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING

from proxy.engine.hedge import Hedge
from proxy.errors import ClientGone, ProxyError

if TYPE_CHECKING:
    from proxy.core.backend import Backend
    from proxy.engine.transaction import Transaction

_HEDGED: frozenset[bytes] = frozenset((b"GET", b"HEAD"))


class Watch:
    """Over a transaction's present try."""

    hedge: Hedge | None = None  # the second try

    def __init__(self, transaction: "Transaction") -> None:
        self._transaction = transaction
        self._edge = transaction.edge
        self._timers: list[TimerHandle] = []

    def begin(self) -> None:
        """A try begins."""
        retry = self._transaction.exchange.pool.spec.retry
        if retry.try_timeout:
            self._after(retry.try_timeout, self._take_too_long)
        if retry.hedge_after and self._may_hedge:
            self._after(retry.hedge_after, self.begin_hedge)

    def end(self) -> None:
        """There is no more to watch: a response is passed on, or nobody waits for one."""
        self.stop_timers()
        hedge, self.hedge = self.hedge, None
        if hedge is not None:
            hedge.abandon()

    def _take_too_long(self) -> None:
        transaction = self._transaction
        if transaction.status or transaction.done:
            return
        if transaction.request_complete:
            transaction.tries.try_timed_out()
        else:  # which is the client's time
            self._after(transaction.exchange.pool.spec.retry.try_timeout, self._take_too_long)

    # --- two tries ---

    @property
    def _may_hedge(self) -> bool:
        prepared, exchange = self._transaction.prepared, self._transaction.exchange
        head = prepared.head
        plain = head.method in _HEDGED and not prepared.has_body and not head.upgrade
        # One that sticks to its backend has its session there.
        free = not exchange.tried and exchange.preferred is None
        return plain and free and self.hedge is None

    def begin_hedge(self) -> None:
        """Unless the request is answered, or nobody else is there for it."""
        transaction = self._transaction
        if transaction.status or transaction.done:
            return
        self._edge.clock.now = monotonic_ns()
        second = transaction.exchange.hedge()
        if second is not None and second.backend is not None:
            self.hedge = Hedge(transaction, self, second, second.backend)
            self.hedge.start()

    def hedge_failed(self, backend: "Backend", error: ProxyError) -> None:
        """The first try is left alone."""
        self.hedge = None
        self._transaction.tries.hedged = 1
        exchange = self._transaction.exchange
        exchange.tried = {**(exchange.tried or {}), backend: error}
        exchange.attempts += 1

    def hedge_won(self, hedge: Hedge) -> None:
        """The second try has a response: the first one is not waited for."""
        transaction = self._transaction
        transaction.observe(ClientGone.status)  # at least so long
        transaction.tries.stop_connecting()
        transaction.drop_upstream()
        transaction.exchange.finish()
        self.change_over(hedge)
        self.stop_timers()

    def change_over(self, hedge: Hedge) -> None:
        """Go on with the second try in place of the first, which is over."""
        self.stop_timers()  # its time was the first one's
        self.hedge = None
        tries = self._transaction.tries
        tries.go_on_with(hedge)
        hedge.hand_over(tries)
        retry = hedge.exchange.pool.spec.retry
        if retry.try_timeout:
            self._after(retry.try_timeout, self._take_too_long)

    # --- timers ---

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._timers.append(self._edge.loop.call_later(seconds, act))

    def stop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
