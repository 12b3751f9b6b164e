"""A second try of a request whose first one is slow: whichever has a response first is kept.

To its connection it is what a transaction is, until its response's head comes; then the
transaction takes its place, or it is dropped.
"""

from time import monotonic_ns
from typing import TYPE_CHECKING, Literal

from proxy.core.exchange import Exchange
from proxy.core.head.message import HEAD_END
from proxy.core.head.response import ResponseHead
from proxy.engine.anatomy import AT_ONCE, NEVER
from proxy.errors import Cause, ClientGone, ProxyError, UnwantedStatus

if TYPE_CHECKING:
    from proxy.core.backend import Backend
    from proxy.engine.connections import Connecting
    from proxy.engine.transaction import Transaction
    from proxy.engine.tries import Tries
    from proxy.engine.upstream import UpstreamConnection
    from proxy.engine.watch import Watch


class Hedge:
    selective: Literal[True] = True  # see `Transaction`
    request_complete = True

    def __init__(
        self, transaction: "Transaction", watch: "Watch", exchange: Exchange, backend: "Backend"
    ) -> None:
        """`exchange` has chosen `backend`; `watch` is told what comes of it."""
        self._transaction = transaction
        self._watch = watch
        self._edge = transaction.edge
        self.exchange = exchange
        self.backend = backend
        self.began = self._edge.clock.now
        self.sent = NEVER  # see `anatomy`
        self.connection: UpstreamConnection | None = None
        self.connecting: Connecting | None = None
        self.response_rules = transaction.route.response_rules

    def start(self) -> None:
        self._edge.counters.hedge(self._transaction.route, self.backend)
        spec = self.exchange.pool.spec
        connections = self._edge.connections_to(self.backend, spec.tls)
        connection = connections.take()
        if connection is None:
            self.connecting = connections.connect(self, spec.timeouts.connect)
        else:
            self.sent = AT_ONCE
            self._send(connection)

    # --- what its connection tells ---

    def connected(self, connection: "UpstreamConnection") -> None:
        self.connecting = None
        self.sent = monotonic_ns()
        us = (self.sent - self.began) // 1000
        self._edge.counters.connected(self._transaction.route, self.backend, us)
        self._send(connection)

    def _send(self, connection: "UpstreamConnection") -> None:
        self.connection = connection
        prepared = self._transaction.prepared
        prefix = prepared.prefix or prepared.prefix_for(self.backend)
        data = prefix + self._transaction.request_id + HEAD_END
        connection.begin(self, prepared.head.method)
        self._edge.outbox.add_request(connection.transport, data)

    def try_failed(
        self, error: ProxyError, *, untouched: bool = False, stale: bool = False
    ) -> None:
        """`stale`: a connection that had been idle is gone, which says nothing of the backend."""
        self.connection = self.connecting = None
        if stale:
            self.exchange.finish()
        else:
            self._count_failure(error.cause, error.status)
            self.exchange.failed(error, replayable=False)
        self._watch.hedge_failed(self.backend, error)

    def taker(self, head: ResponseHead) -> "Transaction | None":
        """The transaction, which has given up its own try by then; None: nobody."""
        if head.status not in self.exchange.pool.unwanted:
            self._watch.hedge_won(self)
            return self._transaction
        self._count_failure(UnwantedStatus.cause, head.status)
        self.exchange.responded(head.status)
        self.exchange.finish(head.status)
        self._watch.hedge_failed(self.backend, UnwantedStatus())
        return None

    def interim(self, data: bytes) -> None:
        """Only the first try's are passed on."""

    def upstream_full(self) -> None:
        """Its request is all head: there is nobody to slow down."""

    def upstream_drained(self) -> None:
        """As `upstream_full`."""

    # --- ends ---

    def hand_over(self, tries: "Tries") -> None:
        """The transaction is in its place from here on."""
        if self.connection is not None:
            self.connection.hand_over(self._transaction)
        if self.connecting is not None:
            self.connecting.waiter = tries

    def abandon(self) -> None:
        """The other one was faster, or nobody waits."""
        self._observe(ClientGone.status)
        if self.connection is not None:
            self.connection.abandon()
        if self.connecting is not None:
            self.connecting.give_up()
        self.exchange.finish()

    def _count_failure(self, cause: Cause, status: int) -> None:
        self._edge.counters.failed_try(self._transaction.route, self.backend, cause)
        self._observe(status)

    def _observe(self, status: int) -> None:
        now = self._edge.clock.now = monotonic_ns()
        self.backend.observe_try(status, (now - self.began) / 1000, now)
