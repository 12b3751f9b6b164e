"""Requests whose end is told to the access log.

A class of its own, which the edge takes in place of the plain one: without the
log no request pays for it, not even with a question whether there is one.
"""

from time import monotonic_ns
from typing import TYPE_CHECKING

from proxy.core.head import ResponseHead
from proxy.engine.access_log import MAX_HOST, MAX_METHOD, MAX_PATH, AccessLog, Entry
from proxy.engine.prepared import Prepared
from proxy.engine.transaction import Transaction
from proxy.errors import Cause, ProxyError

if TYPE_CHECKING:
    from proxy.engine.upstream import ConnectionPool, UpstreamConnection


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
        cut = self._status and self._cause is not Cause.COMPLETE
        notable = status >= 500 or aborted or attempts > 1 or bool(cut)
        if log is None or not log.wants(notable=notable):
            return
        backend = self._backend
        entry = Entry(
            started=self._started,
            ended=monotonic_ns(),
            client=self.prepared.client,
            status=status,
            cause=Cause.CLIENT_ABORT if aborted else self._cause,
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            request_id=self.request_id,
            route=self._route,
            backend=backend,
            in_flight=backend.in_flight if backend is not None else 0,
            attempts=attempts,
            reused=self._reused if self._sent else None,
            first_try=self._first_try,
            last_try=self._last_try,
            sent=self._sent,
            response=self._responded,
        )
        _describe(entry, self.prepared)
        log.add(entry)


def log_refusal(
    log: AccessLog,
    error: ProxyError,
    client: bytes,
    bytes_in: int,
    bytes_out: int,
    prepared: Prepared | None = None,
) -> None:
    """A request that the edge has answered itself. `prepared`: its head, if it could be read."""
    if not log.wants(notable=error.status >= 500):
        return
    now = monotonic_ns()
    entry = Entry(
        started=now,
        ended=now,
        client=client,
        status=error.status,
        cause=error.cause,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        request_id=prepared.request_id if prepared is not None else b"",
    )
    if prepared is not None:
        _describe(entry, prepared)
    log.add(entry)


def _describe(entry: Entry, prepared: Prepared) -> None:
    head = prepared.head
    entry.method = head.method[:MAX_METHOD]
    entry.host = head.host[:MAX_HOST]
    entry.path = head.path[:MAX_PATH]
    entry.minor_version = head.minor_version
    entry.snapshot = prepared.configuration.snapshot.number
