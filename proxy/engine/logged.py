"""Requests whose end is told to the access log.

A class of its own, which the edge takes in place of the plain one: without the
log no request pays for it, not even with a question whether there is one.
"""

from time import monotonic_ns
from typing import TYPE_CHECKING

from proxy.core.head import ResponseHead
from proxy.engine.access_log import AccessLog, describe
from proxy.engine.prepared import Prepared
from proxy.engine.transaction import Transaction
from proxy.errors import Cause, ProxyError

if TYPE_CHECKING:
    from proxy.engine.connections import ConnectionPool
    from proxy.engine.upstream import UpstreamConnection


class LoggedTransaction(Transaction):
    _first_try = 0
    _last_try = 0
    _sent = 0
    _responded = 0
    _fresh = False  # the connection was made for this request
    _reused: bool | None = None
    _cause = Cause.COMPLETE

    def _connect(self, pool: "ConnectionPool") -> None:
        self._begin_try(monotonic_ns())
        super()._connect(pool)

    def connected(self, connection: "UpstreamConnection") -> None:
        self._fresh = True
        super().connected(connection)

    def _send(self, connection: "UpstreamConnection") -> None:
        now = monotonic_ns()
        self._reused = not self._fresh
        if self._fresh:
            self._fresh = False
        else:
            self._begin_try(now)
        self._sent = now
        super()._send(connection)

    def _begin_try(self, now: int) -> None:
        if not self._first_try:
            self._first_try = now
        self._last_try = now
        self._sent = 0

    def begin_response(self, head: ResponseHead, *, until_close: bool) -> None:
        self._responded = monotonic_ns()
        super().begin_response(head, until_close=until_close)

    def _give_up(self, error: ProxyError) -> None:
        self._cause = error.cause
        super()._give_up(error)

    def _finish(self, status: int, *, aborted: bool = False) -> None:
        super()._finish(status, aborted=aborted)
        log = self._edge.access_log
        attempts = self._exchange.attempts
        cause = Cause.CLIENT_ABORT if aborted else self._cause
        cut = self._status and cause is not Cause.COMPLETE
        if log is None or not log.wants(status >= 500 or attempts > 1 or aborted or bool(cut)):
            return
        prepared = self.prepared
        if not prepared.subject:
            prepared.subject = describe(prepared.client, prepared)
        backend = self._backend
        log.add(
            (
                self._started,
                monotonic_ns(),
                prepared.subject,
                self.request_id,
                status,
                cause,
                self._bytes_in,
                self._bytes_out,
                backend,
                backend.in_flight if backend is not None else 0,
                attempts,
                self._reused if self._sent else None,
                self._first_try,
                self._last_try,
                self._sent,
                self._responded,
            )
        )


def log_refusal(
    log: AccessLog,
    error: ProxyError,
    client: bytes,
    request_id: bytes,
    bytes_in: int,
    bytes_out: int,
    prepared: Prepared | None = None,
) -> None:
    """A request that the edge has answered itself. `prepared`: its head, if it could be read."""
    if not log.wants(error.status >= 500):
        return
    now = monotonic_ns()
    subject = describe(client, prepared)
    unsent = (None, 0, 0, None, 0, 0, 0, 0)
    log.add(
        (now, now, subject, request_id, error.status, error.cause, bytes_in, bytes_out, *unsent)
    )
