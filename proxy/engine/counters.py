"""Counting what happened, on the board, at the end of each request."""

import logging
from array import array
from pathlib import Path

from proxy.core.backend import Backend
from proxy.core.histogram import bucket_index
from proxy.core.routing import Route
from proxy.engine.anatomy import NEVER
from proxy.engine.board import Board, Row
from proxy.engine.layout import (
    BYTES_IN,
    BYTES_OUT,
    CLIENT_ABORTS,
    CONNECT,
    CONNECT_ERRORS,
    CUTS,
    ERRORS,
    FIRST_BYTE,
    HEDGES,
    ONE_PIECE,
    QUEUE,
    REJECTED_NO_BACKEND,
    REJECTED_QUEUE,
    REJECTED_RATE_LIMIT,
    RETRIES,
    STATUS,
    TIMEOUTS,
    TOTAL,
    Kind,
    word_of,
)
from proxy.engine.row_names import RowName
from proxy.errors import Cause, ProxyError

log = logging.getLogger("lbsite.edge")

_KINDS_OF_ERRORS = {
    Cause.CONNECT_FAILED: CONNECT_ERRORS,
    Cause.CONNECT_TIMEOUT: CONNECT_ERRORS,
    Cause.RESPONSE_TIMEOUT: TIMEOUTS,
    Cause.TRY_TIMEOUT: TIMEOUTS,
    Cause.DEADLINE_EXCEEDED: TIMEOUTS,
    Cause.RESPONSE_CUT: CUTS,
}
_REJECTIONS = {
    Cause.RATE_LIMITED: REJECTED_RATE_LIMIT,
    Cause.NO_ROOM: REJECTED_QUEUE,
    Cause.QUEUE_TIMEOUT: REJECTED_QUEUE,
    Cause.NO_BACKEND: REJECTED_NO_BACKEND,
}

_MIN, _MAX, _SUM, _HISTOGRAM = ONE_PIECE

# Where times are counted that most requests have: looking it up costs a third of working it out.
_SHORT = 1 << 13  # microseconds
_WORDS = array("H", (_HISTOGRAM + word_of(bucket_index(us)) for us in range(_SHORT)))


class Counters:
    """Times are integer microseconds."""

    def __init__(self, path: Path) -> None:
        self.board = Board(path)
        self._unrouted = self.board.row(_row_name(None, None))
        self.requests = 0
        self._rows: dict[Route | None, dict[Backend | None, Row]] = {}

    def configuration_changed(self) -> None:
        """Names may have changed: rows are looked up by name again."""
        self._rows = {}
        self.board.look_anew()
        self._unrouted = self.board.row(_row_name(None, None))

    def request(
        self,
        route: Route | None,
        backend: Backend | None,
        status: int,
        *,
        attempts: int,
        bytes_in: int,
        bytes_out: int,
        duration: int,
        first_byte: int = NEVER,
        aborted: bool = False,
    ) -> None:
        """A request has ended. `backend` None: the edge answered.

        `first_byte`: what the backend took until the response's head was there, or `NEVER`.
        `aborted`: the client has gone first.
        """
        try:
            row = self._rows[route][backend]
        except KeyError:
            row = self._find_row(route, backend)
        self.requests += 1
        live = self.board.live
        at = row.at
        # RFC 9110 §15: a status outside of all classes is taken for a server error.
        live[at + STATUS + (status // 100 if status < 600 else 5)] += 1
        live[at + BYTES_IN] += bytes_in
        live[at + BYTES_OUT] += bytes_out
        if first_byte == duration:
            # What `_add` does: a call would cost as much as all of this.
            live[at + _SUM] += duration
            word = _WORDS[duration] if duration < _SHORT else word_of(bucket_index(duration))
            live[row.times + word] += 1
            if duration < live[at + _MIN]:
                live[at + _MIN] = duration
            if duration > live[at + _MAX]:
                live[at + _MAX] = duration
        else:
            self._add(row, TOTAL, duration)
            if first_byte >= 0:
                self._add(row, FIRST_BYTE, first_byte)
        if attempts > 1:
            live[at + RETRIES] += 1
        if aborted:
            live[at + CLIENT_ABORTS] += 1

    def failed_try(self, route: Route | None, backend: Backend | None, cause: Cause) -> None:
        """A backend gave no usable response; the request may have gone on to another one."""
        row = self._find_row(route, backend)
        self._count(row, ERRORS)
        kind = _KINDS_OF_ERRORS.get(cause)
        if kind is not None:
            self._count(row, kind)

    def hedge(self, route: Route, backend: Backend) -> None:
        """A backend has been given a request that another one is slow with."""
        self._count(self._find_row(route, backend), HEDGES)

    def refused(self, route: Route | None, error: ProxyError, received: int, sent: int) -> None:
        """The edge has answered a request that no backend gets. `route` None: none matched."""
        self.request(
            route,
            None,
            error.status,
            attempts=0,
            bytes_in=received,
            bytes_out=sent,
            duration=0,
        )
        self.answered_itself(route, error.cause)

    def answered_itself(self, route: Route | None, cause: Cause) -> None:
        """The edge has answered a request, which is counted beside that, because of `cause`."""
        word = _REJECTIONS.get(cause)
        if word is not None:
            self._count(self._find_row(route, None), word)

    def queued(self, route: Route, backend: Backend | None, us: int) -> None:
        """A request has waited for a place; `backend` None: in vain."""
        self._add(self._find_row(route, backend), QUEUE, us)

    def connected(self, route: Route, backend: Backend | None, us: int) -> None:
        """A connection was made for a request."""
        self._add(self._find_row(route, backend), CONNECT, us)

    def _count(self, row: Row, word: int) -> None:
        self.board.live[row.at + word] += 1

    def _add(self, row: Row, kind: Kind, us: int) -> None:
        live, at = self.board.live, row.at
        live[at + kind.sum] += us
        live[row.times + kind.histogram + word_of(bucket_index(us))] += 1
        if us < live[at + kind.min]:
            live[at + kind.min] = us
        if us > live[at + kind.max]:
            live[at + kind.max] = us

    def _find_row(self, route: Route | None, backend: Backend | None) -> Row:
        rows = self._rows.setdefault(route, {})
        row = rows.get(backend)
        if row is None:
            row = rows[backend] = self._make_row(route, backend)
        return row

    def _make_row(self, route: Route | None, backend: Backend | None) -> Row:
        name = _row_name(route, backend)
        try:
            row = self.board.row(name)
        except OSError as error:  # a request must not fail because it cannot be counted apart
            log.error("no room to count %s/%s apart: %s", name.pool, name.backend, error)
            return self._unrouted
        row.backend = backend
        return row


def _row_name(route: Route | None, backend: Backend | None) -> RowName:
    return RowName(
        route_id=route.id if route is not None else 0,
        pool_id=route.pool.spec.id if route is not None else 0,
        pool=route.pool.spec.name if route is not None else "",
        backend_id=backend.id if backend is not None else 0,
        backend=backend.spec.name if backend is not None else "",
    )
