"""A request that waits for a place: all that its backends may have at once is under way."""

from typing import TYPE_CHECKING

from proxy.errors import NoBackend, NoRoom, QueueTimeout

if TYPE_CHECKING:
    from proxy.core.backend import Backend
    from proxy.core.queue import Queue
    from proxy.engine.transaction import Transaction


class Queued:
    """In `queue`, until its turn or its time has come, or nobody waits for the response."""

    def __init__(self, transaction: "Transaction", queue: "Queue") -> None:
        self._transaction = transaction
        self._queue = queue
        self._since = 0
        self._waits = False

    def join(self, now: int) -> bool:
        """False: as many wait as may."""
        self._since = now
        self._waits = self._queue.join(self, now)
        return self._waits

    # --- what the queue asks and tells ---

    @property
    def picky(self) -> bool:
        return bool(self._transaction.exchange.tried)

    def admit(self) -> bool:
        exchange = self._transaction.exchange
        try:
            backend = exchange.choose(waited=True)
        except NoRoom:
            return False
        except NoBackend as error:
            self._transaction.give_up(exchange.answer(error))
            return True
        self.leave(backend)
        self._transaction.tries.admitted(backend)
        return True

    def expire(self) -> None:
        self.leave()
        transaction = self._transaction
        transaction.give_up(transaction.exchange.answer(QueueTimeout()))

    # --- ends ---

    def leave(self, backend: "Backend | None" = None) -> None:
        """`backend`: which has a place for it; None: it has waited in vain. The clock is right."""
        if not self._waits:
            return
        self._waits = False
        self._queue.leave(self)
        edge, route = self._transaction.edge, self._transaction.route
        edge.counters.queued(route, backend, (edge.clock.now - self._since) // 1000)
